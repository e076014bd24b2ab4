"""The search space: a tree of named domains, nested dicts, constants and conditional branches.

>>> space = SearchSpace({
...     "learning_rate": Float(1e-4, 1e-1, log=True),
...     "epochs": Constant(10),
...     "optimizer": Conditional(({"name": "adam"}, {"name": "sgd", "momentum": Float(0.0, 0.99)})),
... })
>>> [parameter.key for parameter in space.parameters]
['learning_rate', 'optimizer', 'optimizer[1]/momentum']

A configuration is a nested dict, just as the training function gets it. `encode` turns configurations into points of
the unit cube with a mask (a branch that was not taken has no value), `decode` turns any point into a legal one.
Keys are sorted, so that two spaces that say the same are equal, have the same columns and the same `identity`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metahp.columns import settled
from metahp.domains import Categorical, Domain, Float, Int, Ordinal, check_choices, is_plain
from metahp.errors import SearchSpaceError

__all__ = ["Categorical", "Conditional", "Constant", "Float", "Int", "Node", "Ordinal", "Parameter", "SearchSpace"]


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that is not searched but belongs to every configuration."""

    value: Any

    def __post_init__(self) -> None:
        if not is_plain(self.value):
            raise SearchSpaceError(
                f"a constant of a search space must be plain data, got {self.value!r} ({type(self.value).__name__}); "
                "pass objects to the training function by tune.with_parameters"
            )


@dataclass(frozen=True, slots=True)
class Conditional:
    """A choice whose options may bring hyperparameters of their own: each option is a value, a domain or a dict."""

    options: tuple[Node, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.options, list | tuple) or not self.options:
            raise SearchSpaceError(f"Conditional needs a list of at least one option, got {self.options!r}")
        object.__setattr__(self, "options", tuple(_node(f"option {i}", o) for i, o in enumerate(self.options)))


@dataclass(frozen=True, slots=True)
class Group:
    """A nested dict of the space; made by `SearchSpace` from plain dicts."""

    items: tuple[tuple[str, Node], ...]


Node = Domain | Constant | Conditional | Group | Mapping[str, Any]
_TELLING = ("name", "type", "kind", "class_name")  # keys whose value says which option it is


@dataclass(frozen=True, slots=True)
class Parameter:
    """One column of the encoding.

    Attributes:
        key: unique path, e.g. ``"optimizer[1]/momentum"``.
        name: path without branch numbers, e.g. ``"optimizer/momentum"``: what the hyperparameter means elsewhere.
        domain: what it may be; for a conditional choice, a `Categorical` of option numbers.
        branch: the column and option that must be taken for it to exist, or None.
        options: of a conditional choice or a choice of dicts, what tells its options apart, as plain choices show
            themselves: ``{"name": "adam"}`` is ``"'adam'"``. Empty for all others.
    """

    key: str
    name: str
    domain: Domain
    branch: tuple[int, int] | None = None
    options: tuple[str, ...] = ()

    def choice(self, unit: float) -> str:
        """What the choice at a place of a categorical, ordinal or conditional column is called."""
        value = self.domain.from_unit(unit)
        if isinstance(self.domain, Categorical) and self.options:
            return self.options[self.domain.index(value)]
        return repr(value)


