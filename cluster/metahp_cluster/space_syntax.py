"""How a search space is written in a sweep file.

===============================================================  =================================
``learning_rate: {float: [1e-4, 1e-1], log: true}``              `Float`; ``step: 0.1`` quantises
``units: {int: [16, 256], log: true}``                           `Int`, both bounds included
``activation: {choice: [relu, tanh]}``                           `Categorical`
``size: {ordinal: [small, medium, large]}``                      `Ordinal`
``optimizer: {choice: [{name: adam}, {name: sgd, momentum:``
``{float: [0.0, 0.99]}}]}``                                      `Conditional`: an option with a domain inside
``model: {layers: {int: [1, 4]}, dropout: 0.1}``                 a nested dict
``batch_size: 32``                                               `Constant`, as any plain value
``limits: {constant: {float: [0, 1]}}``                          `Constant` that would read as a domain
===============================================================  =================================

A mapping is a domain when one of these five words stands over what belongs to it: a list, or anything for
``constant``. Every other mapping is a nested dict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from metahp.errors import SearchSpaceError
from metahp.space import Categorical, Conditional, Constant, Float, Int, Node, Ordinal

Path = tuple[str | int, ...]

_MODIFIERS = {"float": {"log", "step"}, "int": {"log", "step"}, "choice": set(), "ordinal": set(), "constant": set()}
_ELSEWHERE = {  # what the same thing is called by others
    "uniform": "float",
    "loguniform": "float",
    "quniform": "float",
    "randint": "int",
    "integer": "int",
    "range": "int",
    "choices": "choice",
    "categorical": "choice",
    "values": "choice",
}


class SpaceSyntaxError(SearchSpaceError):
    """A space that cannot be read.

    Attributes:
        path: the keys and list positions that lead to it.
    """

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def parse_space(data: Any) -> dict[str, Any]:
    """The tree that `SearchSpace` takes, from the ``space`` of a sweep file.

    Raises:
        SpaceSyntaxError: it cannot be read; the error knows where.
    """
    if not isinstance(data, Mapping) or not data:
        raise SpaceSyntaxError((), f"space must name at least one hyperparameter, got {data!r}")
    return {str(key): _node(value, (key,)) for key, value in data.items()}


def _node(data: Any, path: Path) -> Any:
    if not isinstance(data, Mapping):
        return _checked(path, lambda: Constant(data))
    kind = next((word for word in _MODIFIERS if word in data and _fits(word, data[word])), None)
    if kind is None:
        _refuse_near_misses(data, path)
        return {str(key): _node(value, (*path, key)) for key, value in data.items()}
    _refuse_other_keys(kind, data, path)
    return _DOMAINS[kind](data, path)


def _fits(word: str, value: Any) -> bool:
    return word == "constant" or isinstance(value, list)


def _number(data: Mapping[str, Any], path: Path) -> Node:
    kind = "float" if "float" in data else "int"
    bounds = data[kind]
    if len(bounds) != 2:
        raise SpaceSyntaxError((*path, kind), f"{kind} takes two bounds, e.g. {{{kind}: [1, 10]}}, got {bounds!r}")
    log = data.get("log", False)
    if not isinstance(log, bool):
        raise SpaceSyntaxError((*path, "log"), f"log is true or false, got {log!r}")
    lower, upper = bounds
    if kind == "float":
        return _checked(path, lambda: Float(lower, upper, log=log, step=data.get("step")))
    return _checked(path, lambda: Int(lower, upper, log=log, step=data.get("step", 1)))


def _choice(data: Mapping[str, Any], path: Path) -> Node:
    options = data["choice"]
    nodes = [_node(option, (*path, "choice", index)) for index, option in enumerate(options)]
    if any(_is_searched(node) for node in nodes):
        return _checked(path, lambda: Conditional(tuple(nodes)))
    return _checked(path, lambda: Categorical(tuple(options)))


def _ordinal(data: Mapping[str, Any], path: Path) -> Node:
    return _checked(path, lambda: Ordinal(tuple(data["ordinal"])))


def _constant(data: Mapping[str, Any], path: Path) -> Node:
    return _checked(path, lambda: Constant(data["constant"]))


_DOMAINS: dict[str, Callable[[Mapping[str, Any], Path], Node]] = {
    "float": _number,
    "int": _number,
    "choice": _choice,
    "ordinal": _ordinal,
    "constant": _constant,
}


def _is_searched(node: Any) -> bool:
    if isinstance(node, Mapping):
        return any(_is_searched(item) for item in node.values())
    return not isinstance(node, Constant)


def _checked(path: Path, make: Callable[[], Node]) -> Node:
    try:
        return make()
    except SearchSpaceError as problem:
        raise SpaceSyntaxError(path, str(problem)) from None


def _refuse_other_keys(kind: str, data: Mapping[str, Any], path: Path) -> None:
    for key in data:
        if key != kind and key not in _MODIFIERS[kind]:
            allowed = " and ".join(sorted(_MODIFIERS[kind])) or "nothing"
            raise SpaceSyntaxError((*path, key), f"unknown key {key!r} beside {kind!r}, which takes {allowed}")


def _refuse_near_misses(data: Mapping[str, Any], path: Path) -> None:
    """A misspelt domain would otherwise pass as a nested dict of constants."""
    for key, value in data.items():
        meant = _ELSEWHERE.get(key) or next(iter(get_close_matches(key, _MODIFIERS, n=1, cutoff=0.75)), None)
        if meant and isinstance(value, list) and set(data) <= {key, "log", "step"}:
            raise SpaceSyntaxError(
                (*path, key),
                f"{key!r} is no kind of hyperparameter; write {meant!r}, or {{constant: …}} around a plain mapping",
            )
