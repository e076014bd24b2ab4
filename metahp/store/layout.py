"""The directory of a store: what it is called, which version wrote it, and whether this version may read it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from metahp.errors import StoreError, StoreMissingError, StoreVersionError
from metahp.store import codec
from metahp.store.buckets import SCHEMES, BucketPlace
from metahp.store.files import TEMPORARY, explained
from metahp.store.places import LocalPlace, Place

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


def place_of(location: str | os.PathLike[str]) -> Place:
    """Where a path or a URI points to.

    Raises:
        StoreError: it is a URI of a kind that no store can be at.
    """
    text = os.fspath(location)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return LocalPlace(Path(os.path.abspath(Path(text).expanduser())))
    parts = urlsplit(text)
    if scheme[1].lower() == "file" and parts.netloc in ("", "localhost"):
        return LocalPlace(Path(os.path.abspath(unquote(parts.path))))
    if scheme[1].lower() in SCHEMES:
        return BucketPlace(text)
    known = ", ".join(f"{name}://" for name in SCHEMES)
    raise StoreError(f"a store cannot be at {text!r}; use a path, e.g. ~/sweeps, or a bucket: {known}")


def open_place(place: Place, *, create: bool) -> Description:
    """Reads the description of the store at ``place``; if it may be created, an absent or empty one becomes a store.

    Raises:
        StoreError: there is no store, it is something else, or it cannot be read or created.
        StoreVersionError: this version is too old to read it.
    """
    with explained("open the store", place.location):
        content = _described(place)
        if content is None:
            _refuse_others(place, create=create)
            _create(place)
            content = place.read(DESCRIPTION)  # of several creators, the first counts
        return _check(place, content)


def check_writable(place: Place, description: Description) -> None:
    """Refuses to write where the rules of a newer version hold.

    Raises:
        StoreVersionError: the store is of a newer version.
    """
    if description.format_version > FORMAT_VERSION:
        raise StoreVersionError(
            f"the store at {place.location} has format version {description.format_version}, this MetaHP writes "
            f"{FORMAT_VERSION}; upgrade MetaHP to add to it (it can still be read)"
        )


def _described(place: Place) -> bytes | None:
    try:
        return place.read(DESCRIPTION)
    except FileNotFoundError:
        return None


def _refuse_others(place: Place, *, create: bool) -> None:
    others = [item.name for item in place.list("") if not item.name.startswith(TEMPORARY) and item.name != DESCRIPTION]
    if others:
        raise StoreError(
            f"{place.location} is no store: it holds {others[0]!r} and no {DESCRIPTION}; "
            "use a new or an empty directory"
        )
    if not create:
        raise StoreMissingError(f"there is no store at {place.location}; give the place that sweeps were recorded to")


def _create(place: Place) -> None:
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "min_reader_version": MIN_READER_VERSION,
        "store_id": str(uuid4()),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    place.prepare("")
    place.create(DESCRIPTION, f"{json.dumps(content, indent=2)}\n".encode())


def _check(place: Place, text: bytes) -> Description:
    try:
        data = codec.parse(text)
        if data["format"] != FORMAT:
            raise ValueError(f"its format is {data['format']!r}")
        needed, version = int(data["min_reader_version"]), int(data["format_version"])
        store_id = str(UUID(data["store_id"]))  # it becomes the name of a directory
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise StoreError(
            f"{place.location}/{DESCRIPTION} does not describe a store ({problem!r}); restore it from a backup"
        ) from problem
    if needed > FORMAT_VERSION:
        raise StoreVersionError(
            f"the store at {place.location} needs a MetaHP that reads format version {needed}, this one reads up to "
            f"{FORMAT_VERSION}; upgrade MetaHP"
        )
    return Description(store_id, version)
