"""TaskSet: small recurrent networks on texts, an Adam with 8 hyperparameters (Metz et al. 2020), as really recorded.

1,000 configurations a task, 51 losses each: the first is taken before training and left out, so that 50 steps remain.
NaN and values up to 1e34 occur and are kept: a searcher must live with them. A configuration that was not recorded is
answered by the nearest recorded one (Euclidean, unit cube), so the landscape is a step function, and some 1,000
different sweeps can be told apart. Training times were not recorded: a step takes one second.

The tables come from https://github.com/machinelearningnuremberg/DPL (``data/taskset``, Apache License 2.0); here as
``../shared/data/taskset/*.parquet``, one row a configuration: the hyperparameters and ``valid_loss``, a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.tasks.task import Curve, Task, data_directory, nearest
from metahp.space import Float, SearchSpace
from metahp.types import Config, FloatArray, Mode

MAX_STEP = 50
FROM_ONE = "one_minus_"  # searched as the distance from 1, on a log scale, as TaskSet drew them

SPACE = SearchSpace(
    {
        "learning_rate": Float(1e-8, 10.0, log=True),
        "one_minus_beta1": Float(1e-4, 1.0, log=True),
        "one_minus_beta2": Float(1e-6, 1.0, log=True),
        "epsilon": Float(1e-10, 1e3, log=True),
        "l1": Float(1e-8, 10.0, log=True),
        "l2": Float(1e-8, 10.0, log=True),
        "linear_decay": Float(1e-7, 1e-4, log=True),
        "exponential_decay": Float(1e-6, 1e-3, log=True),
    }
)


def taskset_tasks() -> tuple[Task, ...]:
    """One task per recorded table; the metric is the validation loss.

    Raises:
        TaskDataMissingError: no table is there.
    """
    return tuple(
        Task(
            name=f"taskset/{path.stem}",
            family="taskset",
            space=SPACE,
            metric="valid_loss",
            mode=Mode.MIN,
            max_step=MAX_STEP,
            source=partial(_curves, path),
            meta={"kind": "text"},
        )
        for path in sorted(data_directory("taskset").glob("*.parquet"))
    )


def _curves(path: Path, configs: Sequence[Config]) -> list[Curve]:
    recorded, losses = _table(path)
    seconds = np.arange(1.0, MAX_STEP + 1)
    return [Curve(losses[row], seconds) for row in nearest(SPACE, configs, recorded)]


@cache
def _table(path: Path) -> tuple[FloatArray, FloatArray]:
    """Recorded configurations in the unit cube ``(1000, 8)`` and their losses ``(1000, 50)``."""
    table = pq.read_table(path).to_pydict()
    losses = np.array(table["valid_loss"], np.float64)[:, 1:]
    units = [[p.domain.to_unit(value) for value in _recorded(table, p.name)] for p in SPACE.parameters]
    return np.array(units).T, losses


def _recorded(table: Mapping[str, Sequence[float]], name: str) -> Sequence[float]:
    """One hyperparameter of all rows, as it is searched here."""
    if name.startswith(FROM_ONE):
        return [1.0 - value for value in table[name.removeprefix(FROM_ONE)]]
    return table[name]
