"""The directory of a store: what it is called, which version wrote it, and whether this version may read it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from metahp.errors import StoreError, StoreVersionError
from metahp.store.files import TEMPORARY, explained, make_directory, publish

FORMAT = "metahp-store"
FORMAT_VERSION = 1
MIN_READER_VERSION = 1
DESCRIPTION = "STORE.json"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True, slots=True)
class Description:
    """What ``STORE.json`` says."""

    store_id: str
    format_version: int


def parse_location(location: str | os.PathLike[str]) -> Path:
    """The absolute directory that a path or a ``file://`` URI names.

    Raises:
        StoreError: it is a URI of another kind.
    """
    text = os.fspath(location)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return Path(os.path.abspath(Path(text).expanduser()))
    parts = urlsplit(text)
    if scheme[1].lower() == "file" and parts.netloc in ("", "localhost"):
        return Path(os.path.abspath(unquote(parts.path)))
    raise StoreError(f"a store at {text!r} is not supported yet: use a path, e.g. ~/sweeps")


def open_directory(path: Path) -> Description:
    """Reads the description of the store at ``path``; an absent or empty directory becomes a new store.

    Raises:
        StoreError: it is something else, or cannot be read or created.
        StoreVersionError: this version is too old to read it.
    """
    with explained("open the store", path):
        file = path / DESCRIPTION
        if not file.is_file():
            _create(path)
        return _check(path, file.read_bytes())


def check_writable(path: Path, description: Description) -> None:
    """Refuses to write where the rules of a newer version hold.

    Raises:
        StoreVersionError: the store is of a newer version.
    """
    if description.format_version > FORMAT_VERSION:
        raise StoreVersionError(
            f"the store at {path} has format version {description.format_version}, this MetaHP writes "
            f"{FORMAT_VERSION}; upgrade MetaHP to add to it (it can still be read)"
        )


def _create(path: Path) -> None:
    make_directory(path)
    others = [name for name in os.listdir(path) if not name.startswith(TEMPORARY) and name != DESCRIPTION]
    if others:
        raise StoreError(
            f"{path} is no store: it holds {sorted(others)[0]!r} and no {DESCRIPTION}; use a new or an empty directory"
        )
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "min_reader_version": MIN_READER_VERSION,
        "store_id": str(uuid4()),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    publish(path / DESCRIPTION, lambda temporary: _write(temporary, content))  # of several creators, the first counts


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _check(path: Path, text: bytes) -> Description:
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise ValueError(f"its format is {data['format']!r}")
        needed, version = int(data["min_reader_version"]), int(data["format_version"])
        store_id = str(UUID(data["store_id"]))  # it becomes the name of a directory
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise StoreError(
            f"{path / DESCRIPTION} does not describe a store ({problem!r}); restore it from a backup"
        ) from problem
    if needed > FORMAT_VERSION:
        raise StoreVersionError(
            f"the store at {path} needs a MetaHP that reads format version {needed}, this one reads up to "
            f"{FORMAT_VERSION}; upgrade MetaHP"
        )
    return Description(store_id, version)
