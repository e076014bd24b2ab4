"""Boosted regression trees (scikit-learn's ``GradientBoostingRegressor``), two more trees a step."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from metahp.space import Float, Int, SearchSpace
from metahp.types import FloatArray

DATA_SETS = 4
REPORTS, TREES_A_REPORT = 50, 2
SPACE = SearchSpace(
    {
        "learning_rate": Float(0.005, 1.0, log=True),
        "max_depth": Int(1, 8),
        "subsample": Float(0.3, 1.0),
        "min_samples_leaf": Int(1, 60, log=True),
        "max_features": Float(0.1, 1.0),
    }
)


def train(number: int, config: Mapping[str, Any]) -> FloatArray:
    """The validation's mean squared error after every few trees, shape ``(REPORTS,)``."""
    from sklearn.ensemble import GradientBoostingRegressor

    x, x_val, y, y_val = _data(number)
    model = GradientBoostingRegressor(n_estimators=REPORTS * TREES_A_REPORT, random_state=0, **config).fit(x, y)
    errors = [float(np.mean(np.square(predicted - y_val))) for predicted in model.staged_predict(x_val)]
    return np.array(errors[TREES_A_REPORT - 1 :: TREES_A_REPORT])


@cache
def _data(number: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Three fifths to train with, two to validate with: diabetes patients and Friedman's three functions (1991)."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    x, y = (
        lambda: datasets.load_diabetes(return_X_y=True),
        lambda: datasets.make_friedman1(700, noise=2.0, random_state=4),
        lambda: datasets.make_friedman2(600, noise=150.0, random_state=7),
        lambda: datasets.make_friedman3(900, noise=0.3, random_state=5),
    )[number]()
    split: tuple[FloatArray, FloatArray, FloatArray, FloatArray] = train_test_split(x, y, test_size=0.4, random_state=0)
    return split
