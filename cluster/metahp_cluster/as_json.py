"""``--json``: the same answer for programs, as one JSON value on standard output."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON value.")]


def print_json(content: Any) -> None:
    """Prints dataclasses, mappings, lists and plain values; what is no finite number becomes ``null``."""
    print(json.dumps(_plain(content), default=str, allow_nan=False), flush=True)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
