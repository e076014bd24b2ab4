"""Whether the forecasts of a running sweep come true, as far as its trials have been trained to the end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

from metahp.features import full_step
from metahp.types import Forecast, MadeDecision, Sweep, Trial

_WINDOW = 20
_CLAIMED = 0.8
_Z = 1.2815515594457831  # of an 80 % interval
_DOUBT = 0.02  # an honest predictor is taken for a wrong one in at most so many of the times that this is asked


class Gate:
    """Open while as many final scores lie in their 80 % intervals as an honest predictor would have there.

    It looks at the last 20 trials that were trained to the end, each by the last forecast before its second half, so
    that one bad spell closes it and a good one opens it again. With none it is open.
    """

    def __init__(self) -> None:
        self._foretold: dict[str, Forecast] = {}
        self.is_open = True

    def foretold(self, made: MadeDecision) -> None:
        """Keeps what was predicted of a running trial in the first half of its training."""
        forecast = made.decision.forecast
        if forecast is not None and made.step > 0 and 2 * made.step <= forecast.step:
            self._foretold[made.trial_id] = forecast

    def look_at(self, trials: Sequence[Trial], sweep: Sweep) -> None:
        """Opens or closes, by what has come of the trials."""
        hits = list(islice(self._hits(trials, full_step(sweep, trials)), _WINDOW))
        self.is_open = chance_of_so_few(sum(hits), len(hits), _CLAIMED) >= _DOUBT

    def _hits(self, trials: Sequence[Trial], full: int) -> Iterator[bool]:
        """Whether forecasts came true, from the newest trial on: of a long sweep only its last part is looked at."""
        for trial in reversed(trials):
            if trial.curve.last_step >= full and (forecast := self._foretold.get(trial.trial_id)) is not None:
                yield forecast.holds(trial.curve.measurements[-1].value, _Z)


def chance_of_so_few(hits: int, of: int, share: float) -> float:
    """P(at most ``hits`` of ``of`` independent events come true), each with the chance ``share``."""
    return sum(math.comb(of, k) * share**k * (1.0 - share) ** (of - k) for k in range(hits + 1))
