"""The store: where every sweep is kept and read from."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import platformdirs
import pyarrow as pa
import pyarrow.compute as pc

from metahp.errors import StoreConflictError, StoreError
from metahp.space import SearchSpace
from metahp.store import layout
from metahp.store.catalog import Catalog
from metahp.store.cursor import Cursor
from metahp.store.curves import EVENT_COLUMNS, RESULT_COLUMNS, TrialBook
from metahp.store.importing import ImportReport, check_trials, imported_sweep, record_trials
from metahp.store.redaction import redact_space
from metahp.store.rows import Row
from metahp.store.schema import TABLES, Table
from metahp.store.sealing import recover
from metahp.store.segments import Hole, Segments
from metahp.store.spool import Spool, trial_rows
from metahp.store.writer import SweepWriter
from metahp.types import Mode, Sweep, SweepHistory, TaskValue


class Store:
    """All sweeps of a team, in one directory that anything that reads Parquet can read.

    Args:
        location: a path (``~`` is expanded) or a ``file://`` URI; created when absent.
        spool_dir: a directory on a local disk for what is not published yet; by default
            ``$XDG_STATE_HOME/metahp/spool``. Each store uses a sub-directory of its own.

    Attributes:
        path: the directory.
        store_id: a UUID that never changes.

    Raises:
        StoreError: the location is another kind of URI, no store, or cannot be read or created.
        StoreVersionError: it was written by a newer MetaHP than this one.
    """

    path: Path
    store_id: str

    def __init__(self, location: str | os.PathLike[str], *, spool_dir: Path | None = None) -> None:
        self.path = layout.parse_location(location)
        self._description = layout.open_directory(self.path)
        self.store_id = self._description.store_id
        self._spool_root = spool_dir
        self._tables = {table: Segments(self.path, table) for table in TABLES}
        self._catalog = Catalog(self._tables)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    def __reduce__(self) -> tuple[Callable[..., Store], tuple[str, Path | None]]:
        return _reopen, (str(self.path), self._spool_root)

    # Writing

    def open_sweep(self, sweep: Sweep, *, searcher: str = "", scheduler: str = "") -> SweepWriter:
        """The write handle for a new sweep or, to resume it, for a known one.

        First publishes what drivers that died on this machine had accepted for this store. One driver at a time may
        write a sweep.

        Args:
            sweep: what is going to be recorded. For a known sweep_id, space, metric and mode must be the same; name,
                task and max_step are brought up to date.
            searcher: what suggests the configurations, for people.
            scheduler: what stops trials early, for people.

        Raises:
            StoreConflictError: the sweep_id is known with another space, metric or mode.
            StoreVersionError: the store is of a newer format than this MetaHP writes.
            StoreError: the store or the spool directory cannot be written.
        """
        layout.check_writable(self.path, self._description)
        alive = recover(self._spool_directory, self._tables)
        known = self._catalog.sweeps().get(sweep.sweep_id)
        if known is not None:
            _check_same(known, sweep)
        unpublished = [trial_rows(path, sweep.sweep_id) for path in alive]  # first: a driver may publish them meanwhile
        book = self._book(sweep.sweep_id)
        for events, results in unpublished:
            book.add(events, results)
        spool = Spool.create(self._spool_directory)
        try:
            for segments in self._tables.values():
                segments.open_spool(spool.spool_id)
            return SweepWriter(sweep, spool, self._tables, book, searcher=searcher, scheduler=scheduler)
        except BaseException:
            spool.remove()
            raise

    def import_sweep(
        self,
        *,
        name: str,
        space: SearchSpace,
        metric: str,
        mode: Mode | str,
        trials: Sequence[Mapping[str, Any]],
        task: Mapping[str, TaskValue] | None = None,
        max_step: int | None = None,
    ) -> ImportReport:
        """Records a sweep that was run elsewhere. Importing the same again changes nothing.

        Args:
            name: for people, and part of the sweep's identity together with space, metric, mode and task.
            space: the search space.
            metric: what the curves are values of.
            mode: whether it is minimised or maximised.
            trials: ``{"config": {...}, "curve": [(step, value, seconds), ...], "status": "completed"}``; seconds
                and status may be left out. Their order is part of their identity: append new ones at the end.
            task: what is known about the task.
            max_step: steps of a full training.

        Returns:
            what was new, and what could not be placed and why; everything else went in.
        """
        sweep = imported_sweep(name, space, metric, mode, task, max_step)
        good, refused = check_trials(sweep, trials)
        known = {trial.trial_id: trial for trial in self._book(sweep.sweep_id).trials()}
        if not any(trial.adds_to(known.get(trial.trial_id)) for trial in good):
            points = sum(len(trial.curve) for trial in good)
            return ImportReport(sweep.sweep_id, known=points, refused=tuple(refused))
        with self.open_sweep(sweep, searcher="import") as writer, writer.batch():
            return record_trials(writer, good, refused)

    # Reading

    def sweeps(self) -> list[Sweep]:
        """All sweeps, the oldest first, as they were described last."""
        return list(self._catalog.sweeps().values())

    def history(self, sweep_id: str) -> SweepHistory:
        """A sweep with its published trials and their effective curves.

        Raises:
            StoreError: there is no such sweep.
        """
        sweep = self._catalog.sweeps().get(sweep_id)
        if sweep is None:
            raise StoreError(f"{self.path} holds no sweep {sweep_id!r}; sweeps() lists those it has")
        return SweepHistory(sweep, self._book(sweep_id).trials())

    def curves(self, *, since: Cursor | None = None, exclude: Collection[str] = ()) -> list[SweepHistory]:
        """All sweeps with their published trials and effective curves, the oldest first: what predictors learn from.

        Args:
            since: only sweeps with rows behind this cursor, each with its whole history.
            exclude: sweep_ids to leave out.
        """
        sweeps, spools = self._catalog.sweeps(), self._catalog.spools()
        return [
            SweepHistory(sweep, self._read(spools.get(sweep_id, [])).trials())
            for sweep_id, sweep in sweeps.items()
            if sweep_id not in exclude and (since is None or self._is_new(spools.get(sweep_id, []), since))
        ]

    def scan(
        self, table: Table = "results", columns: Sequence[str] | None = None, filter: pc.Expression | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The published rows of a table, spool by spool, each row once.

        Args:
            table: ``sweeps``, ``trials`` or ``results``; see `metahp.store.schema`.
            columns: which columns, all if None.
            filter: only rows for which it is true, e.g. ``pc.field("step") > 10``.
        """
        unknown = set(columns or ()) - set(TABLES[table].names) if table in TABLES else {table}
        if unknown:
            raise StoreError(
                f"the store has no {sorted(unknown)[0]!r}; its tables are "
                + ", ".join(f"{name} ({', '.join(schema.names)})" for name, schema in TABLES.items())
            )
        segments = self._tables[table]
        return (batch for spool_id in segments.spools() for batch in segments.read(spool_id, columns, filter))

    def cursor(self) -> Cursor:
        """How far everything is published now; read it before `curves` to miss nothing."""
        return Cursor({table: {s: t.reach(s) for s in t.spools()} for table, t in self._tables.items()})

    def holes(self) -> list[Hole]:
        """The rows that were published once and cannot be read now, because a segment was damaged or deleted."""
        return [hole for t in self._tables.values() for spool in t.spools() for hole in t.holes(spool)]

    @property
    def _spool_directory(self) -> Path:
        root = self._spool_root or Path(platformdirs.user_state_dir("metahp")) / "spool"
        return root / self.store_id

    def _book(self, sweep_id: str) -> TrialBook:
        return self._read(self._catalog.spools().get(sweep_id, []))

    def _read(self, spools: Sequence[str]) -> TrialBook:
        book = TrialBook()
        for spool_id in spools:
            book.add(self._rows("trials", spool_id, EVENT_COLUMNS), self._rows("results", spool_id, RESULT_COLUMNS))
        return book

    def _rows(self, table: Table, spool_id: str, columns: Sequence[str]) -> Iterator[Row]:
        for batch in self._tables[table].read(spool_id, columns):
            yield from batch.to_pylist()

    def _is_new(self, spools: Sequence[str], since: Cursor) -> bool:
        return any(t.reach(s) > since.at(table, s) for table, t in self._tables.items() for s in spools)


def _reopen(location: str, spool_dir: Path | None) -> Store:
    return Store(location, spool_dir=spool_dir)


def _check_same(known: Sweep, given: Sweep) -> None:
    for what, before, now in (
        ("space", known.space.identity, redact_space(given.space).identity),
        ("metric", known.metric, given.metric),
        ("mode", known.mode, given.mode),
    ):
        if before != now:
            raise StoreConflictError(
                f"sweep {given.sweep_id!r} is known with another {what} ({before!s:.40}, now {now!s:.40}); "
                "use the same to resume it, or another sweep_id"
            )
