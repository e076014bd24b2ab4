"""What is swept: tasks of several families behind one interface.

================  ======================================================================================
family            tasks
================  ======================================================================================
``lcbench``       20 tabular tasks, dense networks, 52 epochs (surrogate; data beside the project)
``taskset``       8 text tasks, Adam's own 8 hyperparameters, 50 steps (recorded; data beside it)
``keras-…``       5 to 9 tasks of each kind of data: small networks, really trained (recorded; ships with MetaHP)
``synthetic-…``   6 tasks of each kind of made-up curves, see `benchmarks.tasks.synthetic`
``mazes`` …       14 of three other kinds of work, on which nothing was chosen, see `benchmarks.tasks.trained`
================  ======================================================================================

>>> [task.name for task in load_tasks("synthetic-late")][:2]
['synthetic-late/0', 'synthetic-late/1']
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from benchmarks.tasks.keras import KINDS as KERAS_KINDS
from benchmarks.tasks.keras import keras_tasks
from benchmarks.tasks.lcbench import lcbench_tasks
from benchmarks.tasks.synthetic import KINDS as SYNTHETIC_KINDS
from benchmarks.tasks.synthetic import synthetic_tasks
from benchmarks.tasks.task import Curve, Reference, Task, TaskDataMissingError
from benchmarks.tasks.taskset import taskset_tasks
from benchmarks.tasks.trained import linear_tasks, maze_tasks, tree_tasks

__all__ = ["Curve", "Reference", "Task", "TaskDataMissingError", "families", "load_task", "load_tasks"]


def families() -> tuple[str, ...]:
    """Every family by name, whether or not its data are there."""
    return tuple(_loaders())


@cache
def load_tasks(selection: str) -> tuple[Task, ...]:
    """The tasks of a comma-separated list of families, beginnings of families, and single tasks.

    Args:
        selection: e.g. ``"lcbench"``, ``"synthetic"`` (all its kinds) or ``"lcbench/3945,synthetic-late/0"``.

    Raises:
        TaskDataMissingError: the data of a family are not beside the project.
        ValueError: nothing is called so.
    """
    chosen: dict[str, Task] = {}
    for word in selection.split(","):
        for task in _matching(word.strip()):
            chosen[task.name] = task
    return tuple(chosen.values())


def load_task(name: str) -> Task:
    """The task of that full name, e.g. ``"lcbench/3945"``.

    Raises:
        TaskDataMissingError: the data of its family are not beside the project.
        ValueError: nothing is called so.
    """
    return load_tasks(name)[0]


def _matching(word: str) -> tuple[Task, ...]:
    family, _, single = word.partition("/")
    names = [name for name in families() if name == family or (not single and name.startswith(f"{family}-"))]
    tasks = tuple(task for name in names for task in _family(name))
    found = tuple(task for task in tasks if not single or task.name == word)
    if not found:
        known = [task.name for task in tasks] or list(families())
        raise ValueError(f"no task is called {word!r}; there are {', '.join(known)}")
    return found


@cache
def _family(name: str) -> tuple[Task, ...]:
    return _loaders()[name]()


def _loaders() -> dict[str, Callable[[], tuple[Task, ...]]]:
    trained = {f"keras-{kind}": partial(keras_tasks, kind) for kind in KERAS_KINDS}
    made_up = {f"synthetic-{kind}": partial(synthetic_tasks, kind) for kind in SYNTHETIC_KINDS}
    others = {"mazes": maze_tasks, "linear": linear_tasks, "trees": tree_tasks}
    return {"lcbench": lcbench_tasks, "taskset": taskset_tasks, **trained, **made_up, **others}
