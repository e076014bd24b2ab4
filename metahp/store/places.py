"""Where the files of a store lie: all that the rest of the store asks of a disk or of a bucket.

Names are relative, with ``/`` between their parts, and made of UUIDs, numbers and digests. Files appear whole and never
change. What goes wrong is an `OSError`, whatever the place is made of; `metahp.store.files.explained` puts it in words.
"""

from __future__ import annotations

import errno
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
        is_link: whether it points elsewhere. A store holds no links: what lies behind one is somebody else's.
    """

    name: str
    is_file: bool
    size: int
    modified_s: float
    is_link: bool = False


class Place(Protocol):
    """A tree of files.

    Attributes:
        location: a path or a URI, for people and for `Store`.
        directory: the local directory it is; for a bucket, the one that mirrors it.
        faults_of_one_file: numbers of errors that say that one file cannot be read, and nothing about the others.
    """

    location: str
    directory: Path
    faults_of_one_file: frozenset[int]

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

    No link below it is ever followed: whoever could put one into a store would else decide what a prune deletes.

    Attributes:
        location: its absolute path.
        directory: the same.
        faults_of_one_file: a sector that cannot be read, rights that one file has lost.
    """

    faults_of_one_file = frozenset({errno.EIO, errno.EACCES, errno.EPERM})

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.location = str(directory)

    def prepare(self, folder: str) -> None:
        """Makes a folder, durably."""
        make_directory(Path(self._folder(folder)))

    def list(self, folder: str) -> list[Item]:
        """The entries of a folder by name; none if it is not there."""
        try:
            entries = sorted(os.scandir(self._folder(folder)), key=lambda entry: entry.name)
        except FileNotFoundError:
            return []
        return [item for entry in entries if (item := _item(entry)) is not None]

    def read(self, name: str) -> bytes:
        """The content of a file."""
        return self._entry(name).read_bytes()

    def fetch(self, name: str) -> Path:
        """The file itself."""
        return self._entry(name)

    def create(self, name: str, content: bytes) -> bool:
        """Writes beside the name, waits for the disk, and links."""
        return publish(self._entry(name), lambda temporary: _write(temporary, content))

    def delete(self, name: str) -> None:
        """Deletes a file; one that is not there is fine."""
        self._entry(name).unlink(missing_ok=True)

    def move(self, name: str, target: str) -> None:
        """Renames an entry of any kind."""
        entry, goal = self._entry(name), self._entry(target)
        goal.parent.mkdir(parents=True, exist_ok=True)
        os.rename(entry, goal)

    def remove(self, folder: str) -> None:
        """Deletes the files of a folder, then the folder."""
        for item in self.list(folder):
            self.delete(f"{folder}/{item.name}")
        path = Path(self._folder(folder))
        if path.is_dir():
            path.rmdir()

    def _entry(self, name: str) -> Path:
        """The path of an entry; the folders that it lies in are no links."""
        self._folder(name.rpartition("/")[0])
        return self.directory / name

    def _folder(self, folder: str) -> str:
        """The path of a folder that is no link and lies in none."""
        path = self.location
        for part in folder.split("/") if folder else ():
            path = f"{path}/{part}"
            if os.path.islink(path):
                raise OSError(errno.ELOOP, f"{path} is a link, and a store holds none", path)
        return path


def _item(entry: os.DirEntry[str]) -> Item | None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # deleted since it was listed
        return None
    is_file, is_link = entry.is_file(follow_symlinks=False), entry.is_symlink()
    return Item(entry.name, is_file, status.st_size, status.st_mtime, is_link)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
