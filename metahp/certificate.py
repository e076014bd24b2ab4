"""A threshold for stopping trials that keeps its word: the boldest one that a store's own evidence vouches for.

The evidence are trials that were to be stopped and ran on all the same: a random share under `metahp.pruning`'s audit,
all of them in shadow mode. A threshold is certified if, were more than the allowed share of what it stops winners, so
few winners among the evidence would have been seen with a probability of at most ``1 - confidence``. Thresholds are
tried from careful to bold, and the first that fails ends it, so that trying many costs no confidence (Angelopoulos et
al. 2021, "Learn then test", fixed sequence testing with exact binomial p-values). It holds for trials that are
exchangeable with those of the evidence: who changes model family or space has to gather new evidence. Trials of one
sweep resemble each other, so each sweep is one piece of evidence: one such trial of it, drawn by lot. With all of them
more than twice as many thresholds were certified as should have been (`python -m benchmarks certify`).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from metahp.audit import audit
from metahp.gate import chance_of_so_few
from metahp.store import Store
from metahp.types import Action, MadeDecision, SweepHistory

STEPS = (0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
"""The thresholds that are tried, in units of the allowed share."""

_EQUAL = 1e-9


@dataclass(frozen=True, slots=True)
class Evidence:
    """A trial that was to be stopped and ran on.

    Attributes:
        lowest_chance: the smallest chance to win that it was ever given.
        condemned_below: the threshold by which it was to be stopped. It says nothing of bolder ones: which trials
            between the two ran on was not left to chance.
        won: whether it beat all other trials of its sweep in the end.
    """

    lowest_chance: float
    condemned_below: float
    won: bool


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is promised of a threshold.

    Attributes:
        threshold: trials whose chance to win is below are stopped.
        allowed: at most this share of the stopped trials would have won,
        confidence: with this probability; 0 if nothing is promised.
        trials: of the evidence that the threshold would have stopped.
        winners: those of them that won.
    """

    threshold: float
    allowed: float
    confidence: float
    trials: int
    winners: int

    @property
    def is_certified(self) -> bool:
        """Whether anything is promised."""
        return self.confidence > 0.0

    def __str__(self) -> str:
        seen = f"{self.winners} of {self.trials} that it would have stopped, one a sweep, have won"
        if self.is_certified:
            promise = f"at most {self.allowed:.0%} of what it stops are winners, with confidence {self.confidence:.0%}"
            return f"stopping below a chance of {self.threshold:.1%} is certified: {promise}; {seen}"
        return (
            f"too little is known to certify any threshold at {self.allowed:.0%}: {seen} at the most careful one; so "
            f"only trials with a chance below {self.threshold:.1%} are stopped. prune: shadow gathers evidence"
        )


def certificate(evidence: Sequence[Evidence], allowed: float, confidence: float) -> Certificate:
    """The boldest threshold that the evidence vouches for; the most careful one, and no promise, where there is none.

    Args:
        evidence: trials that were to be stopped, chosen without regard to how they ended.
        allowed: the share of the stopped trials that may be winners, in ``(0, 1)``.
        confidence: in ``(0, 1)``.
    """
    best = Certificate(STEPS[0] * allowed, allowed, 0.0, *_counts(evidence, STEPS[0] * allowed))
    for step in STEPS:
        trials, winners = _counts(evidence, step * allowed)
        if chance_of_so_few(winners, trials, allowed) > 1.0 - confidence:
            break
        best = Certificate(step * allowed, allowed, confidence, trials, winners)
    return best


def evidence_of(history: SweepHistory, decisions: Iterable[MadeDecision]) -> list[Evidence]:
    """What one sweep has to say: at most one trial.

    Args:
        history: its trials.
        decisions: about them.
    """
    made = [each for each in decisions if each.step and math.isfinite(each.decision.probability)]
    lowest: dict[str, float] = {}
    for each in made:
        lowest[each.trial_id] = min(lowest.get(each.trial_id, math.inf), each.decision.probability)
    rules = {each.trial_id: each.decision.threshold for each in reversed(made) if each.decision.action is Action.STOP}
    judged = (spared for spared in audit(history, made).judged if spared.trial_id in rules)
    drawn = sorted(judged, key=lambda own: zlib.crc32(f"{own.sweep_id} {own.trial_id}".encode()))[:1]
    return [Evidence(lowest[own.trial_id], rules[own.trial_id], own.gain > 0) for own in drawn]


def evidence_of_store(store: Store) -> list[Evidence]:
    """What all sweeps of a store have to say.

    Raises:
        StoreError: the store cannot be read.
    """
    return [each for own in store.curves() for each in evidence_of(own, store.decisions(own.sweep.sweep_id))]


def _counts(evidence: Sequence[Evidence], threshold: float) -> tuple[int, int]:
    stopped = [each for each in evidence if each.lowest_chance < threshold <= each.condemned_below + _EQUAL]
    return len(stopped), sum(each.won for each in stopped)
