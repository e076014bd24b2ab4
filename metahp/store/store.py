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
from metahp.store import endings, export, layout, rows, upkeep
from metahp.store.catalog import Catalog
from metahp.store.cursor import Cursor
from metahp.store.curves import EVENT_COLUMNS, RESULT_COLUMNS, TrialBook
from metahp.store.export import Exported
from metahp.store.follow import Follower
from metahp.store.forecasts import ForecastBook
from metahp.store.importing import ImportReport, check_trials, completed, identity_of, record_trials, space_of
from metahp.store.redaction import redact_space
from metahp.store.schema import TABLES, Table
from metahp.store.sealing import Recovery, recover
from metahp.store.segments import Hole, Segments
from metahp.store.shares import ShareBook
from metahp.store.spool import Spool, abandoned, spool_files, trial_rows
from metahp.store.upkeep import CheckReport, Compaction, Pruned, TableSize
from metahp.store.writer import SweepWriter
from metahp.types import MadeDecision, Mode, Sweep, SweepHistory, TaskValue, parse_mode


class Store:
    """All sweeps of a team, in one directory that anything that reads Parquet can read.

    Args:
        location: a path (``~`` is expanded), or a URI: ``file://``, ``s3://``, ``gs://``, ``az://``.
        spool_dir: a directory on a local disk for what is not published yet; by default
            ``$XDG_STATE_HOME/metahp/spool``. Each store uses a sub-directory of its own.
        create: whether a store is made where there is none.

    Attributes:
        location: its path or URI.
        path: the directory; for a bucket, the local one that mirrors it.
        store_id: a UUID that never changes.

    Raises:
        StoreError: the location is another kind of URI, no store, or cannot be read or created.
        StoreVersionError: it was written by a newer MetaHP than this one.
    """

    location: str
    path: Path
    store_id: str

    def __init__(self, location: str | os.PathLike[str], *, spool_dir: Path | None = None, create: bool = True) -> None:
        self._place = layout.place_of(location)
        self.location, self.path = self._place.location, self._place.directory
        self._description = layout.open_place(self._place, create=create)
        self.store_id = self._description.store_id
        self._spool_root = spool_dir
        self._tables = {table: Segments(self._place, table) for table in TABLES}
        self._catalog = Catalog(self._tables)

    def __repr__(self) -> str:
        return f"Store({self.location!r})"

    def __reduce__(self) -> tuple[Callable[..., Store], tuple[str, Path | None]]:
        return _reopen, (self.location, self._spool_root)

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
            RecordError: the description is too big, or its space searches what looks like a credential.
            StoreConflictError: the sweep_id is known with another space, metric or mode.
            StoreVersionError: the store is of a newer format than this MetaHP writes.
            StoreError: the store or the spool directory cannot be written.
        """
        layout.check_writable(self._place, self._description)
        rows.sweep_row(sweep, "", searcher, scheduler)  # refused before anything is made
        recovery = recover(self._spool_directory, self._tables)
        known = self._catalog.sweeps().get(sweep.sweep_id)
        if known is not None:
            _check_same(known, sweep)
        # Read first: a driver may publish them meanwhile.
        unpublished = [trial_rows(path, sweep.sweep_id) for path in (*recovery.alive, *recovery.refused)]
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
        space: SearchSpace | None,
        metric: str,
        mode: Mode | str,
        trials: Sequence[Mapping[str, Any]],
        task: Mapping[str, TaskValue] | None = None,
        max_step: int | None = None,
    ) -> ImportReport:
        """Records a sweep that was run elsewhere. Importing the same again changes nothing.

        Args:
            name: for people, and part of the sweep's identity together with space, metric, mode and task.
            space: the search space; None to infer the smallest one that holds the trials of the first import.
            metric: what the curves are values of.
            mode: whether it is minimised or maximised.
            trials: ``{"config": {...}, "curve": [(step, value, seconds), ...], "status": "completed",
                "trial_id": "..."}``; seconds, status and trial_id may be left out. Without ids their order is part of
                their identity: append new ones at the end.
            task: what is known about the task.
            max_step: steps of a full training.

        Returns:
            what was new, and what could not be placed and why; everything else went in.
        """
        sweep_id = identity_of(name, space, metric, mode, task)
        if space is None:
            known_sweep = self._catalog.sweeps().get(sweep_id)
            space = space_of(trials) if known_sweep is None else known_sweep.space
            trials = completed(trials, space)
        sweep = Sweep(sweep_id, space, metric, parse_mode(mode), max_step, dict(task or {}), name)
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
        there = self._catalog.survey()
        sweep = there.sweeps.get(sweep_id)
        if sweep is None:
            raise StoreError(f"{self.location} holds no sweep {sweep_id!r}; metahp store info lists those it has")
        return SweepHistory(sweep, self._read(there.spools[sweep_id]).trials())

    def curves(
        self, *, since: Cursor | None = None, until: Cursor | None = None, exclude: Collection[str] = ()
    ) -> list[SweepHistory]:
        """All sweeps with their published trials and effective curves, the oldest first: what predictors learn from.

        Args:
            since: only sweeps with rows behind this cursor, each with its whole history.
            until: only rows up to this cursor, and sweeps with such rows: what is consumed by whoever keeps it.
            exclude: sweep_ids to leave out.
        """
        there = self._catalog.survey()
        return [
            SweepHistory(sweep, self._read(there.spools[sweep_id], until).trials())
            for sweep_id, sweep in there.sweeps.items()
            if sweep_id not in exclude and self._has_rows(there.spools[sweep_id], since, until)
        ]

    def decisions(self, sweep_id: str) -> list[MadeDecision]:
        """The published decisions of a sweep, in the order in which each driver made them."""
        table, spools = self._tables["decisions"], self._catalog.spools().get(sweep_id, [])
        return [rows.decision_of(row) for s in spools for batch in table.read(s) for row in batch.to_pylist()]

    @property
    def forecasts(self) -> ForecastBook:
        """What was expected of whole sweeps."""
        return ForecastBook(self._place)

    @property
    def shares(self) -> ShareBook:
        """What the trials of sweeps got of the machines."""
        return ShareBook(self._place)

    def scan(
        self, table: Table = "results", columns: Sequence[str] | None = None, filter: pc.Expression | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The published rows of a table, spool by spool, each row once.

        Args:
            table: ``sweeps``, ``trials``, ``results`` or ``decisions``; see `metahp.store.schema`.
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

    def export(
        self,
        path: Path,
        table: Exported = "results",
        *,
        sweep_ids: Collection[str] | None = None,
        replace: bool = False,
    ) -> int:
        """Writes published rows, each once, to one Parquet or CSV file.

        Args:
            path: ends in ``.parquet`` or ``.csv``.
            table: a table of the store, or ``curves``: the reports that count, with their configurations beside them.
            sweep_ids: only these sweeps.
            replace: whether a file that is there already is replaced.

        Returns:
            how many rows were written.

        Raises:
            StoreError: the file cannot be written, there is one, or it would lie within the store.
        """
        if path.absolute().resolve().is_relative_to(self.path.resolve()):
            raise StoreError(f"cannot export to {path}: it is within the store, whose readers would take it for a part")
        if table == "curves":
            wanted = (s for s in self._catalog.sweeps() if sweep_ids is None or s in sweep_ids)
            batches = export.curve_batches(self.history(sweep_id) for sweep_id in wanted)
            return export.write(path, export.CURVES, batches, replace=replace)
        where = None if sweep_ids is None else pc.field("sweep_id").isin(sorted(sweep_ids))
        return export.write(path, TABLES[table], self.scan(table, filter=where), replace=replace)

    def follow(self) -> Follower:
        """A reader that goes on reading: for whoever shows sweeps while they run."""
        return Follower(self._tables, self._catalog)

    def cursor(self) -> Cursor:
        """How far everything is published now; read it before `curves` to miss nothing."""
        return Cursor({table: {s: t.reach(s) for s in t.spools()} for table, t in self._tables.items()})

    def holes(self) -> list[Hole]:
        """The rows that were published once and cannot be read now, because a segment was damaged or deleted.

        Those that `accept_holes` has noted are left out.
        """
        ended = endings.noted(self._place)
        found = [
            hole
            for table, t in self._tables.items()
            for s in sorted({*t.spools(), *ended})
            for hole in (*t.holes(s), t.lost_tail(s, ended.get(s, {}).get(table, 0)))
            if hole
        ]
        return [hole for hole in found if not self._tables[hole.table].is_accepted(hole)]

    # Upkeep

    def recover(self) -> Recovery:
        """Publishes what drivers that died on this machine had accepted; `open_sweep` does so too.

        Raises:
            StoreError: the store refuses some of it, after the rest was published; nothing accepted is lost.
        """
        layout.check_writable(self._place, self._description)
        done = recover(self._spool_directory, self._tables)
        for path, reason in done.refused.items():
            raise StoreError(f"{len(done.refused)} driver runs are not published yet, such as {path.stem}: {reason}")
        return done

    def sizes(self) -> dict[Table, TableSize]:
        """How big the tables are."""
        return upkeep.size_of(self._place, self._tables)

    def check(self) -> CheckReport:
        """Reads every file and looks whether all is there, once and undamaged; damaged files go into quarantine."""
        tables = {table: Segments(self._place, table) for table in TABLES}  # these have not seen anything yet
        bad = [name for table in tables.values() for spool in table.spools() for name in table.verify(spool)]
        quarantined = upkeep.quarantined(self._place)
        moved = {name.rpartition("/")[2] for name in quarantined}
        return CheckReport(
            tables=upkeep.size_of(self._place, tables),
            quarantined=quarantined,
            in_place=tuple(name for name in bad if name.rpartition("/")[2] not in moved),
            holes=tuple(self.holes()),
            doubled=upkeep.doubled(tables, self._catalog.spools()),
            waiting=tuple(path.stem for path in abandoned(self._spool_directory)),
            left_over=len(upkeep.left_over(self._place, tables)),
        )

    def accept_holes(self) -> list[Hole]:
        """Notes that the rows in all holes are lost for good, so that cursors go on behind them; returns the holes."""
        layout.check_writable(self._place, self._description)
        holes = self.holes()
        for hole in holes:
            self._tables[hole.table].accept(hole)
        return holes

    def compact(self) -> Compaction:
        """Merges small files; safe at any time, beside readers and drivers."""
        layout.check_writable(self._place, self._description)
        return upkeep.compact(self._place, self._tables)

    def prune(
        self,
        older_than: str,
        *,
        sweep_ids: Collection[str] | None = None,
        dry_run: bool = False,
        unlearned: bool = False,
    ) -> list[Pruned]:
        """Deletes sweeps that nobody has written to for a while, for ever.

        Those with a driver on this machine, or with reports that it has not published, are left alone, and so are
        those that the store's predictor has not learned from yet. One that has keeps what it learned until it is
        trained anew.

        Args:
            older_than: an age such as ``"90d"``, ``"36h"``, ``"12w"``.
            sweep_ids: only these.
            dry_run: whether nothing is deleted, only listed.
            unlearned: whether those go too that the predictor has not learned from.

        Returns:
            what was deleted, or would be.

        Raises:
            StoreError: ``older_than`` is no age, or the store refuses.
        """
        before = upkeep.age_to_time(older_than)
        layout.check_writable(self._place, self._description)
        there = self._catalog.survey()
        names = {sweep_id: sweep.name for sweep_id, sweep in there.sweeps.items()}
        unfinished = {path.stem for path in spool_files(self._spool_directory)}
        wanted = {s: own for s, own in there.spools.items() if sweep_ids is None or s in sweep_ids}
        spools = {s: own for s, own in wanted.items() if not unfinished & set(own)}
        described = upkeep.describe_old(self._tables, names, spools, before, upkeep.learned_cursor(self.path))
        old = [sweep for sweep in described if sweep.is_learned or unlearned]
        for sweep in [] if dry_run else old:
            upkeep.prune(self._place, self._tables, sweep, spools[sweep.sweep_id])
        return old

    @property
    def _spool_directory(self) -> Path:
        root = self._spool_root or Path(platformdirs.user_state_dir("metahp")) / "spool"
        return root / self.store_id

    def _book(self, sweep_id: str) -> TrialBook:
        return self._read(self._catalog.spools().get(sweep_id, []))

    def _read(self, spools: Sequence[str], until: Cursor | None = None) -> TrialBook:
        book = TrialBook()
        for spool_id in spools:
            last = {table: None if until is None else until.at(table, spool_id) for table in self._tables}
            events = self._tables["trials"].read(spool_id, EVENT_COLUMNS, until=last["trials"])
            book.add_batches(events, self._tables["results"].read(spool_id, RESULT_COLUMNS, until=last["results"]))
        return book

    def _has_rows(self, spools: Sequence[str], since: Cursor | None, until: Cursor | None) -> bool:
        """Whether there are rows of these spools between two cursors."""
        if since is None and until is None:
            return True
        after = since or Cursor()
        return any(
            (t.reach(s) if until is None else until.at(table, s)) > after.at(table, s)
            for table, t in self._tables.items()
            for s in spools
        )


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
