"""Where the files of a store lie: all that the rest of the store asks of a disk or of a bucket.

Names are relative, with ``/`` between their parts, and made of UUIDs, numbers and digests. Files appear whole and never
change. What goes wrong is an `OSError`, whatever the place is made of; `metahp.store.files.explained` puts it in words.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from metahp.store.files import make_directory, publish


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a folder.

    Attributes:
        name: without its folder.
        is_file: whether it is a plain file: no folder, no link.
        size: bytes.
        modified_s: seconds since 1970, by the place's own clock.
    """

    name: str
    is_file: bool
    size: int
    modified_s: float


class Place(Protocol):
    """A tree of files.

    Attributes:
        location: a path or a URI, for people and for `Store`.
        directory: the local directory it is; for a bucket, the one that mirrors it.
    """

    location: str
    directory: Path

    def prepare(self, folder: str) -> None:
        """Makes a folder, if folders have to be made."""

    def list(self, folder: str) -> list[Item]:
        """The entries of a folder by name; none if it is not there."""

    def read(self, name: str) -> bytes:
        """The content of a file; `FileNotFoundError` if it is not there."""

    def fetch(self, name: str) -> Path:
        """A local file with that content; `FileNotFoundError` if it is not there."""

    def create(self, name: str, content: bytes) -> bool:
        """Makes a file appear whole and durable; False if there is one of this name, which is left alone."""

    def delete(self, name: str) -> None:
        """Deletes a file; one that is not there is fine."""

    def move(self, name: str, target: str) -> None:
        """Moves an entry of any kind; `FileNotFoundError` if it is not there."""

    def remove(self, folder: str) -> None:
        """Deletes a folder of files, durably; one that is not there is fine."""


class LocalPlace:
    """A directory on a disk of this machine, or one that looks like it (NFS).

    Attributes:
        location: its absolute path.
        directory: the same.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.location = str(directory)

    def prepare(self, folder: str) -> None:
        """Makes a folder, durably."""
        make_directory(self.directory / folder)

    def list(self, folder: str) -> list[Item]:
        """The entries of a folder by name; none if it is not there."""
        try:
            entries = sorted(os.scandir(self.directory / folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            return []
        return [item for entry in entries if (item := _item(entry)) is not None]

    def read(self, name: str) -> bytes:
        """The content of a file."""
        return (self.directory / name).read_bytes()

    def fetch(self, name: str) -> Path:
        """The file itself."""
        return self.directory / name

    def create(self, name: str, content: bytes) -> bool:
        """Writes beside the name, waits for the disk, and links."""
        return publish(self.directory / name, lambda temporary: _write(temporary, content))

    def delete(self, name: str) -> None:
        """Deletes a file; one that is not there is fine."""
        (self.directory / name).unlink(missing_ok=True)

    def move(self, name: str, target: str) -> None:
        """Renames an entry of any kind."""
        (self.directory / target).parent.mkdir(parents=True, exist_ok=True)
        os.rename(self.directory / name, self.directory / target)

    def remove(self, folder: str) -> None:
        """Deletes the files of a folder, then the folder."""
        for item in self.list(folder):
            self.delete(f"{folder}/{item.name}")
        if (self.directory / folder).is_dir():
            (self.directory / folder).rmdir()


def _item(entry: os.DirEntry[str]) -> Item | None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # deleted since it was listed
        return None
    return Item(entry.name, entry.is_file(follow_symlinks=False), status.st_size, status.st_mtime)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
