"""Which commit of MetaHP this is, where it runs from a clone."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

_GIT = Path(__file__).parent.parent / ".git"


@lru_cache(maxsize=1)
def commit() -> str | None:
    """The commit that is checked out; None for an installed package. Changes since then are not looked for."""
    try:
        head = (_GIT / "HEAD").read_text(encoding="utf-8").strip()
        return _resolved(head.removeprefix("ref: ")) if head.startswith("ref: ") else head
    except OSError:
        return None


def _resolved(reference: str) -> str | None:
    try:
        return (_GIT / reference).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        packed = (_GIT / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {reference}")), None)
