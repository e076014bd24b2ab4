"""Nested configurations, put together and taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metahp.space import Float, SearchSpace
from metahp.types import Config


def merged(base: Config, top: Config) -> dict[str, Any]:
    """``base`` with the leaves of ``top`` in place of its own."""
    both = {key: value for key, value in base.items() if key not in top}
    for key, value in top.items():
        below = base.get(key)
        both[key] = merged(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return both


def legal_part(space: SearchSpace, config: Config) -> dict[str, Any]:
    """The part of a configuration that the space names, its numbers exactly as they were.

    Raises:
        SearchSpaceError: the configuration is not legal.
    """
    units, _ = space.encode([config])
    legal = space.decode(units[0])
    for parameter, value in space.assignments(config):
        if isinstance(parameter.domain, Float):  # the others come back exactly
            _set(legal, parameter.name.split("/"), value)
    return legal


def _set(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value
