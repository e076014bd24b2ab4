"""One cell of the table: a method on a task with a history and a seed, and the file that keeps what happened.

A cell's Parquet file holds its events, one row each, and in the schema's metadata, as JSON under the key ``metahp``,
everything else: the settings, the configurations, the reference values, the commit, the versions.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.simulator import Event, Replay
from benchmarks.tasks import Reference, Task
from metahp.types import FloatArray, Mode

KEY = b"metahp"


@dataclass(frozen=True, slots=True)
class Cell:
    """What is run.

    Attributes:
        task: full name of the task.
        method: name in the registry.
        history: one of `benchmarks.history.HISTORIES`; ``none`` for a method that does not learn.
        repetition: counts from 0.
        workers: how many trials train at once.
        trainings: the budget, in full trainings' worth of steps.
    """

    task: str
    method: str
    history: str
    repetition: int
    workers: int = 4
    trainings: float = 4.0

    @property
    def seed(self) -> int:
        """Its own for each task and repetition, the same for all methods.

        Were it shared by the tasks, all would begin with the same configurations, and the mean over tasks would be as
        noisy as a single one.
        """
        return zlib.crc32(f"{self.task}:{self.repetition}".encode())

    @property
    def path(self) -> Path:
        """Its file, relative to the directory of the results."""
        task = self.task.replace("/", "__")
        budget = f"{self.workers}x{self.trainings:g}"
        return Path("cells") / budget / self.history / self.method / f"{task}__{self.repetition}.parquet"


@dataclass(frozen=True)
class Outcome:
    """What came of a cell.

    Attributes:
        cell: what was run.
        max_step: steps of a full training.
        regret: shape ``(n,)``: normalised regret of the best so far after each of n training steps.
        trainings_s: shape ``(n,)``: simulated time of each, in seconds of one median full training.
        overhead_s: shape ``(n,)``: real seconds that the method itself took until then.
        trials: how many were started.
        stopped: how many were stopped early.
        false_stops: how many of those would have beaten the sweep's best.
        before_s: seconds of preparing the method: training its predictor, building its portfolio.
        training_unit_s: simulated seconds of one median full training.
        facts: commit, versions and whatever else was written.
    """

    cell: Cell
    max_step: int
    regret: FloatArray
    trainings_s: FloatArray
    overhead_s: FloatArray
    trials: int
    stopped: int
    false_stops: int
    before_s: float
    training_unit_s: float
    facts: dict[str, Any]

    def at(self, trainings: float) -> float:
        """Regret after so many full trainings' worth of steps; 1 before the first report."""
        steps = min(round(trainings * self.max_step), len(self.regret))
        return float(self.regret[steps - 1]) if steps else 1.0

    def over_time(self, grid: FloatArray, *, own_s: bool = False) -> FloatArray:
        """Regret at n simulated times, in median full trainings; 1 before the first report, the last one after the end.

        Args:
            grid: shape ``(n,)``.
            own_s: whether the method's own seconds count.

        Returns:
            shape ``(n,)``.
        """
        times = self.trainings_s + (self.overhead_s / self.training_unit_s if own_s else 0.0)
        return np.concatenate([[1.0], self.regret])[np.searchsorted(times, grid, side="right")]


def write_outcome(directory: Path, cell: Cell, task: Task, replay: Replay, facts: dict[str, Any]) -> None:
    """Writes the file of a cell, whole or not at all."""
    reports = replay.reports
    stops = [event for event in reports if event.decision == "STOP" and event.step < task.max_step]
    about = {
        "cell": asdict(cell),
        "seed": cell.seed,
        "max_step": task.max_step,
        "mode": task.mode.value,
        "reference": asdict(task.reference),
        "configs": list(replay.configs),
        "statuses": list(replay.statuses),
        "stalled": replay.stalled,
        "stopped": len(stops),
        "false_stops": sum(_would_have_won(task, replay, stop) for stop in stops),
        **facts,
    }
    rows = pa.Table.from_pylist([asdict(event) for event in replay.events] or [], schema=_SCHEMA)
    path = directory / cell.path
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    pq.write_table(rows.replace_schema_metadata({KEY: json.dumps(about)}), temporary)
    temporary.replace(path)


def read_outcomes(directory: Path) -> Iterator[Outcome]:
    """Every cell below a directory of results, in the order of their names."""
    for path in sorted(directory.glob("cells/**/*.parquet")):
        yield read_outcome(path)


def read_outcome(path: Path) -> Outcome:
    """What a file says."""
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[KEY])
    columns = {name: table[name].to_numpy() for name in ("time_s", "score", "overhead_s")}
    reported = ~np.isin(table["decision"].to_numpy(zero_copy_only=False), ("COMPLETE", "ERROR"))
    reference = Reference(**about.pop("reference"))
    return Outcome(
        cell=Cell(**about.pop("cell")),
        max_step=about.pop("max_step"),
        regret=reference.best_so_far(columns["score"][reported]),
        trainings_s=columns["time_s"][reported] / reference.training_s,
        overhead_s=columns["overhead_s"][reported],
        trials=len(about.pop("configs")),
        stopped=about.pop("stopped"),
        false_stops=about.pop("false_stops"),
        before_s=about.pop("before_s"),
        training_unit_s=reference.training_s,
        facts=about,
    )


_SCHEMA = pa.schema(
    [
        ("time_s", pa.float64()),
        ("trial", pa.int32()),
        ("step", pa.int32()),
        ("score", pa.float64()),
        ("decision", pa.string()),
        ("overhead_s", pa.float64()),
    ]
)


def _would_have_won(task: Task, replay: Replay, stop: Event) -> bool:
    """Whether the rest of the stopped trial's curve beats the best that the sweep found."""
    rest = _finite(task.mode, task.curve(replay.configs[stop.trial]).scores[stop.step :])
    seen = _finite(task.mode, np.array([event.score for event in replay.reports]))
    return bool(rest.size and rest.max() > seen.max(initial=-np.inf))


def _finite(mode: Mode, scores: FloatArray) -> FloatArray:
    """The finite scores, to be maximised."""
    return mode.sign * scores[np.isfinite(scores)]
