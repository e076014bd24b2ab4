"""The weights of a network as arrays: what is saved, and what NumPy computes with; Keras only trains them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metahp.surrogate.kernel import Learned, Spread
from metahp.types import FloatArray

JITTER = 4e-4  # (2 % of the range)²; a float32 Cholesky factor of ROWS rows needs about a tenth of it

Arrays = dict[str, NDArray[np.float32]]


def learned(weights: Arrays) -> Learned:
    """What training found out; see `metahp.surrogate.trunk.Trunk` for the weights."""
    arrays: dict[str, FloatArray] = {name: value.astype(np.float64) for name, value in weights.items()}
    std, share = np.exp(arrays["log_std"]), 1.0 / (1.0 + np.exp(-arrays["logit_share"]))
    spread = Spread(
        config_std=float(std[0]),
        config_share=float(share[0]),
        trial_std=float(std[1]),
        trial_share=float(share[1]),
        sweep_std=float(std[2]),
        noise_std=float(np.sqrt(std[3] ** 2 + JITTER)),
        memory=float(std[4]),
    )
    lengths = np.exp(arrays["log_lengths"])
    lengths[0] = np.median(lengths[1:]) if len(lengths) > 1 else 1.0  # row 0 stands for labels never met
    return Learned(arrays, arrays["mean"], np.exp(arrays["log_weight_std"]), lengths, spread)
