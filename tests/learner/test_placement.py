"""Where the learner beside a sweep runs: a process, an actor, or nowhere."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from metahp.errors import RecordError
from metahp.models import newest_version
from metahp.space import Float, SearchSpace
from metahp.store import Store
from metahp.types import Measurement, Mode, Sweep
from metahp_searchers import MetaSearch, learning

SPACE = SearchSpace({"x": Float(0.0, 1.0)})


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv(learning.SWITCH, "1")
    monkeypatch.setenv(learning.INTERVAL, "0.5")
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    with store.open_sweep(Sweep("past", SPACE, "acc", Mode.MAX, 3)) as writer:
        for number in range(8):
            writer.start_attempt(f"t{number}", {"x": number / 8})
            for step in range(1, 4):
                writer.record(f"t{number}", Measurement(step, number * step / 24))
    return store


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands of the processes that would have been started."""
    commands: list[list[str]] = []

    class Process:
        def __init__(self, command: list[str], **_: Any) -> None:
            commands.append(command)

        def terminate(self) -> None:
            commands.append(["terminate"])

        def wait(self, timeout: float | None = None) -> int:
            return 0

    monkeypatch.setattr(subprocess, "Popen", Process)
    return commands


def test_it_begins_with_the_first_report_and_ends_with_the_sweep(store: Store, started: list[list[str]]) -> None:
    search = MetaSearch(store, space=SPACE, metric="acc", mode="max", max_t=3, seed=0)
    config = search.suggest("a")
    assert isinstance(config, dict)
    search.brain.trial_started("a", config, restored=False)
    assert started == []
    for step in (1, 2):
        search.brain.trial_reported("a", {"acc": 0.5, "training_iteration": step}, done=False)
    assert [command[1:4] for command in started] == [["-m", "metahp.learner", store.location]]
    assert started[0][-2:] == ["--parent", str(os.getpid())]
    search.brain.close()
    assert started[1:] == [["terminate"]]


@pytest.mark.parametrize("off", ["environment", "argument"])
def test_there_is_none_where_none_is_wanted(
    store: Store, started: list[list[str]], off: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if off == "environment":
        monkeypatch.setenv(learning.SWITCH, "0")
    search = MetaSearch(store, space=SPACE, metric="acc", mode="max", seed=0, learn=off != "argument")
    config = search.suggest("a")
    assert isinstance(config, dict)
    search.brain.trial_started("a", config, restored=False)
    search.brain.trial_reported("a", {"acc": 0.5, "training_iteration": 1}, done=False)
    search.brain.close()
    assert started == []


def test_a_setting_that_is_no_number_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(learning.INTERVAL, "often")
    with pytest.raises(RecordError, match="METAHP_LEARN_EVERY must be a number, got 'often'"):
        learning.start_learner(store)


@pytest.fixture
def end() -> Iterator[list[Callable[[], None]]]:
    ends: list[Callable[[], None]] = []
    yield ends
    for each in ends:
        each()
    ray.shutdown()


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_as_an_actor_it_takes_no_cpu_and_no_gpu_that_is_not_there(
    store: Store, monkeypatch: pytest.MonkeyPatch, end: list[Callable[[], None]]
) -> None:
    monkeypatch.setenv(learning.GPU_SHARE, "0.1")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    stop = learning.start_learner(store)
    assert stop is not None
    end.append(stop)
    deadline = time.monotonic() + 240
    while newest_version(store) is None and time.monotonic() < deadline:
        time.sleep(0.2)
    assert newest_version(store) is not None
    assert ray.available_resources()["CPU"] == 1
