"""Ray Tune's search space domains and ours, translated both ways; the only file that reads ``ray.tune.search.sample``.

===========================================  ==============================================================
Tune                                         MetaHP
===========================================  ==============================================================
``uniform(a, b)``, ``loguniform``            `Float(a, b)`, with ``log``
``quniform(a, b, q)``, ``qloguniform``       `Float(a, b, step=q)`, with ``log``
``randint(a, b)``, ``lograndint``            `Int(a, b - 1)`, with ``log``: Tune leaves the upper bound out
``qrandint(a, b, q)``, ``qlograndint``       `Int` over the multiples of q in ``[a, b]``; for q=1 as ``randint``
``choice([...])``                            `Categorical`
``choice`` over dicts that hold domains      `Conditional`, one branch for each choice
nested dicts                                 nested dicts
plain values                                 `Constant`
===========================================  ==============================================================

Refused, by name: ``grid_search``, ``randn``, ``qrandn``, ``sample_from``, and any domain inside a list. A constant that
JSON cannot hold (an object, an infinity, a dict with numbers as keys) and Tune's own placeholders for such objects are
no part of the space: Tune hands them to the training function as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ray import tune
from ray.tune.search import sample

from metahp.domains import is_plain
from metahp.errors import SearchSpaceError
from metahp.space import Categorical, Conditional, Constant, Float, Group, Int, Node, SearchSpace

PLACEHOLDERS = ("__ref_ph", "__fn_ph")  # ray.tune.impl.placeholder: an object, a sample_from


def from_tune(param_space: Mapping[str, Any]) -> SearchSpace:
    """The search space that a Tune ``param_space`` describes.

    Raises:
        SearchSpaceError: a domain that cannot be searched, named by its path and with what to write instead.
    """
    if not isinstance(param_space, Mapping):
        raise SearchSpaceError(f"from_tune needs the dict that is Tune's param_space, got {param_space!r}")
    return SearchSpace(_group_from_tune(param_space, ""))


def to_tune(space: SearchSpace) -> dict[str, Any]:
    """The Tune ``param_space`` for a search space; an `Ordinal` becomes a ``choice``, which knows no order.

    Raises:
        SearchSpaceError: a step whose values are not its multiples, which Tune cannot say.
    """
    return {key: _to_tune(node, key) for key, node in space.root.items}


def recorded_space(param_space: Mapping[str, Any]) -> SearchSpace:
    """As much of a Tune ``param_space`` as can be recorded: grids as choices, without what `from_tune` refuses."""
    return SearchSpace(_recordable(param_space))


def _recordable(items: Mapping[str, Any]) -> dict[str, Any]:
    nodes: dict[str, Any] = {}
    for key, value in items.items():
        if isinstance(value, Mapping) and _is_grid(value):
            value = tune.choice(list(value["grid_search"]))
        elif isinstance(value, Mapping) and holds_domain(value):
            nodes[key] = _recordable(value)
            continue
        try:
            nodes |= dict(from_tune({key: value}).root.items)
        except SearchSpaceError:
            continue
    return nodes


def is_placeholder(value: Any) -> bool:
    """Whether Tune put ``value`` where an object or a ``sample_from`` stood."""
    return isinstance(value, tuple) and len(value) == 2 and value[0] in PLACEHOLDERS


def holds_domain(value: Any) -> bool:
    """Whether a Tune domain or grid is anywhere inside ``value``."""
    if isinstance(value, Mapping):
        return _is_grid(value) or any(holds_domain(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(holds_domain(item) for item in value)
    return isinstance(value, sample.Domain)


def _group_from_tune(items: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The nodes of one dict, without the constants that are Tune's business alone."""
    nodes: dict[str, Any] = {}
    for key, value in items.items():
        where = f"{path}/{key}" if path else str(key)
        if isinstance(value, Mapping) and holds_domain(value) and not _is_grid(value):
            nodes[key] = _group_from_tune(value, where)
        elif holds_domain(value):
            nodes[key] = _from_tune(value, where)
        elif _is_recordable(key, value):
            nodes[key] = value
    return nodes


