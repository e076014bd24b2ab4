"""One sweep as its pages show it: what is expensive is worked out when it is first asked for, and once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from metahp.audit import Audit, audit
from metahp.certificate import Certificate
from metahp.coverage import Coverage, coverage
from metahp.features import full_step
from metahp.importance import Effects, effects
from metahp.types import MadeDecision, SweepHistory, Trial
from metahp_cluster.summary import Summary, summarise


@dataclass(frozen=True, slots=True)
class Scored:
    """A trial with what it is ranked by.

    Attributes:
        number: counted from 1 in the order of the starts.
        trial: the trial.
        best: its best finite value, None where there is none.
    """

    number: int
    trial: Trial
    best: float | None


@dataclass(frozen=True)
class SweepView:
    """A sweep, and what its store knows beside it.

    Attributes:
        history: the sweep with its trials.
        decisions: about them, in the order in which they were made.
        others: the other sweeps of the store with the same metric, the oldest first.
        promise: what the store certifies of a threshold, None where it was not asked.
    """

    history: SweepHistory
    decisions: Sequence[MadeDecision] = field(default=())
    others: Sequence[Summary] = field(default=())
    promise: Certificate | None = None

    @property
    def sweep_id(self) -> str:
        """Finds the sweep in its store."""
        return self.history.sweep.sweep_id

    @cached_property
    def scored(self) -> list[Scored]:
        """The trials in the order of their starts."""
        mode = self.history.sweep.mode
        return [Scored(n, trial, trial.curve.best(mode)) for n, trial in enumerate(self.history.trials, 1)]

    @cached_property
    def ranked(self) -> list[Scored]:
        """The trials, the best first; those without a value come last."""
        sign = self.history.sweep.mode.sign
        return sorted(self.scored, key=lambda each: float("inf") if each.best is None else -sign * each.best)

    @property
    def best(self) -> Scored | None:
        """The best trial; the first such trial where several tie."""
        return self.ranked[0] if self.ranked and self.ranked[0].best is not None else None

    @cached_property
    def summary(self) -> Summary:
        """The sweep in few numbers."""
        return summarise(self.history)

    @cached_property
    def full(self) -> int:
        """Epochs of a full training."""
        return full_step(self.history.sweep, self.history.trials)

    @cached_property
    def audit(self) -> Audit:
        """Whether it was right to stop trials."""
        return audit(self.history, self.decisions)

    @cached_property
    def coverage(self) -> Coverage:
        """How forecasts came true."""
        return coverage(self.history, self.decisions)

    @cached_property
    def effects(self) -> Effects:
        """Which hyperparameters mattered."""
        return effects(self.history)

    @cached_property
    def forecasts(self) -> dict[str, MadeDecision]:
        """By trial_id, the newest decision that rests on a forecast."""
        return {made.trial_id: made for made in self.decisions if made.decision.forecast is not None}