@dataclass(frozen=True)
class SearchSpace:
    """Named domains, nested and conditional; immutable, comparable, hashable.

    Raises:
        SearchSpaceError: a key or domain that cannot be used, named by its path.
    """

    root: Group

    def __init__(self, tree: Mapping[str, Any]) -> None:
        if not isinstance(tree, Mapping):
            raise SearchSpaceError(f"SearchSpace needs a dict of names to domains, got {tree!r}")
        root = _node("", tree)
        assert isinstance(root, Group)  # a mapping becomes a group
        object.__setattr__(self, "root", root)

    def __eq__(self, other: object) -> bool:
        # By what they say: as plain dataclasses Categorical((1,)) and Categorical((True,)) would be equal.
        return isinstance(other, SearchSpace) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The columns of the encoding, parents before their branches."""
        found: list[Parameter] = []
        _collect(self.root, "", "", None, found)
        return tuple(found)

    @property
    def dimension(self) -> int:
        """Number of columns."""
        return len(self.parameters)

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {parameter.key: column for column, parameter in enumerate(self.parameters)}

    def encode(self, configs: Sequence[Mapping[str, Any]]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Configurations as points of the unit cube.

        Args:
            configs: n legal configurations; keys that the space does not name are ignored.

        Returns:
            units ``(n, d)`` float64 in ``[0, 1]``, 0.5 where a branch was not taken; and the mask ``(n, d)`` bool of
            the hyperparameters that exist.

        Raises:
            SearchSpaceError: a value is missing or illegal, named by its path.
        """
        units = np.full((len(configs), self.dimension), 0.5)
        active = np.zeros((len(configs), self.dimension), dtype=bool)
        for row, config in enumerate(configs):
            for column, value in self._assigned(config):
                units[row, column] = self.parameters[column].domain.to_unit(value)
                active[row, column] = True
        return units, active

    def decode(self, units: NDArray[np.float64]) -> dict[str, Any]:
        """The legal configuration at one point, shape ``(d,)``, of the unit cube; columns not reached are ignored."""
        if np.shape(units) != (self.dimension,):
            raise SearchSpaceError(f"decode needs shape ({self.dimension},), got {np.shape(units)}")
        return self.decode_all(np.asarray(units, np.float64)[None])[0]

    def decode_all(self, units: NDArray[np.float64]) -> list[dict[str, Any]]:
        """The legal configurations at points ``(n, d)`` of the unit cube."""
        values = [found for found, _ in self._settled(units)]
        return [_built(self.root, "", self._values_at(values, row)) for row in range(len(units))]

    def settle(self, units: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Where the legal configurations at points ``(n, d)`` lie: what `encode` makes of them, up to rounding."""
        if self.has_branches:
            return self.encode(self.decode_all(units))
        places = np.stack([place for _, place in self._settled(units)], axis=1) if self.dimension else units
        return places, np.ones(places.shape, bool)

    def _settled(self, units: NDArray[np.float64]) -> list[tuple[list[Any], NDArray[np.float64]]]:
        """By column, the legal values at points ``(n, d)``, and where these lie."""
        points = np.clip(np.nan_to_num(units, nan=0.5), 0.0, 1.0)
        return [settled(own.domain, points[:, column]) for column, own in enumerate(self.parameters)]

    @cached_property
    def has_branches(self) -> bool:
        """Whether some hyperparameters exist only by what another one is; such options may look alike."""
        return any(own.branch is not None or own.options for own in self.parameters)

    def _values_at(self, values: Sequence[Sequence[Any]], row: int) -> Callable[[str], Any]:
        return lambda key: values[self._columns[key]][row]

    def assignments(self, config: Mapping[str, Any]) -> tuple[tuple[Parameter, Any], ...]:
        """The hyperparameters that exist in ``config``, with their values; option numbers for conditional choices.

        Raises:
            SearchSpaceError: a value is missing or illegal, named by its path.
        """
        return tuple((self.parameters[column], value) for column, value in self._assigned(config))

    def _assigned(self, config: Mapping[str, Any]) -> Iterator[tuple[int, Any]]:
        for key, value in _assign(self.root, config, ""):
            yield self._columns[key], value

    def contains(self, config: Mapping[str, Any]) -> bool:
        """Whether every value that the space names is there and legal."""
        try:
            list(self._assigned(config))
        except SearchSpaceError:
            return False
        return True

    def sample(self, rng: np.random.Generator) -> dict[str, Any]:
        """One configuration, drawn evenly from the unit cube."""
        return self.decode(rng.random(self.dimension))

    @cached_property
    def identity(self) -> str:
        """SHA-256 (hex) of what the space says: equal for equal spaces, in any process, at any time."""
        return hashlib.sha256(json.dumps(_to_json(self.root), sort_keys=True, allow_nan=False).encode()).hexdigest()

    def to_json(self) -> str:
        """The space as strict JSON; `from_json` gives an equal space."""
        return json.dumps(_to_json(self.root), allow_nan=False)

    def _repr_html_(self) -> str:
        """What a notebook shows: a row for each hyperparameter."""
        rows = "".join(f"<tr><td>{escape(p.key)}</td><td>{escape(str(p.domain))}</td></tr>" for p in self.parameters)
        return f"<table><tr><th>hyperparameter</th><th>domain</th></tr>{rows}</table>"

    @classmethod
    def from_json(cls, text: str) -> SearchSpace:
        """The space that `to_json` wrote.

        Raises:
            SearchSpaceError: the text is not such JSON.
        """
        try:
            root = _from_json(json.loads(text))
            if not isinstance(root, Group):
                raise TypeError("the outermost node is not a dict")
            return cls(dict(root.items))
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise SearchSpaceError(f"not a search space in JSON ({problem}): {text[:200]!r}") from problem


def _node(path: str, node: Any) -> Node:
    """A checked node: dicts become groups, bare values constants; every error names the path."""
    if isinstance(node, Domain | Constant | Conditional):
        return node
    if isinstance(node, Group):
        return _node(path, dict(node.items))
    if isinstance(node, Mapping):
        for key in node:
            if not isinstance(key, str) or not key or "/" in key or "[" in key:
                raise SearchSpaceError(
                    f"key {key!r} under {path or 'the top'!r} cannot name a hyperparameter; "
                    "use non-empty strings without '/' and '['"
                )
        return Group(tuple((key, _node(_join(path, key), node[key])) for key in sorted(node)))
    try:
        return Constant(node)
    except SearchSpaceError as problem:
        raise SearchSpaceError(f"{path!r}: {problem}") from None


def _join(path: str, key: str) -> str:
    return f"{path}/{key}" if path else key


def _collect(node: Node, key: str, name: str, branch: tuple[int, int] | None, found: list[Parameter]) -> None:
    if isinstance(node, Group):
        for child, sub in node.items:
            _collect(sub, _join(key, child), _join(name, child), branch, found)
    elif isinstance(node, Conditional):
        column = len(found)
        numbers = Categorical(tuple(range(len(node.options))))
        found.append(Parameter(key, name, numbers, branch, _option_names(node.options)))
        for index, option in enumerate(node.options):
            _collect(option, f"{key}[{index}]", name, (column, index), found)
    elif isinstance(node, Domain):
        dicts = node.choices if isinstance(node, Categorical) and _has_dicts(node) else ()
        found.append(Parameter(key, name, node, branch, _option_names(dicts)))


def _has_dicts(domain: Categorical) -> bool:
    return any(isinstance(choice, Mapping) for choice in domain.choices)


def _option_names(options: Sequence[Any]) -> tuple[str, ...]:
    """As short as tells them apart."""
    for names in (list(map(_option_name, options)), list(map(_whole_name, options))):
        if len(set(names)) == len(names):
            return tuple(names)
    return tuple(f"{name} ({number})" for number, name in enumerate(names))


def _option_name(option: Any) -> str:
    constants = _constants(option)
    telling = [constants[key] for key in _TELLING if key in constants] or [*constants.values()]
    return repr(telling[0]) if telling else _whole_name(option)


def _whole_name(option: Any) -> str:
    constants = ", ".join(f"{key}={value!r}" if key else repr(value) for key, value in _constants(option).items())
    return constants or type(option).__name__.lower()


def _constants(option: Any) -> dict[str, Any]:
    match option:
        case Constant(value):
            return {"": value}
        case Group(items):
            return {key: sub.value for key, sub in items if isinstance(sub, Constant)}
        case Conditional() | Float() | Int() | Categorical():
            return {}
        case Mapping():
            return dict(option)
    return {"": option}


def _built(node: Node, key: str, value_of: Callable[[str], Any]) -> Any:
    """The configuration whose hyperparameters have these values."""
    if isinstance(node, Group):
        return {child: _built(sub, _join(key, child), value_of) for child, sub in node.items}
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, Conditional):
        index = value_of(key)
        return _built(node.options[index], f"{key}[{index}]", value_of)
    return value_of(key)


def _assign(node: Node, value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """``(key, value)`` of every hyperparameter below ``node`` that exists in ``value``."""
    if isinstance(node, Group):
        if not isinstance(value, Mapping):
            raise SearchSpaceError(f"{key or 'the configuration'!r} must be a dict, got {value!r}")
        for child, sub in node.items:
            if child not in value and not isinstance(sub, Constant):
                raise SearchSpaceError(f"the configuration lacks {_join(key, child)!r}; got the keys {sorted(value)}")
            yield from _assign(sub, value.get(child), _join(key, child))
    elif isinstance(node, Conditional):
        index = _option_of(node, value, key)
        yield key, index
        yield from _assign(node.options[index], value, f"{key}[{index}]")
    elif isinstance(node, Domain):
        if not node.contains(value):
            raise SearchSpaceError(f"{key!r} must lie in {node}, got {value!r}")
        yield key, value


def _option_of(node: Conditional, value: Any, key: str) -> int:
    """The first option that ``value`` fits, preferring one whose keys are exactly those of ``value``."""
    fitting = [index for index, option in enumerate(node.options) if _fits(option, value)]
    if not fitting:
        raise SearchSpaceError(f"{key!r} fits none of its {len(node.options)} options, got {value!r}")

    return min(fitting, key=lambda index: _surplus(node.options[index], value))


def _surplus(node: Node, value: Any) -> int:
    """How many keys of ``value``, which fits ``node``, the node does not name, at any depth."""
    if isinstance(node, Conditional):
        return min(_surplus(option, value) for option in node.options if _fits(option, value))
    if isinstance(node, Group):
        return len(value) - len(node.items) + sum(_surplus(sub, value[key]) for key, sub in node.items)
    return 0


def _fits(node: Node, value: Any) -> bool:
    """Whether ``value`` could have come from ``node``; constants count here, since they tell branches apart."""
    if isinstance(node, Constant):
        return Categorical((node.value,)).contains(value)
    if isinstance(node, Group):
        return isinstance(value, Mapping) and all(k in value and _fits(sub, value[k]) for k, sub in node.items)
    if isinstance(node, Conditional):
        return any(_fits(option, value) for option in node.options)
    assert isinstance(node, Domain)  # plain mappings became groups
    return node.contains(value)


_DOMAINS: dict[str, Callable[..., Domain]] = {
    "float": Float,
    "int": Int,
    "categorical": Categorical,
    "ordinal": Ordinal,
}


def _to_json(node: Node) -> Any:
    match node:
        case Group(items):
            return {"type": "dict", "items": {key: _to_json(sub) for key, sub in items}}
        case Conditional(options):
            return {"type": "conditional", "options": [_to_json(option) for option in options]}
        case Constant(value):
            return {"type": "constant", "value": _pack(value)}
        case Categorical(choices):
            return {"type": type(node).__name__.lower(), "choices": [_pack(choice) for choice in choices]}
        case Float() | Int():
            kind = type(node).__name__.lower()
            return {"type": kind, "lower": node.lower, "upper": node.upper, "log": node.log, "step": node.step}
    raise SearchSpaceError(f"not a node of a search space: {node!r}")


def _from_json(data: Any) -> Node:
    kind = data["type"]
    fields = {key: value for key, value in data.items() if key != "type"}
    if kind == "dict":
        return Group(tuple((key, _from_json(sub)) for key, sub in fields["items"].items()))
    if kind == "conditional":
        return Conditional(tuple(_from_json(option) for option in fields["options"]))
    if kind == "constant":
        return Constant(_unpack(fields["value"]))
    if "choices" in fields:
        return _DOMAINS[kind](check_choices(kind, [_unpack(choice) for choice in fields["choices"]]))
    return _DOMAINS[kind](**fields)


def _pack(value: Any) -> Any:
    """JSON for a plain value; tuples are marked, so that they come back as tuples."""
    if isinstance(value, tuple):
        return {"()": [_pack(item) for item in value]}
    if isinstance(value, list):
        return [_pack(item) for item in value]
    if isinstance(value, dict):
        return {key: _pack(item) for key, item in value.items()}
    return float(value) if isinstance(value, float) and not math.isnan(value) else value


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpack(item) for item in value]
    if isinstance(value, dict):
        if set(value) == {"()"}:
            return tuple(_unpack(item) for item in value["()"])
        return {key: _unpack(item) for key, item in value.items()}
    return value
