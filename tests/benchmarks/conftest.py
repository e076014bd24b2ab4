"""Fixtures of the benchmark tests: searchers and schedulers that write down what they are told."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from benchmarks.tasks import Curve, Task
from metahp.space import Float, SearchSpace
from metahp.types import Mode

Call = tuple[str, ...]


class WritingSearch(Searcher):
    """Suggests x = 0, 1, 2, … and notes every call."""

    def __init__(self, log: list[Call]) -> None:
        super().__init__()
        self.log = log
        self.asked = 0

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        self._metric, self._mode = metric, mode
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        self.log.append(("suggest", trial_id[-1]))
        self.asked += 1
        return {"x": float(self.asked - 1)}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self.log.append(("search result", trial_id[-1], str(result["training_iteration"])))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        last = "-" if result is None else str(result.get("training_iteration", 0))
        self.log.append(("search complete", trial_id[-1], last, str(error)))


class WritingScheduler(FIFOScheduler):
    """Decides by a table ``(trial, step) -> decision`` and notes every call."""

    def __init__(self, log: list[Call], decisions: dict[tuple[int, int], str]) -> None:
        super().__init__()
        self.log = log
        self.decisions = decisions

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self.log.append(("add", trial.trial_id[-1]))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        step = result["training_iteration"]
        seen = trial.last_result.get("training_iteration", 0)
        self.log.append(("schedule", trial.trial_id[-1], str(step), f"last {seen}"))
        return self.decisions.get((int(trial.trial_id, 16), step), "CONTINUE")

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        self.log.append(("schedule complete", trial.trial_id[-1], str(result["done"])))

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        self.log.append(("schedule error", trial.trial_id[-1]))

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        self.log.append(("schedule remove", trial.trial_id[-1]))


@pytest.fixture
def written() -> Callable[..., tuple[list[Call], WritingSearch, WritingScheduler]]:
    """Makes a log, and a searcher and a scheduler that write into it."""

    def make(decisions: dict[tuple[int, int], str] | None = None) -> Any:
        log: list[Call] = []
        return log, WritingSearch(log), WritingScheduler(log, decisions or {})

    return make


@pytest.fixture
def line_task() -> Task:
    """Four steps of one second; the score is x + step / 10, x = 3 dies after two steps, x = 5 reports NaN."""

    def curve(config: Any) -> Curve:
        x = config["x"]
        scores = x + np.arange(1.0, 5.0) / 10
        if x == 3:
            return Curve(scores[:2], np.arange(1.0, 3.0), fails=True)
        return Curve(np.full(4, np.nan) if x == 5 else scores, np.arange(1.0, 5.0))

    return Task(
        name="test/line",
        family="test",
        space=SearchSpace({"x": Float(0.0, 1000.0)}),
        metric="score",
        mode=Mode.MAX,
        max_step=4,
        source=lambda configs: [curve(config) for config in configs],
    )


@pytest.fixture
def no_logged_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fails a test in whose course anybody logged an error; Ray's loggers do not pass theirs on to the root."""
    ray = logging.getLogger("ray")
    ray.addHandler(caplog.handler)
    yield
    ray.removeHandler(caplog.handler)
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []
