"""Synchronous successive halving, a batch of random configurations at a time: two baselines that must not win.

*Successive halving* with 27, 9, 3, 1 trials at a 27th, 9th, third and all of the training is Hyperband's most
aggressive bracket (Jamieson & Talwalkar 2016). *One epoch, then the best few* (Egele et al. 2023) has two rungs.
"""

from __future__ import annotations

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from benchmarks.methods.random_search import RandomSearch


class BatchHalving(TrialScheduler):
    """Pauses every trial of a batch at a rung until all are there, then lets the best go on and stops the others.

    Args:
        rungs: ``(trials, step)``: so many trials of the batch reach that step; the first is the size of the batch, the
            last step ends a training.
    """

    _supports_buffered_results = False

    def __init__(self, rungs: list[tuple[int, int]]) -> None:
        super().__init__()
        self._rungs = rungs
        self._metric, self._sign = "", 1.0
        self._begin()

    def _begin(self) -> None:
        self._rung = 0
        self._members: list[Trial] = []
        self._scores: dict[Trial, float] = {}

    @property
    def is_full(self) -> bool:
        """Whether the current batch needs no more trials."""
        return len(self._members) >= self._rungs[0][0] or self._rung > 0

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Takes metric and mode from Tune."""
        self._metric = metric or ""
        self._sign = -1.0 if mode == "min" else 1.0
        return True

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """A trial of the batch."""
        self._members.append(trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Goes on to the rung, waits there; the last to arrive decides for all."""
        _, step = self._rungs[self._rung]
        if result["training_iteration"] < step:
            return str(TrialScheduler.CONTINUE)
        score = self._sign * result[self._metric]
        self._scores[trial] = score if score == score else -float("inf")  # NaN is the worst
        if self._rung == len(self._rungs) - 1:
            return str(TrialScheduler.STOP)
        return self._close_rung(tune_controller, trial)

    def _close_rung(self, tune_controller: Any, trial: Trial | None) -> str:
        """What the trial is to do, once those that fell behind have been stopped; PAUSE while others are missing."""
        if not self.is_full or any(member not in self._scores for member in self._members):
            return str(TrialScheduler.PAUSE)
        size, _ = self._rungs[self._rung + 1]
        ranked = sorted(self._members, key=lambda member: self._scores[member], reverse=True)
        self._members, losers = ranked[:size], ranked[size:]
        self._rung += 1
        self._scores = {}
        for loser in losers:
            if loser is not trial:
                tune_controller.stop_trial(loser)
        return str(TrialScheduler.STOP if trial in losers else TrialScheduler.CONTINUE)

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """One less; an empty batch makes room for the next one."""
        self._leave(tune_controller, trial)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """One less."""
        self._leave(tune_controller, trial)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """One less."""
        self._leave(tune_controller, trial)

    def _leave(self, tune_controller: Any, trial: Trial) -> None:
        if trial not in self._members:
            return
        self._members.remove(trial)
        if not self._members:
            self._begin()
        elif self._rung < len(self._rungs) - 1:
            self._close_rung(tune_controller, None)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """A member that has not reached the rung; of equals, the one that was suggested first."""
        waiting = [m for m in self._members if m.status in (Trial.PENDING, Trial.PAUSED) and m not in self._scores]
        return waiting[0] if waiting else None

    def debug_string(self) -> str:
        """Where the batch stands."""
        return f"BatchHalving: {len(self._members)} trials on the way to rung {self._rung}"


class BatchSearch(RandomSearch):
    """Random configurations, as many as the scheduler's batch still needs."""

    def __init__(self, scheduler: BatchHalving, seed: int) -> None:
        super().__init__(seed)
        self._scheduler = scheduler

    def suggest(self, trial_id: str) -> dict[str, Any] | None:  # type: ignore[override]
        """The next one, None while the batch is full."""
        return None if self._scheduler.is_full else super().suggest(trial_id)
