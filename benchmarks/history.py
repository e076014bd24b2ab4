"""Past sweeps, as a real store holds them: a random search cut short by ASHA, never a complete grid.

Each past sweep is replayed here, with the budget of `PAST_REPORTS` training steps: about 150 trials, most of which saw
1 to 3 steps. The task that is being swept is always left out, and so are tasks on the same data. The histories:

================  =============================================================================
``none``          nothing, not even what ships with MetaHP
``other-tasks``   one past sweep of every other task of the family
``other-family``  one past sweep of every task of another family: another space, other curves
``starter``       what ships with MetaHP, as it ships: complete curves of small Keras models
================  =============================================================================

With ``other-tasks`` and ``other-family`` MetaHP goes on from the predictor that ships, as it does for a user, except on
the tasks that that one was trained on.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ray.tune.schedulers import ASHAScheduler

from benchmarks.methods.random_search import RandomSearch
from benchmarks.simulator import Replay, simulate
from benchmarks.tasks import Task, load_task, load_tasks
from metahp.keras_predictor import KerasPredictor
from metahp.models import begin, load_or_fit, newest_version
from metahp.starter import starter_sweeps
from metahp.store import Store
from metahp.types import LearningCurve, SweepHistory, TaskValue, Trial, TrialStatus

HISTORIES = ("none", "other-tasks", "other-family", "starter")
PAST_REPORTS = 600


@dataclass(frozen=True, eq=False)
class Past:
    """What was swept before a task.

    Attributes:
        sweeps: with their truncated curves; none of them is of the task itself.
        directory: where a store is made of them, if one is asked for.
        shipped: whether the store begins with the predictor that ships, as a user's does, or knows nothing but them.
        is_starter: whether the sweeps are such as ship: the predictor begins with them, the store holds none.
    """

    sweeps: tuple[SweepHistory, ...]
    directory: Path
    shipped: bool = True
    is_starter: bool = False

    @cached_property
    def store(self) -> Store:
        """A store that holds the sweeps, and the predictor that was trained on them."""
        store = new_store(self.directory, shipped=self.shipped)
        if self.is_starter and not self.shipped:
            predictor = KerasPredictor()
            predictor.fit(self.sweeps)
            begin(store, predictor)
        for history in () if self.is_starter else self.sweeps:
            sweep = history.sweep
            store.import_sweep(
                name=sweep.name,
                space=sweep.space,
                metric=sweep.metric,
                mode=sweep.mode,
                trials=[_as_import(trial) for trial in history.trials],
                task=sweep.task,
                max_step=sweep.max_step,
            )
        return store

    def train(self) -> float:
        """Trains the store's predictor, once, so that sweeps find it ready; returns the seconds that this took."""
        return self._training_s

    @cached_property
    def _training_s(self) -> float:
        began = time.perf_counter()
        load_or_fit(self.store)
        return time.perf_counter() - began


def new_store(directory: Path, *, shipped: bool) -> Store:
    """A store in a directory, or the one that is there, which knows what ships with MetaHP or begins with nothing."""
    store = Store(directory / "store", spool_dir=directory / "spool")
    if not shipped and newest_version(store) is None:
        begin(store, KerasPredictor())
    return store


def past_of(task: Task, kind: str, directory: Path, *, sweeps: int | None = None) -> Past:
    """The history of a kind for a task.

    Args:
        task: what is going to be swept; left out.
        kind: one of `HISTORIES`.
        directory: empty; for the store.
        sweeps: at most so many past sweeps; None for all there are.

    Raises:
        TaskDataMissingError: the other family's data are not there.
        ValueError: there is no such kind.
    """
    if kind not in HISTORIES:
        raise ValueError(f"a history is one of {', '.join(HISTORIES)}, got {kind!r}")
    if kind == "starter":
        own = tuple(history for history in starter_sweeps() if _tells_nothing(task, history.sweep.task))
        return Past(own[:sweeps], directory, shipped=untold(task) and sweeps is None, is_starter=True)
    others = tuple(past_sweep(other.name) for other in _others(task, kind)[:sweeps])
    return Past(others, directory, shipped=kind != "none" and untold(task))


def untold(task: Task) -> bool:
    """Whether the predictor that ships was trained on other tasks than this one."""
    return "data" not in task.meta


def _others(task: Task, kind: str) -> list[Task]:
    if kind == "none":
        return []
    if kind == "other-tasks":
        others = [other for other in load_tasks(task.family) if other.name != task.name]
    else:
        others = [other for other in load_tasks(_other_family(task.family)) if other.family != task.family]
    return [other for other in others if _tells_nothing(task, other.meta)]


def _tells_nothing(task: Task, description: Mapping[str, TaskValue]) -> bool:
    """Whether what is described uses other data than the task."""
    return "data" not in task.meta or task.meta["data"] != description.get("data")


def _other_family(family: str) -> str:
    """``synthetic-late`` and ``keras-image`` stand beside the other kinds of the same origin."""
    return {"lcbench": "taskset", "taskset": "lcbench"}.get(family, family.partition("-")[0])


@cache
def past_sweep(name: str) -> SweepHistory:
    """What a random search with ASHA (rungs 1, 3, 9, 27) once saw of a task; always the same."""
    task = load_task(name)
    seed = zlib.crc32(f"past/{name}".encode())
    scheduler = ASHAScheduler(max_t=task.max_step, grace_period=1, reduction_factor=3)
    replay = simulate(task, RandomSearch(seed), scheduler, max_reports=PAST_REPORTS, seed=seed)
    return history_of(task, replay)


def history_of(task: Task, replay: Replay, sweep_id: str | None = None) -> SweepHistory:
    """A simulated sweep in the words of MetaHP; what was running when the budget ended counts as stopped."""
    points: list[list[tuple[int, float, float]]] = [[] for _ in replay.configs]
    for event in replay.reports:
        seconds = float(task.curve(replay.configs[event.trial]).seconds[event.step - 1])
        points[event.trial].append((event.step, event.score, seconds))
    trials = tuple(
        Trial(f"{number:08x}", config, LearningCurve.of(curve), _status(task, status, curve))
        for number, (config, status, curve) in enumerate(zip(replay.configs, replay.statuses, points, strict=True))
        if curve or status == "ERROR"
    )
    return SweepHistory(task.sweep(sweep_id or f"past of {task.name}"), trials)


def _status(task: Task, status: str, curve: Sequence[Any]) -> TrialStatus:
    if status == "ERROR":
        return TrialStatus.ERRORED
    return TrialStatus.COMPLETED if len(curve) == task.max_step else TrialStatus.STOPPED


def _as_import(trial: Trial) -> dict[str, Any]:
    curve = [(m.step, m.value, m.elapsed_s) for m in trial.curve.measurements]
    return {"config": trial.config, "curve": curve, "status": trial.status.value}
