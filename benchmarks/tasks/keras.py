"""Keras: small dense, convolutional and text networks that were really trained; the curves ship with MetaHP.

What was trained on what is in `benchmarks.keras_tasks`; `metahp.starter` holds the curves, 48 random configurations a
task. A configuration that was not recorded is answered by the nearest recorded one (Euclidean, unit cube), so that the
landscape is a step function with 48 steps: good for telling methods that learn from those that do not, too coarse for
telling two good searchers apart. A finer one is made by ``record-keras`` (600 configurations of an image or text task:
six minutes), and replayed in place of what ships where `CURVES` names its file, with an ``--out`` of its own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from benchmarks.tasks.task import Curve, Task, nearest
from metahp.starter import recorded_sweeps, starter_sweeps
from metahp.types import Config, FloatArray, SweepHistory

KINDS = ("tabular", "image", "sequence", "text")
CURVES = "METAHP_KERAS_CURVES"
"""The environment variable that names a ``curves.parquet`` other than the one that ships."""


def keras_tasks(kind: str) -> tuple[Task, ...]:
    """The recorded tasks of a kind of data; the metric is the validation accuracy of most, the loss of others."""
    recorded = recorded_sweeps(Path(os.environ[CURVES])) if CURVES in os.environ else starter_sweeps()
    return tuple(_task(history) for history in recorded if history.sweep.task["kind"] == kind)


def _task(history: SweepHistory) -> Task:
    sweep = history.sweep
    assert sweep.max_step is not None  # the starter's sweeps all say
    return Task(
        name=f"keras-{sweep.name}",
        family=f"keras-{sweep.task['kind']}",
        space=sweep.space,
        metric=sweep.metric,
        mode=sweep.mode,
        max_step=sweep.max_step,
        source=partial(_curves, _Recorded(history)),
        meta=sweep.task,
    )


@dataclass(frozen=True, eq=False)
class _Recorded:
    """What was recorded of a task."""

    history: SweepHistory

    @cached_property
    def units(self) -> FloatArray:
        """The configurations in the unit cube, shape ``(n, d)``."""
        units, _ = self.history.sweep.space.encode([trial.config for trial in self.history.trials])
        return units

    @cached_property
    def curves(self) -> list[Curve]:
        """Of each."""
        return [Curve(trial.curve.values, trial.curve.elapsed_s) for trial in self.history.trials]


def _curves(recorded: _Recorded, configs: Sequence[Config]) -> list[Curve]:
    rows = nearest(recorded.history.sweep.space, configs, recorded.units)
    return [recorded.curves[row] for row in rows]
