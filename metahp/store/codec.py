"""Plain data as strict JSON, exactly: tuples, NaN, infinities and integers of any size come back as they were.

JSON has no word for some values, so they become one-key objects: ``{"$tuple": [1, 2]}``, ``{"$float": "nan"}``,
``{"$dict": [[key, value], …]}`` for dicts whose keys are no strings, ``{"$object": "torch.nn.ReLU"}`` for things that
are no data at all (only their name is kept). A key of the user's that starts with ``$`` is written with one more.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from metahp.errors import RecordError

EXACT_IN_FLOAT64 = 2**53
MAX_DEPTH = 64  # of nesting: what can be written can be read on any stack


def dumps(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, ASCII.

    Raises:
        RecordError: the value refers to itself, or holds an integer of thousands of digits.
    """
    try:
        return json.dumps(_pack(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (RecursionError, ValueError) as problem:
        raise RecordError(f"cannot be written as JSON ({problem}); report smaller, finite data") from None


def loads(text: str) -> Any:
    """What `dumps` wrote.

    Raises:
        ValueError: the text is no JSON, or nested too deeply.
    """
    try:
        return _unpack(json.loads(text))
    except RecursionError:
        raise too_deep() from None


def parse(text: str | bytes) -> Any:
    """What is in a JSON text that anybody may have written.

    Raises:
        ValueError: it is no JSON, or nested too deeply.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise too_deep() from None
    check_depth(value)
    return value


def check_depth(value: Any, depth: int = 0) -> None:
    """Refuses what is nested too deeply, or in itself.

    Raises:
        RecordError: it is.
    """
    if depth > MAX_DEPTH:
        raise too_deep()
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for item in value:
        check_depth(item, depth + 1)


def too_deep() -> RecordError:
    """What to say of such data."""
    return RecordError(
        f"it is nested more than {MAX_DEPTH} levels deep, or in itself, and cannot be written; report flatter data"
    )


def digest(text: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def as_number(value: Any) -> float | None:
    """A real scalar (NumPy's and 0-d tensors too) as float64, or None where that is not what it is or loses digits."""
    if isinstance(value, str | bytes) or tuple(getattr(value, "shape", ())) or not hasattr(value, "__float__"):
        return None
    if isinstance(value, int | np.integer) and abs(int(value)) > EXACT_IN_FLOAT64:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def flatten(config: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """``("optimizer/momentum", 0.9)`` for every leaf of a nested dict."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value


def _pack(value: Any) -> Any:
    if isinstance(value, np.longdouble):
        return _pack(float(value))  # its item() is itself
    match value:
        case None | bool():
            return value
        case str():
            return str(value)
        case int():
            return int(value)
        case float():
            return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
        case list():
            return [_pack(item) for item in value]
        case tuple():
            return {"$tuple": [_pack(item) for item in value]}
        case Mapping():
            return _pack_dict(value)
        case np.generic():
            return _pack(value.item())
        case np.ndarray():
            return _pack(value.tolist())
    return {"$object": _name_of(value)}


def _pack_dict(value: Mapping[Any, Any]) -> dict[str, Any]:
    if all(isinstance(key, str) for key in value):
        return {f"${key}" if key.startswith("$") else str(key): _pack(item) for key, item in value.items()}
    return {"$dict": [[_pack(key), _pack(item)] for key, item in value.items()]}


def _name_of(thing: Any) -> str:
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}.{named.__qualname__}"


def _unpack(value: Any) -> Any:
    match value:
        case list():
            return [_unpack(item) for item in value]
        case {"$tuple": items}:
            return tuple(_unpack(item) for item in items)
        case {"$float": text}:
            return float(text)
        case {"$dict": pairs}:
            return {_unpack(key): _unpack(item) for key, item in pairs}
        case {"$object": name}:
            return f"<{name}>"
        case dict():
            return {key.removeprefix("$"): _unpack(item) for key, item in value.items()}
    return value
