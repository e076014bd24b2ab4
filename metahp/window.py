"""The trials that a decision looks at: in a long sweep not all of them, so that the ten-thousandth costs no more."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice

from metahp.types import Mode, Trial

NEWEST = 900
BEST = 100  # of those before; few, so that a rank among all that is seen stays nearly one among all there are
_LOOK_EVERY = 100  # trials


class Window:
    """Of a sweep's trials the best, those not over, and the newest, which come last in the order of suggestion.

    As long as there are no more than 1,000 that is all of them. A predictor is conditioned on fewer anyway.
    """

    def __init__(self) -> None:
        self._best: tuple[str, ...] = ()
        self._looked_at = 0

    def of(self, trials: dict[str, Trial], running: Iterable[str], mode: Mode) -> tuple[Trial, ...]:
        """The trials to look at.

        Args:
            trials: all of them by id, in the order in which they were suggested; the same or more at each call.
            running: the ids of those that are not over.
            mode: which direction of the metric is better.
        """
        if len(trials) <= NEWEST + BEST:
            return tuple(trials.values())
        if len(trials) >= self._looked_at + _LOOK_EVERY:
            self._look(trials, mode)
        newest = dict(islice(reversed(trials.items()), NEWEST))
        older = dict.fromkeys([*self._best, *sorted(set(running))])
        return (*(trials[name] for name in older if name not in newest), *reversed(newest.values()))

    def _look(self, trials: dict[str, Trial], mode: Mode) -> None:
        """Finds the best ones anew; they change seldom."""
        self._looked_at = len(trials)
        best = {name: trial.curve.best(mode) for name, trial in trials.items()}
        score = {name: -math.inf if value is None else mode.sign * value for name, value in best.items()}
        self._best = tuple(sorted(score, key=lambda name: -score[name])[:BEST])
