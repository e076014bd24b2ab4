"""How a sweep's forecasts came true: how many final scores lay in their intervals, and what the gate makes of that."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

from metahp.gate import Gate
from metahp.types import MadeDecision, SweepHistory

_HALF, _MOST = (NormalDist().inv_cdf(0.5 + share / 2) for share in (0.5, 0.8))


@dataclass(frozen=True, slots=True)
class Coverage:
    """What has come of the forecasts of one sweep, or of many.

    Attributes:
        settled: trials that were trained to the end, of which something was foretold in the first half.
        in_half: those whose final score lay in the 50 % interval.
        in_most: those whose final score lay in the 80 % interval.
        by_asha: decisions that were not the predictor's, since the gate was closed when they were made: they were
            ASHA's, or nobody's under a guarantee, which stops no trial then.
        is_open: whether the gate would let the predictor stop trials now, by these forecasts; None for several sweeps,
            each of which has a gate of its own.
    """

    settled: int = 0
    in_half: int = 0
    in_most: int = 0
    by_asha: int = 0
    is_open: bool | None = None

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(
            self.settled + other.settled,
            self.in_half + other.in_half,
            self.in_most + other.in_most,
            self.by_asha + other.by_asha,
        )


def coverage(history: SweepHistory, decisions: Iterable[MadeDecision]) -> Coverage:
    """What has come of the forecasts of a sweep.

    Args:
        history: its trials.
        decisions: about them, in the order in which they were made.
    """
    gate, by_asha = Gate(), 0
    for made in decisions:
        gate.foretold(made)
        by_asha += made.step > 0 and made.decision.forecast is not None and not made.decision.is_predicted
    gate.look_at(history.trials, history.sweep)
    settled = gate.settled(history.trials, history.sweep)
    known = [(forecast, value) for forecast, value in settled if not math.isnan(value)]
    return Coverage(
        settled=len(known),
        in_half=sum(forecast.holds(value, _HALF) for forecast, value in known),
        in_most=sum(forecast.holds(value, _MOST) for forecast, value in known),
        is_open=gate.is_open,
        by_asha=by_asha,
    )
