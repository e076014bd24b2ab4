"""The spool: what one driver run accepted, safe on the local disk before it says so.

One sqlite file per driver run, with a write-ahead log and ``synchronous=FULL``: when `Spool.append` returns, the rows
survive ``kill -9`` and, on a disk that honours fsync and unless asked not to wait for that, a power cut. Rows keep
their ids for ever: they are numbered from 1 without a gap (never by AUTOINCREMENT, which burns numbers on refused
duplicates), so that a missing stretch of published rows can be noticed. A lock beside the file tells whether the driver
is alive.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from uuid import UUID, uuid4

import pyarrow as pa
from filelock import FileLock, Timeout

from metahp.errors import StoreError
from metahp.store.files import explained, make_directory, network_filesystem, sync
from metahp.store.fitting import ROW_TYPES, Entry, checked_json
from metahp.store.rows import Row
from metahp.store.schema import Table

_CREATE = """
CREATE TABLE IF NOT EXISTS sweeps  (seq INTEGER PRIMARY KEY, identity TEXT UNIQUE, row TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trials  (seq INTEGER PRIMARY KEY, identity TEXT UNIQUE, row TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS results (seq INTEGER PRIMARY KEY, identity TEXT UNIQUE, row TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS decisions (seq INTEGER PRIMARY KEY, identity TEXT UNIQUE, row TEXT NOT NULL);
"""
_UNFINISHED = ".new"
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LONG_AGO_S = 3600.0


class Spool:
    """The open spool of one driver run; safe to use from several threads.

    Use `create` or `adopt`.
    """

    def __init__(self, path: Path, lock: FileLock) -> None:
        self.path = path
        self.spool_id = path.stem
        self._owner = lock
        self._pid = os.getpid()
        self._mutex = threading.RLock()
        self._last: dict[Table, int] = {}  # forgotten when anything is rolled back
        self._waits = True  # for the disk, as `_connect` says
        with explained("open the spool", path):
            self._connection = _connect(path)
            self._connection.executescript(_CREATE)  # earlier versions could leave an empty file

    @classmethod
    def create(cls, directory: Path) -> Self:
        """A new spool in ``directory``, owned by this process.

        Raises:
            StoreError: the directory is on a network file system or cannot be written.
        """
        with explained("create a spool (its place: spool_dir or $XDG_STATE_HOME)", directory):
            make_directory(directory, 0o700)
            _refuse_network(directory)
            path = directory / f"{uuid7()}.db"
            lock = _lock_of(path)
            lock.acquire(timeout=0)
            _make_empty(path)
            sync(directory)
            return cls(path, lock)

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """The spool a dead driver left behind, or None if its driver is alive."""
        lock = _lock_of(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        if not path.exists():  # another process published and removed it since we listed the directory
            _discard(lock)
            return None
        try:
            return cls(path, lock)
        except StoreError:
            lock.release()
            raise

    def append(self, entries: Sequence[Entry], *, wait: bool = True) -> list[bool]:
        """Adds all entries at once; they are on the disk when this returns.

        Args:
            entries: what to add.
            wait: if not, they are on their way there: they survive the process at once, and a power cut as soon as
                something is added that was waited for. Five to a hundred times quicker.

        Returns:
            per entry, False if its identity was there already (nothing is changed then).

        Raises:
            StoreError: the disk refused; none of the entries is added.
        """
        texts = checked_json(entries)
        with explained("record a result", self.path), self.transaction(wait=wait):
            return [self._insert(entry, text) for entry, text in zip(entries, texts, strict=True)]

    @contextmanager
    def transaction(self, *, wait: bool = True) -> Iterator[None]:
        """Joins all appends within to one; either all of them are kept or none."""
        with self._mutex:
            if self._connection.in_transaction:
                yield
                return
            if wait is not self._waits:
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if wait else 'NORMAL'}")
                self._waits = wait
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._last.clear()
                if self._connection.in_transaction:  # on a full disk sqlite has rolled back already
                    self._connection.execute("ROLLBACK")
                raise

    def _insert(self, entry: Entry, text: str) -> bool:
        seq = self.last(entry.table) + 1
        cursor = self._connection.execute(
            f"INSERT OR IGNORE INTO {entry.table} VALUES (?, ?, ?)", (seq, entry.identity, text)
        )
        is_new = cursor.rowcount == 1
        if is_new:
            self._last[entry.table] = seq
        return is_new

    def last(self, table: Table) -> int:
        """Number of the newest row, 0 if there is none."""
        with self._mutex:
            if table not in self._last:
                found = self._connection.execute(f"SELECT coalesce(max(seq), 0) FROM {table}").fetchone()
                self._last[table] = int(found[0])
            return self._last[table]

    def arrow(self, table: Table, first: int, last: int) -> pa.Table:
        """The rows numbered ``first`` to ``last`` as they are published."""
        numbered = [
            {**row, "spool_id": self.spool_id, "spool_seq": first + place}
            for place, row in enumerate(_rows_in(self.path, table, first, last))
        ]
        return pa.Table.from_struct_array(pa.array(numbered, ROW_TYPES[table]))

    def close(self) -> None:
        """Lets go of the file; it stays for `adopt`."""
        if os.getpid() != self._pid:
            return  # a forked child must not unlock what its parent writes
        with self._mutex:
            self._connection.close()
            self._owner.release()

    def remove(self) -> None:
        """Closes and deletes the spool: everything in it has been published."""
        with self._mutex:
            self._connection.close()  # the last connection takes the write-ahead log along
            self.path.unlink(missing_ok=True)
            _discard(self._owner)


def _make_empty(path: Path) -> None:
    """Makes a spool appear whole: two connections to a database that is just being made can lock each other out."""
    unfinished = path.with_suffix(_UNFINISHED)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))  # sqlite would follow the umask
    connection = _connect(unfinished)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(_CREATE)
    connection.close()
    os.rename(unfinished, path)


def sweep_up(directory: Path) -> None:
    """Deletes what drivers left that were killed while they made their spools, more than an hour ago."""
    for path in directory.glob("*.lock"):
        spool = path.with_suffix(".db")
        with contextlib.suppress(FileNotFoundError):
            if not spool.exists() and path.stat().st_mtime < time.time() - LONG_AGO_S:
                for part in directory.glob(f"{spool.stem}{_UNFINISHED}*"):  # sqlite keeps files beside it
                    part.unlink(missing_ok=True)
                path.unlink()


def trial_rows(path: Path, sweep_id: str) -> tuple[list[Row], list[Row]]:
    """What a living driver recorded of a sweep: rows of ``trials`` and ``results``; none if it has just ended."""
    try:
        events, results = _rows_in(path, "trials"), _rows_in(path, "results")
    except StoreError:
        if path.exists():
            raise
        return [], []
    return [row for row in events if row["sweep_id"] == sweep_id], [r for r in results if r["sweep_id"] == sweep_id]


def _rows_in(path: Path, table: Table, first: int = 1, last: int = 2**62) -> list[Row]:
    # A connection of its own: sealing reads thousands of rows while the driver goes on appending.
    with explained("read the spool", path):
        connection = _connect(path)
        try:
            found = connection.execute(
                f"SELECT row FROM {table} WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, last)
            ).fetchall()
        finally:
            connection.close()
    return [json.loads(text) for (text,) in found]


def spool_files(directory: Path) -> list[Path]:
    """All spools in a directory, oldest first."""
    return sorted(directory.glob("*.db")) if directory.is_dir() else []


def abandoned(directory: Path) -> list[Path]:
    """The spools in a directory whose drivers are dead, oldest first."""
    return [path for path in spool_files(directory) if not _is_owned(path)]


def _is_owned(path: Path) -> bool:
    try:
        with _lock_of(path).acquire(timeout=0):
            return False
    except Timeout:
        return True


def uuid7() -> UUID:
    """A random UUID that starts with the time in ms, so that later ones sort after earlier ones (RFC 9562)."""
    random = uuid4().int & ((1 << 76) - 1)
    return UUID(int=(time.time_ns() // 1_000_000) << 80 | 0x7 << 76 | random & ~(0b11 << 62) | 0b10 << 62)


def is_uuid(name: str) -> bool:
    """Whether a name is a UUID as it is written here: a folder by any other name is somebody else's."""
    return _UUID.fullmatch(name) is not None


def _connect(path: Path) -> sqlite3.Connection:
    existing = f"{path.absolute().as_uri()}?mode=rw"  # sqlite would otherwise create an empty file
    connection = sqlite3.connect(existing, timeout=30, isolation_level=None, check_same_thread=False, uri=True)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _refuse_network(directory: Path) -> None:
    kind = network_filesystem(directory.resolve())
    if kind:
        raise StoreError(
            f"the spool needs a local disk, but {directory} is on {kind}, where locks and fsync cannot be relied on; "
            "pass spool_dir= or set XDG_STATE_HOME to a directory on a local disk"
        )


def _lock_of(path: Path) -> FileLock:
    # Not thread-local: a writer may be closed by another thread than the one that opened it.
    return FileLock(path.with_suffix(".lock"), mode=0o600, thread_local=False)


def _discard(lock: FileLock) -> None:
    # Unlinked while held: whoever opens the name afterwards finds no spool beside it.
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
