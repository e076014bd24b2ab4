"""A search space from configurations, where nobody wrote it down.

It is a guess, and as small as it can be: what was never tried lies outside. By a hyperparameter's values:

==============================================  ===========================================================
always the same                                 `Constant`
whole numbers; numbers                          `Int`; `Float`: smallest to largest, on a log scale where
                                                they are positive and span a factor of 30
names, booleans, lists, or mixed                `Categorical`; left out if nearly every trial has its own
missing or None in some                         a choice between None and the rest
dicts                                           the same for each of their keys
==============================================  ===========================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metahp.domains import Domain, is_plain
from metahp.errors import SearchSpaceError
from metahp.space import Categorical, Conditional, Constant, Float, Group, Int, Node, SearchSpace

LOG_FACTOR = 30.0  # a learning rate of 1e-4 to 1e-1 is meant on a log scale, 16 to 256 units may not be
MOST_CHOICES = 20  # more, and most of them seen once: a path or a name of a run, no hyperparameter


def infer_space(configs: Sequence[Mapping[str, Any]]) -> SearchSpace:
    """The smallest space that holds all configurations once `complete` has filled in what they lack."""
    tree = {key: node for key in _keys(configs) if (node := _node([c.get(key) for c in configs])) is not None}
    return SearchSpace(tree)


def complete(config: Mapping[str, Any], node: Group) -> dict[str, Any]:
    """The configuration with None where it lacks what the space names."""
    filled = dict(config)
    for key, below in node.items:
        value = filled.get(key)
        filled[key] = complete(value or {}, below) if isinstance(below, Group) and _is_dict(value) else value
    return filled


def optional(node: Node) -> Conditional:
    """None, or a value of ``node``."""
    return Conditional((Constant(None), node))


def _is_dict(value: Any) -> bool:
    return value is None or isinstance(value, Mapping)


def _keys(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys that can name a hyperparameter."""
    keys = {key for config in configs for key in config if isinstance(key, str)}
    return sorted(key for key in keys if key and "/" not in key and "[" not in key)


def _node(values: Sequence[Any]) -> Node | None:
    present = [value for value in values if value is not None]
    if present and all(isinstance(value, Mapping) for value in present):
        below = [value or {} for value in values]
        items = [(key, _node([value.get(key) for value in below])) for key in _keys(below)]
        return Group(tuple((key, node) for key, node in items if node is not None))
    if not all(is_plain(value) for value in present):
        return None
    node = _leaf(present)
    return optional(node) if node is not None and len(present) < len(values) and present else node


def _leaf(values: Sequence[Any]) -> Node | None:
    distinct = _distinct(values)
    if len(distinct) <= 1:
        return Constant(distinct[0] if distinct else None)
    try:
        return _numbers(distinct) or _choices(distinct, len(values))
    except SearchSpaceError:  # whole numbers beyond what can be told apart, say: seeds
        return None


def _distinct(values: Sequence[Any]) -> list[Any]:
    """Each value once, in an order that does not depend on that of the trials; 1, 1.0 and True are different."""
    return [value for _, value in sorted({f"{type(value).__name__} {value!r}": value for value in values}.items())]


def _numbers(distinct: Sequence[Any]) -> Domain | None:
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in distinct):
        return None
    lower, upper = min(distinct), max(distinct)
    if lower == upper:
        return Float(lower, upper)
    log = lower > 0 and upper / lower >= LOG_FACTOR
    return Int(lower, upper, log) if all(isinstance(value, int) for value in distinct) else Float(lower, upper, log)


def _choices(distinct: Sequence[Any], count: int) -> Domain | None:
    return None if len(distinct) > max(MOST_CHOICES, count // 2) else Categorical(tuple(distinct))
