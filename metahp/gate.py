"""Whether the forecasts of a running sweep come true, as far as its trials have been trained to the end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from metahp.alike import are_alike
from metahp.features import full_step
from metahp.store import Store
from metahp.types import Forecast, MadeDecision, Sweep, Trial

_WINDOW = 20
_CLAIMED = 0.8
_Z = 1.2815515594457831  # of an 80 % interval
_DOUBT = 0.02  # an honest predictor is taken for a wrong one in at most so many of the times that this is asked
_PAST_SWEEPS = 3  # to read, so that a large store costs no more than a small one


class Gate:
    """Open while as many final scores lie in their 80 % intervals as an honest predictor would have there.

    It looks at the last 20 trials that were trained to the end, each by the last forecast before its second half, so
    that one bad spell closes it and a good one opens it again. A new sweep begins with those of past ones like it; with
    none it is open.
    """

    def __init__(self) -> None:
        self._foretold: dict[str, Forecast] = {}
        self._past: tuple[bool, ...] = ()
        self.is_open = True

    def remember(self, hits: Sequence[bool]) -> None:
        """Begins with what came of forecasts in past sweeps, the newest first."""
        self._past = tuple(hits)

    def foretold(self, made: MadeDecision) -> None:
        """Keeps what was predicted of a running trial in the first half of its training."""
        forecast = made.decision.forecast
        if forecast is not None and made.step > 0 and 2 * made.step <= forecast.step:
            self._foretold[made.trial_id] = forecast

    def look_at(self, trials: Sequence[Trial], sweep: Sweep) -> None:
        """Opens or closes, by what has come of the trials."""
        hits = list(islice(chain(self.hits(trials, sweep), self._past), _WINDOW))
        self.is_open = chance_of_so_few(sum(hits), len(hits), _CLAIMED) >= _DOUBT

    def hits(self, trials: Sequence[Trial], sweep: Sweep) -> Iterator[bool]:
        """Whether forecasts came true, from the newest trial on: of a long sweep only its last part is looked at."""
        return (forecast.holds(value, _Z) for forecast, value in self.settled(trials, sweep))

    def settled(self, trials: Sequence[Trial], sweep: Sweep) -> Iterator[tuple[Forecast, float]]:
        """Forecasts of trials that were trained to the end, with what came of them, from the newest trial on."""
        full = full_step(sweep, trials)
        for trial in reversed(trials):
            if trial.curve.last_step >= full and (forecast := self._foretold.get(trial.trial_id)) is not None:
                yield forecast, trial.curve.measurements[-1].value


def past_hits(store: Store, sweep: Sweep) -> list[bool]:
    """Whether the forecasts of the newest sweeps like this one came true, the newest first; at most a window of them.

    Raises:
        StoreError: the store cannot be read.
    """
    past = [own for own in store.sweeps() if own.sweep_id != sweep.sweep_id and are_alike(own, sweep)]
    found: list[bool] = []
    for own in reversed(past[-_PAST_SWEEPS:]):
        if len(found) < _WINDOW:
            found += _hits_of(own, store.history(own.sweep_id).trials, store.decisions(own.sweep_id))
    return found[:_WINDOW]


def _hits_of(sweep: Sweep, trials: Sequence[Trial], decisions: Iterable[MadeDecision]) -> Iterator[bool]:
    gate = Gate()
    for made in decisions:
        gate.foretold(made)
    return gate.hits(trials, sweep)


def chance_of_so_few(hits: int, of: int, share: float) -> float:
    """P(at most ``hits`` of ``of`` independent events come true), each with the chance ``share``."""
    return sum(math.comb(of, k) * share**k * (1.0 - share) ** (of - k) for k in range(hits + 1))
