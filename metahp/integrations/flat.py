"""Flat hyperparameters with conditions, as most libraries write them, and the tree that `SearchSpace` is.

A parameter that others depend on becomes a dict in a configuration: its own value under its own name, and beside it
those that exist for this value. `flatten` undoes that.

>>> optimizer = Flat("optimizer", Categorical(("adam", "sgd")))
>>> space = nest([optimizer, Flat("momentum", Float(0, 1), "optimizer", ("sgd",))])
>>> flatten({"optimizer": {"optimizer": "sgd", "momentum": 0.9}})
{'optimizer': 'sgd', 'momentum': 0.9}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metahp.domains import Categorical, Domain, find_choice
from metahp.errors import SearchSpaceError
from metahp.space import Conditional, Constant, Node, SearchSpace


@dataclass(frozen=True, slots=True)
class Flat:
    """A hyperparameter, and when it exists.

    Attributes:
        name: unique in its space.
        node: what it may be.
        parent: name of the parameter that it depends on, None where it always exists.
        values: of the parent for which it exists.
    """

    name: str
    node: Domain | Constant
    parent: str | None = None
    values: tuple[Any, ...] = ()


def nest(parameters: Sequence[Flat]) -> SearchSpace:
    """The search space of flat parameters.

    Raises:
        SearchSpaceError: a condition on something that is no choice, is not there, or depends on itself.
    """
    by_name = {parameter.name: parameter for parameter in parameters}
    for parameter in parameters:
        _check(parameter, by_name)
    return SearchSpace({p.name: _node(p, parameters) for p in parameters if p.parent is None})


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration of a nested space with its flat names."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and name in value:
            flat |= {name: value[name]} | flatten({key: value[key] for key in value if key != name})
        else:
            flat[name] = value
    return flat


def _check(parameter: Flat, by_name: Mapping[str, Flat]) -> None:
    seen, here = {parameter.name}, parameter
    while here.parent is not None:
        parent = by_name.get(here.parent)
        if parent is None:
            raise SearchSpaceError(f"{here.name!r} depends on {here.parent!r}, which is not in the space; add it")
        if not isinstance(parent.node, Categorical):
            raise SearchSpaceError(f"{here.name!r} depends on {parent.name!r}, which is no choice; make it categorical")
        unknown = [value for value in here.values if not parent.node.contains(value)]
        if unknown or not here.values:
            raise SearchSpaceError(f"{here.name!r} exists for {parent.name!r} in {list(here.values)!r}; {parent.node}")
        if parent.name in seen:
            raise SearchSpaceError(f"{parameter.name!r} depends on itself; remove one of the conditions")
        seen.add(parent.name)
        here = parent


def _node(parameter: Flat, parameters: Sequence[Flat]) -> Node:
    children = [other for other in parameters if other.parent == parameter.name]
    if not children:
        return parameter.node
    assert isinstance(parameter.node, Categorical)  # checked before
    return Conditional(tuple(_branch(parameter.name, value, children, parameters) for value in parameter.node.choices))


def _branch(name: str, value: Any, children: Sequence[Flat], parameters: Sequence[Flat]) -> Any:
    existing = [child for child in children if find_choice(child.values, value) is not None]
    return {name: Constant(value)} | {child.name: _node(child, parameters) for child in existing}
