"""A threshold for stopping trials that keeps its word: the boldest one that whole sweeps vouch for.

The promise is of sweeps: at most a share of them lose their winner. The evidence are sweeps in which nothing was
stopped (``prune: shadow``), since they alone show what every threshold would have lost; a random share of the trials
to be stopped, as `metahp.audit` has it, does not say whether *any* of a sweep's winners was lost. A threshold is
certified if, were more than the allowed share of the tasks to lose one, so few losses would have been seen with a
probability of at most ``1 - confidence``. Thresholds are tried from careful to bold, and the first that fails ends it,
so that trying many costs no confidence (Angelopoulos et al. 2021, "Learn then test", fixed sequence testing with exact
binomial p-values). Sweeps of one task resemble each other: a task loses if any of them does.

It holds for tasks that are exchangeable with those of the evidence: who changes model family, space or the number of
trials has to gather new evidence. Ten percent at 90 % take 22 tasks without a loss, 38 with one, 52 with two.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from metahp.alike import are_alike
from metahp.gate import chance_of_so_few
from metahp.store import Store
from metahp.sweep_losses import GRID, SweepLosses, sweep_losses
from metahp.types import MadeDecision, Sweep, SweepHistory

MARGIN = 0.0
"""A winner counts as lost if it would have been better by more than this share of the sweep's range."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is promised of a threshold.

    Attributes:
        threshold: trials whose chance to win is below are stopped.
        allowed: at most this share of the sweeps lose their winner,
        confidence: with this probability; 0 if nothing is promised.
        tasks: of the evidence.
        lost: those of them in which a winner would have been lost by the threshold.
        source: whose sweeps they are.
    """

    threshold: float
    allowed: float
    confidence: float
    tasks: int
    lost: int
    source: str = "the store"

    @property
    def is_certified(self) -> bool:
        """Whether anything is promised."""
        return self.confidence > 0.0

    def __str__(self) -> str:
        seen = f"{self.lost} of {self.tasks} tasks of {self.source} would have lost theirs"
        if self.is_certified:
            promise = f"at most {self.allowed:.0%} of sweeps like these lose their winner"
            return (
                f"stopping below a chance of {100 * self.threshold:g}% is certified: {promise}, with confidence "
                f"{self.confidence:.0%}; {seen}"
            )
        return (
            f"too little is known to certify any threshold at {self.allowed:.0%} of the sweeps: {seen} at the most "
            f"careful one; so only trials with a chance below {100 * self.threshold:g}% are stopped. "
            f"prune: shadow gathers evidence"
        )


def certificate(
    evidence: Sequence[SweepLosses],
    allowed: float,
    confidence: float,
    *,
    margin: float = MARGIN,
    source: str = "the store",
) -> Certificate:
    """The boldest threshold that the evidence vouches for; the most careful one, and no promise, where there is none.

    Args:
        evidence: sweeps, chosen without regard to what they would have lost.
        allowed: the share of the sweeps that may lose their winner, in ``(0, 1)``.
        confidence: in ``(0, 1)``.
        margin: see `MARGIN`; to be chosen before the evidence is seen.
        source: whose sweeps they are, for people.
    """
    lost = failures(evidence, margin)
    tasks = len({each.task for each in evidence})
    best = Certificate(GRID[0], allowed, 0.0, tasks, lost[0], source)
    for threshold, count in zip(GRID, lost, strict=True):
        if chance_of_so_few(count, tasks, allowed) > 1.0 - confidence:
            break
        best = Certificate(threshold, allowed, confidence, tasks, count, source)
    return best


def failures(evidence: Iterable[SweepLosses], margin: float) -> list[int]:
    """At each threshold of `GRID`, how many tasks have a sweep that loses more than the margin."""
    failed: list[set[str]] = [set() for _ in GRID]
    for each in evidence:
        for tasks, loss in zip(failed, each.losses, strict=True):
            if loss > margin:
                tasks.add(each.task)
    return [len(tasks) for tasks in failed]


def least_tasks(allowed: float, confidence: float) -> int:
    """How many tasks certify anything if none of them loses its winner."""
    return math.ceil(round(math.log(1.0 - confidence) / math.log(1.0 - allowed), 9))


def evidence_of(history: SweepHistory, decisions: Iterable[MadeDecision]) -> list[SweepLosses]:
    """What one sweep has to say: nothing, unless it ran in shadow mode and is over.

    Args:
        history: its trials.
        decisions: about them.
    """
    found = sweep_losses(history, decisions)
    return [] if found is None else [found]


def evidence_of_store(store: Store, like: Sweep | None = None) -> list[SweepLosses]:
    """What the sweeps of a store have to say; trials are read of shadow sweeps alone.

    Args:
        store: the store.
        like: only sweeps by the same metric, in the same direction, that share half of the hyperparameters or more.

    Raises:
        StoreError: the store cannot be read.
    """
    found = []
    for sweep in store.sweeps():
        if like is None or (sweep.sweep_id != like.sweep_id and are_alike(sweep, like)):
            decisions = store.decisions(sweep.sweep_id)
            if any(made.decision.propensity == 0.0 for made in decisions):
                found += evidence_of(store.history(sweep.sweep_id), decisions)
    return found
