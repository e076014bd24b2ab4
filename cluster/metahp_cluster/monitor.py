"""The Tune callback that keeps the progress, and pulls the brake where going on is pointless."""

from __future__ import annotations

import math
import time
from difflib import get_close_matches
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.result import AUTO_RESULT_KEYS

from metahp.types import Measurement, TrialStatus
from metahp_cluster.interrupts import Brake
from metahp_cluster.progress import Progress
from metahp_cluster.views import View

POINTLESS_FAILURES = 4  # so many trials failed and not one has reported: it is the code, not the configuration


class Monitor(Callback):
    """Watches one run of Tune.

    Args:
        progress: kept up to date.
        view: told of every change.
        brake: obeyed after each step of Tune's loop, and pulled when the hours are used up, when the metric is
            nowhere in the reports, and when trials do nothing but fail.
        hours: how long this run may take, or None.
    """

    def __init__(self, progress: Progress, view: View, brake: Brake, hours: float | None) -> None:
        self._progress = progress
        self._view = view
        self._brake = brake
        self._hours = hours
        self._ended_early: set[str] = set()
        self._keys: set[str] = set()
        self._metric_seen = progress.incumbent() is not None
        self._reported: set[str] = set()
        self._shown = 0.0

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Counts a start."""
        self._progress.start(trial.trial_id, trial.config)
        self._refresh()

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Counts an epoch."""
        value = _number(result, self._progress.metric)
        if value is None:
            self._note_missing_metric(result)
        else:
            self._metric_seen = True
        self._reported.add(trial.trial_id)
        step = int(result["training_iteration"])
        self._progress.report(trial.trial_id, Measurement(step, math.nan if value is None else value))
        if result.get("done") and step < self._progress.epochs_each:
            self._ended_early.add(trial.trial_id)  # Tune has marked the result: the scheduler ends this trial
        self._refresh()

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Counts an end."""
        pruned = trial.trial_id in self._ended_early
        self._progress.end(trial.trial_id, TrialStatus.STOPPED if pruned else TrialStatus.COMPLETED)
        if trial.trial_id not in self._reported:
            self._view.say(f"trial {self._number_of(trial)} ended without a report; call tune.report each epoch")
        elif not self._metric_seen:
            self._brake.pull(self._unknown_metric())
        self._refresh()

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Counts a failure."""
        self._progress.end(trial.trial_id, TrialStatus.ERRORED)
        reason = _last_line(trial)
        self._view.say(f"trial {self._number_of(trial)} failed: {reason}")
        failed = self._progress.counts[TrialStatus.ERRORED]
        if failed >= POINTLESS_FAILURES and failed == self._progress.ended and not self._metric_seen:
            self._brake.pull(f"all of the first {failed} trials failed, the last one by {reason}")
        self._refresh()

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Looks at the clock, and obeys the brake."""
        if self._hours is not None and self._progress.elapsed_s > 3600 * self._hours:
            self._brake.pull(f"the budget of {self._hours:g} hours is used up")
        if time.monotonic() - self._shown > 1.0:
            self._refresh()
        self._brake.obey()

    def _refresh(self) -> None:
        self._shown = time.monotonic()
        self._view.show(self._progress)

    def _number_of(self, trial: Trial) -> int:
        known = self._progress.trials.get(trial.trial_id)
        return known.number if known else 0

    def _note_missing_metric(self, result: dict[str, Any]) -> None:
        if not self._keys and not self._metric_seen:
            self._keys = {key for key in result if key not in _TUNES_OWN}
            self._view.say(f"the first report has no {self._progress.metric!r}, only {_listed(self._keys)}")

    def _unknown_metric(self) -> str:
        metric = self._progress.metric
        close = get_close_matches(metric, self._keys, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "set metric to one of these"
        return f"no trial has reported the metric {metric!r}; reported were {_listed(self._keys)}; {hint}"


_TUNES_OWN = {*AUTO_RESULT_KEYS, "checkpoint_dir_name", "should_checkpoint", "done", "config", "experiment_tag"}


def _listed(keys: set[str]) -> str:
    return ", ".join(sorted(keys)) or "nothing"


def _number(result: dict[str, Any], metric: str) -> float | None:
    """The metric, also of a nested report (``"val/accuracy"``); None where it is missing or no number."""
    value: Any = result
    for part in [metric] if metric in result else metric.split("/"):
        value = value.get(part) if isinstance(value, dict) else None
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def _last_line(trial: Trial) -> str:
    """What the traceback of a failed trial ends with."""
    text = str(trial.get_error() or "").strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "unknown error"
