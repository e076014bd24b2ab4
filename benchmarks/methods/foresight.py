"""Stopping that cannot be had: by the rest of the curve. It bounds what better predictions of curves could gain."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from benchmarks.tasks import Task


class Foresight(FIFOScheduler):
    """Stops a trial as soon as nothing of what is to come beats the best score so far.

    Args:
        task: whose curves it looks up.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._task = task
        self._best = -math.inf

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Goes on or stops."""
        scores = self._task.mode.sign * self._task.curve(trial.config).scores
        seen, ahead = np.split(np.where(np.isfinite(scores), scores, -math.inf), [result["training_iteration"]])
        self._best = max(self._best, seen[-1])
        return str(self.CONTINUE if ahead.max(initial=-math.inf) > self._best else self.STOP)
