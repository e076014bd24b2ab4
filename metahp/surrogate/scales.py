"""Where a running sweep's scores lie: a provisional scale, and what is believed about the true one.

Whoever knows only the scores so far does not know how far up it goes. Past sweeps of the same metric tell how large a
range is; the sweep's own scores tell the rest, more firmly with every trial.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metahp.features import Scale, scale_of
from metahp.surrogate.process import ScalePrior
from metahp.types import FloatArray, Sweep, Trial

_ROOM_ABOVE = math.log(1.1)  # the best of a full training is usually a little above the best so far


@dataclass(frozen=True, slots=True)
class PastScales:
    """Scales of past sweeps of one metric: normal offset, log-normal spread, both of signed values."""

    offset: float
    offset_std: float
    log_spread: float
    log_spread_std: float

    @classmethod
    def of(cls, scales: Sequence[Scale], weights: FloatArray) -> PastScales | None:
        """What these scales have in common, or None for none; few of them leave more doubt.

        Args:
            scales: T of them.
            weights: shape ``(T,)``, positive: how much each of them counts.
        """
        if not scales:
            return None
        share = weights / weights.sum()
        offsets = np.array([scale.offset for scale in scales])
        logs = np.log([scale.spread for scale in scales])
        log_spread = float(share @ logs)
        return cls(
            float(share @ offsets),
            _doubtful_std(offsets, share, 0.5 * math.exp(log_spread)),
            log_spread,
            _doubtful_std(logs, share, 0.5),
        )


def provisional(sweep: Sweep, trials: Sequence[Trial], past: PastScales | None) -> tuple[Scale, ScalePrior]:
    """A scale to compute on, and the belief about the true one in its terms."""
    own = scale_of(sweep.mode, trials)
    if past is None:
        scale = own or _nominal(sweep, trials)
        return scale, ScalePrior(0.0, *_own_doubt(trials if own else ()))
    if own is None:
        typical = math.exp(past.log_spread)
        scale = Scale(sweep.mode.sign, past.offset, typical)
        return scale, ScalePrior(0.0, past.offset_std / typical, 0.0, past.log_spread_std)
    scale = Scale(sweep.mode.sign, own.offset, max(own.spread, 0.05 * math.exp(past.log_spread)))
    return scale, _agreed(scale, trials, past)


def _agreed(scale: Scale, trials: Sequence[Trial], past: PastScales) -> ScalePrior:
    """Both sources, weighted by their precision."""
    own_offset_std, own_log, own_log_std = _own_doubt(trials)
    offset, offset_std = _product(
        0.0, own_offset_std, (past.offset - scale.offset) / scale.spread, past.offset_std / scale.spread
    )
    log_spread, log_spread_std = _product(
        own_log, own_log_std, past.log_spread - math.log(scale.spread), past.log_spread_std
    )
    return ScalePrior(offset, offset_std, log_spread, log_spread_std)


def _own_doubt(trials: Sequence[Trial]) -> tuple[float, float, float]:
    """Standard deviation of the offset, mean and standard deviation of the log spread, on the sweep's own scale."""
    told = sum(len(trial.curve) > 0 for trial in trials)
    return 0.3 + 1.0 / (1 + told), _ROOM_ABOVE, 0.3 + 2.0 / (1 + told)


def _nominal(sweep: Sweep, trials: Sequence[Trial]) -> Scale:
    """A scale where no two scores differ: a tenth of the score's size, or 1."""
    best = next((value for trial in trials if (value := trial.curve.best(sweep.mode)) is not None), 0.0)
    return Scale(sweep.mode.sign, sweep.mode.sign * best, 0.1 * abs(best) or 1.0)


def _product(left: float, left_std: float, right: float, right_std: float) -> tuple[float, float]:
    """Mean and standard deviation of the product of two normal densities."""
    weight = right_std**2 / (left_std**2 + right_std**2)
    return weight * left + (1.0 - weight) * right, left_std * math.sqrt(weight)


def _doubtful_std(values: FloatArray, share: FloatArray, doubt: float) -> float:
    """Standard deviation, with one more value that lies ``doubt`` off."""
    one_more = doubt**2 * float(share @ share)  # of so many equal shares one is 1 / n, and so is the sum of squares
    return math.sqrt(float(share @ np.square(values - share @ values)) + one_more + (0.1 * doubt) ** 2)
