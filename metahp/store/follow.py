"""Sweeps while they grow: reads each published row once, however often it is asked what is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow.compute as pc

from metahp.errors import StoreError
from metahp.store import rows
from metahp.store.catalog import Catalog, Survey
from metahp.store.cursor import Cursor
from metahp.store.curves import EVENT_COLUMNS, RESULT_COLUMNS, TrialBook
from metahp.store.schema import Table
from metahp.store.segments import Segments
from metahp.types import MadeDecision, Sweep, SweepHistory

MOST_BOOKS = 8  # of sweeps that are kept in memory with all their reports; others are read anew when asked for

_LOG_COLUMNS = ("created_utc", "state", "searcher", "scheduler")
_COLUMNS: Mapping[Table, Sequence[str] | None] = {
    "trials": EVENT_COLUMNS,
    "results": RESULT_COLUMNS,
    "decisions": None,  # all
}
_TIMES: Mapping[Table, str] = {"trials": "created_utc", "results": "ingested_utc", "decisions": "decided_utc"}
Files = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Log:
    """What the drivers of a sweep say about it.

    Attributes:
        began: when the first one opened it.
        latest: when the newest row was written.
        state: ``running``, or what the newest driver gave when it closed the sweep.
        searcher: what suggested the configurations, for people.
        scheduler: what stopped trials early, for people.
    """

    began: datetime
    latest: datetime
    state: str
    searcher: str
    scheduler: str


class Follower:
    """All sweeps of a store, kept up to date; not for several threads at once.

    Args:
        tables: of the store.
        catalog: of the store.
    """

    def __init__(self, tables: Mapping[Table, Segments], catalog: Catalog) -> None:
        self._tables = tables
        self._catalog = catalog
        self._there = Survey({}, {})
        self._files: dict[str, Files] = {}
        self._pages: dict[str, _Page] = {}

    def poll(self) -> list[str]:
        """Looks what is published now, and returns the sweep_ids with something new, the oldest sweep first.

        Reads names of files only; rows are read when they are asked for.

        Raises:
            StoreError: the store cannot be reached.
        """
        self._there = self._catalog.survey()
        before, self._files = self._files, {sweep_id: self._covered(sweep_id) for sweep_id in self._there.sweeps}
        for gone in self._pages.keys() - self._files.keys():
            del self._pages[gone]
        return [sweep_id for sweep_id, files in self._files.items() if files != before.get(sweep_id)]

    @property
    def sweeps(self) -> Sequence[Sweep]:
        """All sweeps as of the last `poll`, the oldest first."""
        return list(self._there.sweeps.values())

    def history(self, sweep_id: str) -> SweepHistory:
        """A sweep with its trials and their effective curves as of the last `poll`.

        Raises:
            StoreError: there is no such sweep.
        """
        page = self._page(sweep_id)
        return SweepHistory(self._there.sweeps[sweep_id], page.book.trials())

    def decisions(self, sweep_id: str) -> list[MadeDecision]:
        """The decisions of a sweep, in the order in which each driver made them.

        Raises:
            StoreError: there is no such sweep.
        """
        page = self._page(sweep_id)
        return [made for spool_id in page.spools for made in page.decisions.get(spool_id, {}).values()]

    def log(self, sweep_id: str) -> Log:
        """What the drivers of a sweep say about it.

        Raises:
            StoreError: there is no such sweep.
        """
        page = self._page(sweep_id)
        if not page.log:
            raise StoreError(f"the store holds no sweep {sweep_id!r} any more")
        first, newest = page.log[0], page.log[-1]
        latest = max(page.latest, *(row["created_utc"] for row in page.log))
        words = (newest["state"], newest["searcher"] or "", newest["scheduler"] or "")
        return Log(first["created_utc"].replace(tzinfo=UTC), latest.replace(tzinfo=UTC), *words)

    def _covered(self, sweep_id: str) -> Files:
        spools = self._there.spools[sweep_id]
        return tuple(
            tuple(segment.name for segment in segments.cover(spool_id))
            for segments in self._tables.values()
            for spool_id in spools
        )

    def _page(self, sweep_id: str) -> _Page:
        """The sweep's page, brought up to date; the least recently used one makes room."""
        if sweep_id not in self._files:
            raise StoreError(f"the store holds no sweep {sweep_id!r}")
        spools, files = self._there.spools[sweep_id], self._files[sweep_id]
        page = self._pages.pop(sweep_id, None)
        if page is None or not page.grows_into(spools):
            page = _Page()
        if page.files != files:
            page.read(self._tables, spools)
            page.files = files
        self._pages[sweep_id] = page
        if len(self._pages) > MOST_BOOKS:
            del self._pages[next(iter(self._pages))]
        return page


class _Page:
    """What was read of one sweep."""

    def __init__(self) -> None:
        self.files: Files = ()
        self.spools: list[str] = []
        self.book = TrialBook()
        self.decisions: dict[str, dict[int, MadeDecision]] = {}  # by spool and number: behind a hole rows come again
        self.log: list[rows.Row] = []
        self.latest = datetime.min
        self._cursor = Cursor()

    def grows_into(self, spools: Sequence[str]) -> bool:
        """Whether no driver run that was read has been deleted since."""
        return set(self.spools) <= set(spools)

    def read(self, tables: Mapping[Table, Segments], spools: Sequence[str]) -> None:
        """Reads the rows that are new."""
        reached = {table: {s: t.reach(s) for s in spools} for table, t in tables.items()}
        for spool_id in spools:
            self._read_spool(tables, spool_id)
        self.log = [
            row for s in spools for batch in tables["sweeps"].read(s, _LOG_COLUMNS) for row in batch.to_pylist()
        ]
        self.spools, self._cursor = list(spools), Cursor(reached)

    def _read_spool(self, tables: Mapping[Table, Segments], spool_id: str) -> None:
        after = {table: self._cursor.at(table, spool_id) for table in tables}
        fresh = {
            table: list(tables[table].read(spool_id, own and (*own, _TIMES[table]), after=after[table]))
            for table, own in _COLUMNS.items()
        }
        self.book.add_batches(fresh["trials"], fresh["results"])
        known = self.decisions.setdefault(spool_id, {})
        known |= {row["spool_seq"]: rows.decision_of(row) for b in fresh["decisions"] for row in b.to_pylist()}
        times = [pc.max(b[_TIMES[table]]).as_py() for table, batches in fresh.items() for b in batches if b.num_rows]
        self.latest = max([self.latest, *times])
