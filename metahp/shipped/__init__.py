"""The predictor that ships with MetaHP: trained on `metahp.starter`, for stores that hold nothing yet.

``predictor.json`` and ``arrays.npz`` beside this module were made by ``python -m metahp.shipped`` with seed 0. Sweeps
that share fewer than half of their hyperparameters with the starter history get nothing from it, and lose nothing.
"""

from __future__ import annotations

from metahp.keras_predictor import SHIPPED, KerasPredictor


def shipped_predictor() -> KerasPredictor:
    """A fresh copy; `KerasPredictor.fit` makes it forget what it knows.

    Raises:
        StoreError: the files are damaged, or of another version of MetaHP.
    """
    return KerasPredictor.load(SHIPPED)
