"""Sweeps in which trials are really stopped, held against what their curves would have come to.

A shadow sweep knows more than one that stops trials: its proposals and its later decisions have seen all curves to
their ends. So what a threshold costs there is checked where it acts: the same tasks, seeds and numbers of trials,
each stop carried out. Each sweep is kept in a file of its own, ``certify/pruned/THRESHOLD/HISTORY/TASK__SWEEP.json``.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.files import save_json
from benchmarks.history import past_of
from benchmarks.provenance import about_this_run
from benchmarks.shadows import TRIALS, WORKERS, Asked, signed, watched
from benchmarks.simulator import Replay, simulate
from benchmarks.tasks import Task, load_task
from benchmarks.tolls import Toll, toll
from metahp.policy import BELOW
from metahp.pruning import Prune, Pruning
from metahp_searchers import MetaScheduler, MetaSearch


@dataclass(frozen=True, slots=True)
class Pruned:
    """A sweep that is wanted: the one in shadow mode, and the threshold."""

    asked: Asked
    threshold: float

    @property
    def path(self) -> Path:
        """Its file, relative to the directory of the results."""
        return Path("certify", "pruned", f"{self.threshold:g}", self.asked.history, self.asked.path.name)


def make_pruned(wanted: Pruned, out: Path) -> None:
    """Sweeps and writes the file."""
    asked, task = wanted.asked, load_task(wanted.asked.task)
    pruning = Pruning(Prune.ON, wanted.threshold / BELOW, audit=0.0)
    with tempfile.TemporaryDirectory() as directory:
        store = past_of(task, asked.history, Path(directory)).store
        search = MetaSearch(store, dict(task.meta), max_t=task.max_step, seed=asked.seed, pruning=pruning)
        scheduler = MetaScheduler(search)
        replay = simulate(task, search, scheduler, workers=WORKERS, num_samples=TRIALS, seed=asked.seed)
    save_json(out / wanted.path, {"trials": _trials(task, replay), **about_this_run()})


def read_pruned(wanted: Pruned, out: Path) -> Toll:
    """What the stops of a sweep have cost it."""
    trials = json.loads((out / wanted.path).read_text())["trials"]
    return toll([watched(each["scores"]) for each in trials], [each["stopped_at"] for each in trials])


def _trials(task: Task, replay: Replay) -> list[dict[str, object]]:
    """Their whole curves, and where they were stopped."""
    stops = {event.trial: event.step for event in replay.reports if event.decision == "STOP"}
    return [
        {"scores": signed(task, task.curve(config).scores), "stopped_at": stops.get(number)}
        for number, config in enumerate(replay.configs)
    ]
