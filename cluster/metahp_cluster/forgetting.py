"""Of a trial that is over Tune remembers more than anybody asks for, too much for a sweep of ten thousand trials.

For each metric Tune keeps its newest values and their averages, 46 kB a trial, for `ExperimentAnalysis`, which would
ask for the best trial by them. Here the store knows that, and `metahp run` never asks Tune.
"""

from __future__ import annotations

from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial


class Forget(Callback):
    """Drops what Tune has counted of a trial's metrics, when the trial is over."""

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Drops it."""
        counted = trial.run_metadata
        counted.metric_n_steps, counted.metric_analysis = {}, {}

    on_trial_error = on_trial_complete
