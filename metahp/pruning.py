"""Whether a decision to stop a trial is carried out, so that it can be known how often stopping was right.

A pruner never sees what the trials that it stopped would have come to. So a small random share of them runs on, with
the chance of that written down (Swaminathan & Joachims, "Counterfactual risk minimization", ICML 2015): they show how
many winners are lost, and keep the store from holding only the beginnings of bad curves. `metahp.audit` reads them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from metahp import halving
from metahp.errors import RecordError
from metahp.gate import Gate
from metahp.policy import MAX_FALSE_PRUNES, Policy
from metahp.types import Action, Decision, MadeDecision, Sweep, Trial

AUDIT = 0.04


class Prune(StrEnum):
    """What is done with the decisions to stop trials.

    ``on`` carries them out. ``gated`` does so while the predictor's forecasts of the sweep's trials come true, and lets
    ASHA decide while they do not. ``shadow`` takes them and carries out none. ``off`` takes none.
    """

    ON = "on"
    GATED = "gated"
    SHADOW = "shadow"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Pruning:
    """What the user wants of pruning.

    Attributes:
        mode: see `Prune`; its name will do.
        max_false_prunes: share of the stopped trials that may turn out to have been winners: an aim, not a guarantee;
            0 stops none. With ``guarantee``: the share of sweeps that may lose their winner, and a promise.
        audit: share of the trials to be stopped that run on all the same, so that ``metahp audit`` can say how many
            winners are lost; 0 for none.
        guarantee: with which confidence ``max_false_prunes`` is to be kept, by the store's own shadow sweeps, or by
            those that ship as long as they are too few; where neither suffice, fewer trials are stopped. None to take
            it as an aim. See `metahp.certificate`.

    Raises:
        RecordError: an unknown mode, or a share that is none.
    """

    mode: Prune | str = Prune.GATED
    max_false_prunes: float = MAX_FALSE_PRUNES
    audit: float = AUDIT
    guarantee: float | None = None

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "mode", Prune(self.mode))
        except ValueError:
            raise RecordError(f"prune is one of {', '.join(Prune)}, got {self.mode!r}") from None
        if not 0.0 <= self.max_false_prunes < 1.0:
            raise RecordError(f"max_false_prunes is a share from 0 (never stop) below 1, got {self.max_false_prunes}")
        if not 0.0 <= self.audit < 1.0:
            raise RecordError(f"audit is a share from 0 (no audit) below 1, got {self.audit}")
        if self.guarantee is not None and not 0.0 < self.guarantee < 1.0:
            raise RecordError(f"guarantee is a confidence between 0 and 1, e.g. 0.9, got {self.guarantee}")

    @property
    def propensity(self) -> float:
        """The chance with which a decision to stop is carried out."""
        return 0.0 if self.mode is Prune.SHADOW else 1.0 - self.audit


class Pruner:
    """Decides about the trials of one sweep."""

    def __init__(self, pruning: Pruning, seed: int) -> None:
        self._pruning = pruning
        self._seed = seed
        self._gate = Gate()

    @property
    def is_open(self) -> bool:
        """Whether the predictor decides, and not ASHA in its place."""
        return self._pruning.mode is not Prune.GATED or self._gate.is_open

    def decide(self, policy: Policy, sweep: Sweep, trials: Sequence[Trial], trial: Trial) -> Decision:
        """Whether a trial goes on, by the policy or what stands in for it, and whether that is carried out.

        Args:
            policy: asked, unless pruning is off.
            sweep: the sweep.
            trials: all its trials, among them ``trial``.
            trial: the one that reported last.
        """
        if self._pruning.mode is Prune.OFF:
            return Decision(Action.CONTINUE, "pruning is off")
        decision = policy.decide(sweep, trials, trial)
        if self._pruning.mode is Prune.GATED:
            self._gate.foretold(MadeDecision(trial.trial_id, trial.curve.last_step, decision))
            self._gate.look_at(trials, sweep)
        if not self.is_open:
            decision = replace(
                self._without_model(sweep, trials, trial), forecast=decision.forecast, model=decision.model
            )
        return self._carried_out(decision, trial) if decision.action is Action.STOP else decision

    def _without_model(self, sweep: Sweep, trials: Sequence[Trial], trial: Trial) -> Decision:
        if self._pruning.guarantee is not None:
            return Decision(Action.CONTINUE, "predictions fail, and nothing else was guaranteed")
        return halving.decide(sweep, trials, trial)

    def recall(self, decisions: Iterable[MadeDecision]) -> None:
        """Takes up what an earlier driver of the sweep has decided, so that the gate knows its forecasts."""
        for made in decisions:
            self._gate.foretold(made)

    def remember(self, hits: Sequence[bool]) -> None:
        """Takes up whether the forecasts of past sweeps came true, see `metahp.gate.past_hits`."""
        self._gate.remember(hits)

    def _carried_out(self, decision: Decision, trial: Trial) -> Decision:
        chance = self._pruning.propensity
        return replace(decision, propensity=chance, carried_out=self._draw(trial) < chance)

    def _draw(self, trial: Trial) -> float:
        """Uniform in [0, 1), the same whenever it is drawn for this configuration in this sweep."""
        config = json.dumps(trial.config, sort_keys=True, default=str).encode()
        return float(np.random.default_rng([self._seed, zlib.crc32(config)]).random())
