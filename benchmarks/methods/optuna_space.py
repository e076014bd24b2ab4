"""Our search spaces as Optuna's define-by-run functions: the way it handles conditional hyperparameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from metahp.space import Categorical, Conditional, Constant, Float, Group, Int, Node, SearchSpace


def define_by_run(space: SearchSpace) -> Callable[[Any], dict[str, Any]]:
    """A function for ``OptunaSearch(space=…)`` that asks an Optuna trial for a configuration of the space.

    ``OptunaSearch`` also puts what was asked, by its path, into the configuration; the space ignores such keys.
    """
    return lambda trial: {key: _ask(trial, node, key) for key, node in space.root.items}


def _ask(trial: Any, node: Node, key: str) -> Any:
    match node:
        case Group(items):
            return {child: _ask(trial, sub, f"{key}/{child}") for child, sub in items}
        case Constant(value):
            return value
        case Conditional(options):
            index = trial.suggest_categorical(key, list(range(len(options))))
            return _ask(trial, options[index], f"{key}[{index}]")
        case Categorical(choices):
            return choices[trial.suggest_categorical(key, list(range(len(choices))))]
        case Int(lower, upper, log, step):
            return trial.suggest_int(key, lower, upper, log=log, step=1 if log else step)
        case Float(lower, upper, log, step):
            return trial.suggest_float(key, lower, upper, log=log, step=step)
    raise TypeError(f"not a node of a search space: {node!r}")
