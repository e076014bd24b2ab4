"""What a new store may begin with: curves of small Keras models that were really trained, on 27 small tasks.

Tables, images, sequences and texts; 48 random configurations of each task, 16 to 27 epochs, every training to its end,
including those that diverged. The hyperparameters have the names that people use, so that what is learned here is of
use in other spaces. ``benchmarks/keras_tasks`` says what was trained and trains it again; the file ``curves.parquet``
beside this module says in its metadata when and with which versions.

>>> sweeps = starter_sweeps()
>>> sweeps[0].sweep.name, len(sweeps[0].trials)
('tabular/wine', 48)
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from metahp.space import SearchSpace
from metahp.types import LearningCurve, Mode, Sweep, SweepHistory, Trial, TrialStatus

ORIGIN = "starter/"
"""What the sweep_ids of these sweeps begin with."""

METADATA = b"metahp"
"""The key of the file's metadata: for each task, in JSON, its space, metric, mode, longest training, description."""

SCHEMA = pa.schema(
    [
        ("task", pa.string()),
        ("config", pa.string()),  # JSON
        ("scores", pa.list_(pa.float32())),
        ("seconds", pa.list_(pa.float32())),
    ]
)


def starter_sweeps() -> list[SweepHistory]:
    """One sweep per task, with complete curves; ``sweep.task["data"]`` names what it was trained on."""
    with resources.as_file(resources.files(__name__) / "curves.parquet") as path:
        return recorded_sweeps(path)


def recorded_sweeps(path: Path) -> list[SweepHistory]:
    """The same from another file of `SCHEMA`, with `METADATA`."""
    table = pq.read_table(path)
    trials: dict[str, list[Trial]] = defaultdict(list)
    for row in table.to_pylist():
        own = trials[row["task"]]
        points = zip(range(1, len(row["scores"]) + 1), row["scores"], row["seconds"], strict=True)
        own.append(Trial(f"{len(own):04d}", json.loads(row["config"]), LearningCurve.of(points), TrialStatus.COMPLETED))
    about = json.loads(table.schema.metadata[METADATA])
    return [SweepHistory(_sweep(name, about[name]), tuple(own)) for name, own in trials.items()]


def is_shipped(sweep_id: str) -> bool:
    """Whether a sweep is one of these, not one of a user's own."""
    return sweep_id.startswith(ORIGIN)


def _sweep(name: str, about: Mapping[str, Any]) -> Sweep:
    return Sweep(
        sweep_id=f"{ORIGIN}{name}",
        space=SearchSpace.from_json(about["space"]),
        metric=about["metric"],
        mode=Mode(about["mode"]),
        max_step=about["max_step"],
        task=about["task"],
        name=name,
    )
