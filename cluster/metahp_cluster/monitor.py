"""The Tune callback that keeps the progress, and pulls the brake where going on is pointless."""

from __future__ import annotations

import time
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.result import EXPR_ERROR_FILE

from metahp.types import TrialStatus
from metahp_cluster.forecaster import Forecaster
from metahp_cluster.interrupts import Brake
from metahp_cluster.progress import Progress
from metahp_cluster.views import View
from metahp_searchers.reports import measurement_of, metrics_of

STEP = "training_iteration"  # Tune counts the reports of a trial, whatever the trial calls them
POINTLESS_FAILURES = 4  # so many trials failed and not one has reported: it is the code, not the configuration


class Monitor(Callback):
    """Watches one run of Tune.

    Args:
        progress: kept up to date.
        view: told of every change.
        brake: obeyed after each step of Tune's loop, and pulled when the hours are used up, when the metric is
            nowhere in the reports, and when trials do nothing but fail.
        hours: how long this run may take, or None.
        forecaster: what it says is shown; None for no forecasts.
    """

    def __init__(
        self, progress: Progress, view: View, brake: Brake, hours: float | None, forecaster: Forecaster | None = None
    ) -> None:
        self._progress = progress
        self._forecaster = forecaster
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
        measurement = measurement_of(result, self._progress.metric, STEP)
        if measurement is None:
            return
        self._look_for_metric(metrics_of(result))
        self._reported.add(trial.trial_id)
        self._progress.report(trial.trial_id, measurement)
        if result.get("done") and measurement.step < self._progress.epochs_each:
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
            self._brake.pull_after(self._hours)
        if time.monotonic() - self._shown > 1.0:
            self._progress.pause([trial.trial_id for trial in trials if trial.status == Trial.PAUSED])
            self._refresh()
        self._brake.obey()

    def _refresh(self) -> None:
        self._shown = time.monotonic()
        if self._forecaster is not None:
            self._progress.ahead = self._forecaster.latest
        self._view.show(self._progress)

    def _number_of(self, trial: Trial) -> int:
        known = self._progress.trials.get(trial.trial_id)
        return known.number if known else 0

    def _look_for_metric(self, reported: Mapping[str, Any]) -> None:
        if self._progress.metric in reported:
            self._metric_seen = True
        elif not self._metric_seen and not self._keys and reported:
            self._keys = set(reported)
            self._view.say(f"the first report has no {self._progress.metric!r}, only {_listed(self._keys)}")

    def _unknown_metric(self) -> str:
        metric = self._progress.metric
        close = get_close_matches(metric, self._keys, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "set metric to one of these"
        return f"no trial has reported the metric {metric!r}; reported were {_listed(self._keys)}; {hint}"


def _listed(keys: set[str]) -> str:
    return ", ".join(sorted(keys)) or "nothing"


def _last_line(trial: Trial) -> str:
    """What the traceback of a failed trial ends with; Tune's copy in its storage comes later."""
    error = Path(trial.local_path or "") / (trial.run_metadata.error_filename or EXPR_ERROR_FILE)
    try:
        lines = [line.strip() for line in error.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return lines[-1][:300] if lines else "unknown error, see the log"
