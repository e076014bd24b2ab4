"""What Tune keeps of trials that are over."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from metahp_cluster import load_sweep, run, tuning


class Spy(tune.Callback):
    """Looks at all trials when the sweep is over."""

    left: list[int]

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        self.left = [len(trial.metric_analysis) + len(trial.metric_n_steps) for trial in trials]


@pytest.mark.ray
@pytest.mark.usefixtures("ray_here")
def test_statistics_of_metrics_are_dropped(sweep_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    spy = Spy()
    monkeypatch.setattr(tuning, "_loggers", lambda sweep, folder: [spy])
    result = run(load_sweep(sweep_file()))
    assert result.is_complete, result.halted
    assert spy.left == [0] * 5
    assert result.best_value is not None  # the store has what Tune has forgotten
