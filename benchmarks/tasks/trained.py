"""Tasks whose curves are trained when they are asked for, and kept: other kinds of work than networks by epochs.

=============  =====================================================================================================
``mazes``      Q(λ) and SARSA(λ) in five mazes: the return stays where it is, then leaps, and jumps on
``linear``     linear models by stochastic gradients, penalties and schedules with hyperparameters of their own
``trees``      boosted regression trees, a loss that falls, turns and rises
=============  =====================================================================================================

Nothing in MetaHP was chosen on them, and it is to stay so: who tunes on them has to say so here. A training takes a
tenth of a second, a task's reference some two minutes, once: `CACHE` keeps what was trained until it is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import platformdirs
from joblib import Memory

from benchmarks.tasks import linear, mazes, trees
from benchmarks.tasks.task import Curve, Task
from metahp.space import SearchSpace
from metahp.types import Config, FloatArray, Mode

CACHE = Path(platformdirs.user_cache_dir("metahp")) / "benchmarks"  # the user's own: what lies there is unpickled

Train = Callable[[int, Config], FloatArray]


def maze_tasks() -> tuple[Task, ...]:
    """Five; the metric is the mean return of five greedy walks."""
    return _tasks("mazes", mazes.SPACE, "return", Mode.MAX, mazes.REPORTS, mazes.train, range(mazes.MAZES))


def linear_tasks() -> tuple[Task, ...]:
    """Five; the metric is the validation accuracy."""
    return _tasks("linear", linear.SPACE, "accuracy", Mode.MAX, linear.EPOCHS, linear.train, range(linear.DATA_SETS))


def tree_tasks() -> tuple[Task, ...]:
    """Four; the metric is the validation's mean squared error."""
    return _tasks("trees", trees.SPACE, "squared_error", Mode.MIN, trees.REPORTS, trees.train, range(trees.DATA_SETS))


def _tasks(
    family: str, space: SearchSpace, metric: str, mode: Mode, steps: int, train: Train, numbers: Sequence[int]
) -> tuple[Task, ...]:
    kept = Memory(CACHE, verbose=0).cache(train)
    return tuple(
        Task(f"{family}/{n}", family, space, metric, mode, steps, partial(_curves, kept, space, n), {"kind": family})
        for n in numbers
    )


def _curves(train: Train, space: SearchSpace, number: int, configs: Sequence[Config]) -> list[Curve]:
    """A step takes a second: what it takes to train is no part of these tasks."""
    keys = [key for key, _ in space.root.items]  # a searcher may have put others beside them
    scores = [train(number, {key: config[key] for key in keys}) for config in configs]
    return [Curve(own, np.arange(1.0, len(own) + 1)) for own in scores]
