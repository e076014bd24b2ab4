"""Publishing: copies what a spool accepted into segments, while the driver runs and after it died."""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401 - pyarrow imports it on first use, which is too late when Python ends
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from metahp.errors import StoreError
from metahp.store import endings
from metahp.store.schema import TABLES, Table
from metahp.store.segments import Segments
from metahp.store.spool import Spool, spool_files, sweep_up

SEAL_ROWS = 1_000  # publish as soon as so many rows wait ...
SEAL_S = 2.0  # ... and in any case this often
MANY_SEGMENTS = 64  # of a sweep that runs, before they are merged
MAX_ROWS = 50_000  # of one segment: keeps its memory at some 100 MB

_log = logging.getLogger(__name__)

Tables = dict[Table, Segments]


class Sealer:
    """A thread that publishes the rows of one spool as they come."""

    def __init__(self, spool: Spool, tables: Tables) -> None:
        self._spool = spool
        self._tables = tables
        self._sealing = threading.Lock()
        self._wake, self._over = threading.Event(), threading.Event()
        self._waiting = 0
        self._complained = False
        self._thread = threading.Thread(target=self._run, name=f"metahp-seal-{spool.spool_id}", daemon=True)
        self._thread.start()

    def appended(self, rows: int) -> None:
        """Counts more rows."""
        self._waiting += rows
        if self._waiting >= SEAL_ROWS and not self._wake.is_set():
            self._wake.set()

    def seal(self) -> None:
        """Publishes everything accepted so far.

        Raises:
            StoreError: the store refuses; the rows stay in the spool.
        """
        with self._sealing:
            taken, self._waiting = self._waiting, 0
            try:
                publish(self._spool, self._tables)
            except BaseException:
                self._waiting += taken
                raise

    def stop(self) -> None:
        """Ends the thread after a last attempt to publish; what remains is published by the next driver."""
        self._over.set()
        self._wake.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            self._wake.wait(SEAL_S)
            self._wake.clear()
            try:
                if self._waiting:
                    self.seal()
                self._complained = False
            except Exception as problem:  # whatever it is, rows are safe in the spool and the next turn tries again
                if not self._complained:
                    _log.warning("results are accepted but not yet published, trying again: %s", problem)
                self._complained = True
                self._over.wait(SEAL_S)  # however fast rows come, a store that refuses is not asked more often


def publish(spool: Spool, tables: Tables, *, merge_above: int = MANY_SEGMENTS) -> None:
    """Publishes the rows of a spool that no good segment holds yet.

    Args:
        spool: whose rows.
        tables: where to.
        merge_above: more segments than this that could be one are merged.
    """
    for table in TABLES:  # sweeps before trials before results: a reader never sees a result of an unknown trial
        segments, last = tables[table], spool.last(table)
        for first, end in _missing(segments, spool.spool_id, last):
            segments.write(spool.spool_id, spool.arrow(table, first, end))
        merge_small(segments, spool.spool_id, last, above=merge_above)


def merge_small(segments: Segments, spool_id: str, last: int, *, above: int) -> None:
    """Merges segments that together make one of `MAX_ROWS`, where there are more than ``above`` of them."""
    for first, end in _chunks(1, last):
        within = [s for s in segments.cover(spool_id) if first <= s.first and s.last <= end]
        if len(within) > above:
            segments.merge(spool_id, within[0].first, within[-1].last)


def finish(spool: Spool, tables: Tables) -> None:
    """Publishes everything in few segments, checks that it is there, notes how much it is, and removes the spool.

    Raises:
        StoreError: the store refuses; the spool stays for the next driver.
    """
    try:
        publish(spool, tables, merge_above=1)
        for table in TABLES:
            if _missing(tables[table], spool.spool_id, spool.last(table)):
                raise StoreError(f"some rows of {spool.path} could not be read back; they stay there")
            tables[table].tidy(spool.spool_id)
        endings.note(tables["sweeps"].place, spool.spool_id, {table: spool.last(table) for table in TABLES})
    except BaseException:
        spool.close()
        raise
    spool.remove()


@dataclass(frozen=True, slots=True)
class Recovery:
    """What became of the spools on this machine.

    Attributes:
        published: those of dead drivers; everything in them is in the store now.
        alive: those whose drivers are alive.
        unreadable: those that are damaged, and stay as they are.
        refused: those that could not be published, with the reason; they stay for the next driver.
    """

    published: tuple[str, ...] = ()
    alive: tuple[Path, ...] = ()
    unreadable: tuple[Path, ...] = ()
    refused: Mapping[Path, str] = field(default_factory=dict)


def recover(directory: Path, tables: Tables) -> Recovery:
    """Publishes and removes the spools of dead drivers; one that is refused stops no other."""
    sweep_up(directory)
    published, alive, unreadable = [], [], []
    refused: dict[Path, str] = {}
    for path in spool_files(directory):
        try:
            spool = Spool.adopt(path)
        except StoreError as problem:
            _log.warning("a spool left by an earlier driver is not readable and stays as it is: %s", problem)
            unreadable.append(path)
            continue
        if spool is None:
            alive.append(path)
        elif (reason := _refusal(spool, tables)) is None:
            published.append(spool.spool_id)
        else:
            refused[path] = reason
    return Recovery(tuple(published), tuple(alive), tuple(unreadable), refused)


def _refusal(spool: Spool, tables: Tables) -> str | None:
    """Publishes and removes a spool; why it cannot be done now, or None."""
    try:
        finish(spool, tables)
    except Exception as problem:  # whatever it is, its rows are safe, and a new sweep must not wait for them
        _log.warning("what an earlier driver had accepted is not yet published, the next one tries again: %s", problem)
        return str(problem)
    return None


def _missing(segments: Segments, spool_id: str, last: int) -> list[tuple[int, int]]:
    gaps = [(hole.first, hole.last) for hole in segments.holes(spool_id)]
    cover = segments.cover(spool_id)
    gaps.append(((cover[-1].last if cover else 0) + 1, last))
    return [chunk for first, end in gaps for chunk in _chunks(first, end)]


def _chunks(first: int, last: int) -> list[tuple[int, int]]:
    return [(start, min(start + MAX_ROWS - 1, last)) for start in range(first, last + 1, MAX_ROWS)]
