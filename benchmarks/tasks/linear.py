"""Linear classifiers by stochastic gradient descent (scikit-learn's ``SGDClassifier``), an epoch at a time."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metahp.space import Categorical, Conditional, Float, SearchSpace
from metahp.types import FloatArray

DATA_SETS = 5
EPOCHS = 30
SPACE = SearchSpace(
    {
        "alpha": Float(1e-7, 1e-1, log=True),
        "eta0": Float(1e-4, 10.0, log=True),
        "loss": Categorical(("log_loss", "hinge", "modified_huber", "squared_hinge")),
        "penalty": Conditional(({"name": "l2"}, {"name": "l1"}, {"name": "elasticnet", "l1_ratio": Float(0.0, 1.0)})),
        "schedule": Conditional(
            ({"name": "constant"}, {"name": "invscaling", "power_t": Float(0.05, 0.8)}, {"name": "optimal"})
        ),
        "average": Categorical((False, True)),
    }
)

Data = tuple[FloatArray, FloatArray, NDArray[np.int64], NDArray[np.int64]]


def train(number: int, config: Mapping[str, Any]) -> FloatArray:
    """The validation accuracy after each epoch, shape ``(EPOCHS,)``; NaN where the weights have gone to infinity."""
    from sklearn.linear_model import SGDClassifier

    x, x_val, y, y_val = _data(number)
    penalty, schedule = config["penalty"], config["schedule"]
    model = SGDClassifier(
        **{name: config[name] for name in ("alpha", "eta0", "loss", "average")},
        penalty=penalty["name"],
        l1_ratio=penalty.get("l1_ratio", 0.15),
        learning_rate=schedule["name"],
        power_t=schedule.get("power_t", 0.5),
        random_state=0,
    )
    rng, scores = np.random.default_rng(number), np.full(EPOCHS, np.nan)
    for epoch in range(EPOCHS):
        order = rng.permutation(len(y))
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # of values too large
                scores[epoch] = model.partial_fit(x[order], y[order], np.unique(y)).score(x_val, y_val)
        except ValueError:  # scikit-learn refuses weights that are not finite
            break
    return scores


@cache
def _data(number: int) -> Data:
    """Half of the examples to train with, the other half to validate with."""
    from sklearn.model_selection import train_test_split

    x, y = (_digits, _many_informative, _noisy_wine, _few_informative, _moons)[number]()
    split: Data = train_test_split(x, y, test_size=0.5, random_state=0)
    return split


def _digits() -> tuple[FloatArray, NDArray[np.int64]]:
    """Of 15 % the label is anything."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    wrong = np.random.default_rng(0).random(len(y)) < 0.15
    return x / 16.0, np.where(wrong, np.random.default_rng(1).integers(0, 10, len(y)), y)


def _many_informative() -> tuple[FloatArray, NDArray[np.int64]]:
    return _made(2000, 60, informative=12, redundant=10, classes=4, wrong=0.1, seed=3)


def _few_informative() -> tuple[FloatArray, NDArray[np.int64]]:
    return _made(1200, 300, informative=15, redundant=0, classes=2, wrong=0.05, seed=5)


def _made(
    count: int, columns: int, *, informative: int, redundant: int, classes: int, wrong: float, seed: int
) -> tuple[FloatArray, NDArray[np.int64]]:
    from sklearn.datasets import make_classification

    x, y = make_classification(
        count,
        columns,
        n_informative=informative,
        n_redundant=redundant,
        n_classes=classes,
        flip_y=wrong,
        random_state=seed,
    )
    return x, y


def _noisy_wine() -> tuple[FloatArray, NDArray[np.int64]]:
    """1,500 draws of scikit-learn's 178 wines, with as much noise as there is difference."""
    from sklearn.datasets import load_wine

    x, y = load_wine(return_X_y=True)
    rng = np.random.default_rng(2)
    rows = rng.integers(0, len(y), 1500)
    x = x[rows] + rng.normal(0.0, 0.9 * x.std(axis=0), (len(rows), x.shape[1]))
    return (x - x.mean(axis=0)) / x.std(axis=0), y[rows]


def _moons() -> tuple[FloatArray, NDArray[np.int64]]:
    """Two moons through 80 random Fourier features (Rahimi & Recht 2007)."""
    from sklearn.datasets import make_moons

    x, y = make_moons(2000, noise=0.35, random_state=6)
    rng = np.random.default_rng(6)
    return np.cos(x @ rng.normal(0.0, 2.0, (2, 80)) + rng.uniform(0.0, 2.0 * np.pi, 80)), y
