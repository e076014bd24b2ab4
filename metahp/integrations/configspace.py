"""ConfigSpace's spaces as ours: `search_space`; `flatten` turns a configuration back into ConfigSpace's flat dict.

Conditions of the form "parent equals" and "parent in" on a choice are kept. What a tree cannot say is refused rather
than dropped: joint conditions, forbidden combinations, comparisons. Weights of choices and normal distributions are
ways to draw, not limits, and are not kept: our policy learns where to look.
"""

from __future__ import annotations

from typing import Any

from metahp.domains import Categorical, Domain, Float, Int, Ordinal
from metahp.errors import SearchSpaceError
from metahp.integrations.flat import Flat, flatten, nest
from metahp.space import Constant, SearchSpace

__all__ = ["flatten", "search_space"]


def search_space(space: Any) -> SearchSpace:
    """The search space that a ``ConfigSpace.ConfigurationSpace`` describes; see `flat` for its configurations.

    Raises:
        SearchSpaceError: ConfigSpace is not installed, or the space holds something that a tree cannot say.
    """
    library = _library()
    if not isinstance(space, library.ConfigurationSpace):
        raise SearchSpaceError(f"search_space needs a ConfigSpace.ConfigurationSpace, got {space!r}")
    if space.forbidden_clauses:
        raise SearchSpaceError(f"forbidden combinations cannot be expressed, got {space.forbidden_clauses[0]}; drop it")
    conditions: dict[str, tuple[str, tuple[Any, ...]]] = {}
    for condition in space.conditions:
        child, parent, values = _condition(library, condition)
        if child in conditions:
            raise SearchSpaceError(f"{child!r} has several conditions, only one can be expressed; drop the others")
        conditions[child] = (parent, values)
    found = [(parameter.name, _node(library, parameter)) for parameter in space.values()]
    return nest([Flat(name, node, *conditions.get(name, (None, ()))) for name, node in found])


def _library() -> Any:
    try:
        import ConfigSpace
    except ImportError:
        raise SearchSpaceError("reading its spaces needs ConfigSpace; install it by: pip install ConfigSpace") from None
    return ConfigSpace


def _condition(library: Any, condition: Any) -> tuple[str, str, tuple[Any, ...]]:
    if isinstance(condition, library.EqualsCondition):
        return condition.child.name, condition.parent.name, (_plain(condition.value),)
    if isinstance(condition, library.InCondition):
        return condition.child.name, condition.parent.name, tuple(_plain(value) for value in condition.values)
    raise SearchSpaceError(
        f"the condition {condition} cannot be expressed; use EqualsCondition or InCondition on a categorical parent"
    )


def _node(library: Any, parameter: Any) -> Domain | Constant:
    if isinstance(parameter, library.Constant):
        return Constant(_plain(parameter.value))
    if isinstance(parameter, library.CategoricalHyperparameter):
        return Categorical(tuple(_plain(choice) for choice in parameter.choices))
    if isinstance(parameter, library.OrdinalHyperparameter):
        return Ordinal(tuple(_plain(value) for value in parameter.sequence))
    for prefix, kind in (("Float", Float), ("Integer", Int)):
        if isinstance(parameter, getattr(library.hyperparameters, f"{prefix}Hyperparameter")):
            log = bool(getattr(parameter, "log", False))
            return kind(_plain(parameter.lower), _plain(parameter.upper), log)
    raise SearchSpaceError(f"{parameter.name!r} is a {type(parameter).__name__}, which is not known here")


def _plain(value: Any) -> Any:
    """A NumPy scalar as Python's own."""
    return value.item() if hasattr(value, "item") else value