def _is_recordable(key: Any, value: Any) -> bool:
    """Whether a constant can stand in a search space: plain data without placeholders, under keys that have a path."""
    if is_placeholder(value) or not isinstance(key, str) or not key or "/" in key or "[" in key:
        return False
    if isinstance(value, Mapping):
        return all(_is_recordable(name, item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return all(_is_recordable("item", item) for item in value)
    return is_plain(value)


def _from_tune(value: Any, path: str) -> Any:
    """The node for anything that may stand in a choice: a domain, a dict that holds some, a plain value."""
    if isinstance(value, sample.Domain):
        return _domain_from_tune(value, path)
    if isinstance(value, Mapping):
        if _is_grid(value):
            raise _refused("grid_search", path, "leaves a searcher nothing to choose; use tune.choice([...])")
        return {key: _from_tune(item, f"{path}/{key}") for key, item in value.items()}
    if isinstance(value, list | tuple) and holds_domain(value):
        raise SearchSpaceError(
            f"{path!r} holds a domain inside a list, which Tune would hand to the training function unresolved; "
            "give every list element a name of its own in a dict"
        )
    return value


def _domain_from_tune(domain: sample.Domain, path: str) -> Node:
    try:
        if isinstance(domain, sample.Float):
            return _float_from_tune(domain, path)
        if isinstance(domain, sample.Integer):
            return _int_from_tune(domain, path)
        if isinstance(domain, sample.Categorical):
            return _choice_from_tune(domain, path)
    except SearchSpaceError as problem:
        raise problem if str(problem).startswith("'") else SearchSpaceError(f"{path!r}: {problem}") from None
    if isinstance(domain, sample.Function):
        raise _refused("sample_from", path, "hides its values in a function; write the domain, e.g. tune.uniform")
    raise _refused(type(domain).__name__, path, "is no domain that MetaHP knows; use tune.uniform, randint or choice")


def _float_from_tune(domain: sample.Float, path: str) -> Float:
    shape, step = _sampler_of(domain)
    if isinstance(shape, sample.Normal):
        low, high = shape.mean - 3 * shape.sd, shape.mean + 3 * shape.sd
        name = "randn" if step is None else "qrandn"
        raise _refused(name, path, f"has no bounds; use bounds of your own, e.g. tune.uniform({low:g}, {high:g})")
    return Float(domain.lower, domain.upper, log=_is_log(shape, path), step=step)


def _int_from_tune(domain: sample.Integer, path: str) -> Int:
    shape, step = _sampler_of(domain)
    if step is None or step == 1:
        return Int(domain.lower, domain.upper - 1, log=_is_log(shape, path))
    lower, upper = math.ceil(domain.lower / step) * step, math.floor(domain.upper / step) * step
    if lower > upper:
        raise SearchSpaceError(
            f"{path!r} has no multiple of {step} between {domain.lower} and {domain.upper}; widen the bounds"
        )
    return Int(lower, upper, log=_is_log(shape, path), step=step)  # type: ignore[arg-type]


def _choice_from_tune(domain: sample.Categorical, path: str) -> Node:
    if isinstance(domain.sampler, sample.Grid):
        raise _refused("grid_search", path, "leaves a searcher nothing to choose; use tune.choice([...])")
    if not any(holds_domain(choice) for choice in domain.categories):
        return Categorical(tuple(domain.categories))
    return Conditional(tuple(_from_tune(choice, f"{path}[{i}]") for i, choice in enumerate(domain.categories)))


def _sampler_of(domain: sample.Domain) -> tuple[sample.Sampler, float | None]:
    """How a domain is drawn, and the quantum it is rounded to (None: not at all)."""
    sampler = domain.get_sampler()
    return (sampler.get_sampler(), sampler.q) if isinstance(sampler, sample.Quantized) else (sampler, None)


def _is_log(sampler: sample.Sampler, path: str) -> bool:
    if isinstance(sampler, sample.LogUniform | sample.Uniform):
        return isinstance(sampler, sample.LogUniform)
    raise _refused(type(sampler).__name__, path, "is not a sampler that MetaHP knows; use tune.uniform or loguniform")


def _is_grid(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and "grid_search" in value


def _refused(name: str, path: str, reason: str) -> SearchSpaceError:
    return SearchSpaceError(f"{path!r}: {name} {reason}")


def _to_tune(node: Node, path: str) -> Any:
    match node:
        case Constant(value):
            return value
        case Float() | Int():
            return _number_to_tune(node, path)
        case Categorical(choices):
            return tune.choice(list(choices))
        case Conditional(options):
            return tune.choice([_to_tune(option, f"{path}[{i}]") for i, option in enumerate(options)])
        case Group(items):
            return {key: _to_tune(sub, f"{path}/{key}") for key, sub in items}
    raise SearchSpaceError(f"not a node of a search space: {node!r}")


def _number_to_tune(domain: Float | Int, path: str) -> sample.Domain:
    if domain.step is not None and not (isinstance(domain, Int) and domain.step == 1):
        return _steps_to_tune(domain, domain.step, path)
    if isinstance(domain, Float):
        return (tune.loguniform if domain.log else tune.uniform)(domain.lower, domain.upper)
    return (tune.lograndint if domain.log else tune.randint)(domain.lower, domain.upper + 1)


def _steps_to_tune(domain: Float | Int, step: float, path: str) -> sample.Domain:
    if not math.isclose(domain.lower / step, round(domain.lower / step)):
        raise SearchSpaceError(
            f"{path!r}: Tune can only say multiples of a step, got {domain}; start at a multiple of {step}"
        )
    if isinstance(domain, Float):
        return (tune.qloguniform if domain.log else tune.quniform)(domain.lower, domain.upper, step)
    return (tune.qlograndint if domain.log else tune.qrandint)(domain.lower, domain.upper, int(step))
