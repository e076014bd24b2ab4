"""What a long sweep keeps in memory."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from platform import libc_ver
from typing import Any

import pytest
from ray import tune

from metahp_cluster import load_sweep, run, tuning
from metahp_cluster.forgetting import give_memory_back


class Spy(tune.Callback):
    """Looks at all trials when the sweep is over."""

    left: list[int]
    resources: set[int]
    asked: list[Any]

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        self.left = [len(trial.metric_analysis) + len(trial.metric_n_steps) for trial in trials]
        self.resources = {id(trial.placement_group_factory) for trial in trials}
        self.asked = [own for trial in trials if (own := trial._default_result_or_future) is not None]


@pytest.mark.ray
@pytest.mark.usefixtures("ray_here")
def test_statistics_of_metrics_are_dropped_and_resources_shared(
    sweep_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy()
    monkeypatch.setattr(tuning, "_loggers", lambda sweep, folder: [spy])
    result = run(load_sweep(sweep_file()))
    assert result.is_complete, result.halted
    assert spy.left == [0] * 5
    assert len(spy.resources) == 1
    assert spy.asked == []
    assert result.best_value is not None  # the store has what Tune has forgotten


@pytest.mark.skipif(libc_ver()[0] != "glibc", reason="another allocator")
def test_a_freed_array_goes_back_to_the_system_whatever_was_freed_before() -> None:
    """Without it glibc keeps arrays of 2 MB, once it has seen one of 20 MB."""
    script = """
import sys
import numpy as np
from metahp_cluster.forgetting import give_memory_back
if sys.argv[1:]:
    give_memory_back()
del_me = np.ones(2_500_000)
del del_me
arrays, between = [], []
for _ in range(60):
    arrays.append(np.ones(250_000))
    between.append(np.ones(6_000))  # small enough for the heap, and it stays
del arrays
print(int(open("/proc/self/statm").read().split()[1]) * 4096)
"""
    kept, returned = (
        int(subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True).stdout)
        for words in ([], ["return"])
    )
    assert kept - returned > 60e6  # of 120 MB


def test_it_asks_for_nothing_where_there_is_no_such_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    give_memory_back()
