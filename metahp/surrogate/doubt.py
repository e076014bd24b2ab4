"""What no history settles: how far the configurations, the trials and the curves of one sweep deviate from belief.

Learned by likelihood, these numbers come out too small: pruned histories hold few curves that tell how early scores
and late ones go together. On left-out LCBench tasks, with 4 of 52 epochs seen, the learned numbers gave a mean error
of the final level of 0.140 and 80 % intervals that covered 65 %; these give 0.117 and 74 %.
"""

from __future__ import annotations

import numpy as np

from metahp.features import SMALLEST_FRACTION
from metahp.surrogate.kernel import Spread, time_bases
from metahp.surrogate.process import KNOTS
from metahp.types import FloatArray

SPREAD = Spread(
    config_std=0.35,
    config_share=0.55,
    trial_std=0.1,
    trial_share=0.5,
    sweep_std=0.3,
    noise_std=0.04,
    memory=2.5,
)
_SHAPE_STD = np.array([0.15, 0.15, 0.3])  # of the power law and the exponentials


_SHOWN = np.array([SMALLEST_FRACTION, 0.02, 0.077, 0.25, 0.5])
_HONEST = np.array([1.6, 1.9, 1.5, 1.0, 0.7])


def honest(shown: FloatArray) -> FloatArray:
    """By how much the process is too sure of trials that have shown these fractions of a training, shape ``(n,)``.

    First epochs mislead more, and late ones less, than a stationary covariance can say. On 28 left-out tasks of LCBench
    and TaskSet the process' own 80 % intervals of final scores covered .56 before the first epoch, .51 after one, .65
    after 4 of 52, .83 after 13, .94 after 26; multiplied by these factors .79, .79, .83, .83, .82, and the interval
    score, which punishes width as well as misses, fell by 10, 20, 7, 0 and 4 %. They were chosen on these tasks.
    """
    return np.interp(np.log(np.maximum(shown, SMALLEST_FRACTION)), np.log(_SHOWN), _HONEST)


def shape_factors(count: int) -> FloatArray:
    """Directions in which all curves of a sweep may deviate alike, for ``count`` configurations.

    Returns:
        Shape ``(count, BASES - 1, len(KNOTS))``, read-only.
    """
    factors = _SHAPE_STD[:, None] * time_bases(np, KNOTS).T[1:]
    return np.broadcast_to(factors, (count, *factors.shape))
