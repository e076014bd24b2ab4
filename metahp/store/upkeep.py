"""Looking after a store: whether all is there, fewer files, and what may go.

Nothing here needs the drivers to stop. Merging is safe beside any reader and any other merger, because rows are counted
once whatever files they are in; only a sweep that somebody writes must not be pruned.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from metahp.errors import StoreError
from metahp.store import codec, endings, forecasts, shares
from metahp.store.cursor import Cursor
from metahp.store.files import TEMPORARY, explained
from metahp.store.places import LocalPlace, Place
from metahp.store.schema import TABLES, Table
from metahp.store.sealing import Tables, merge_small
from metahp.store.segments import REASON, Hole
from metahp.store.spool import is_uuid, uuid7

_PRUNED = "pruned"
ABANDONED_S = 3600.0  # a temporary file this old belongs to nobody any more
_TIME_COLUMN: Mapping[Table, str] = {
    "sweeps": "created_utc",
    "trials": "created_utc",
    "results": "ingested_utc",
    "decisions": "decided_utc",
}
_NOTES = ("", endings.FOLDER, forecasts.FOLDER, shares.FOLDER, _PRUNED)
_IDENTITY = ["trial_id", "attempt", "step"]


@dataclass(frozen=True, slots=True)
class TableSize:
    """How big a table is.

    Attributes:
        rows: published rows, each counted once.
        segments: files.
        bytes: of the files.
    """

    rows: int
    segments: int
    bytes: int


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found.

    Attributes:
        tables: how big they are.
        quarantined: files in quarantine, with reasons; what they held may be elsewhere by now.
        in_place: files that cannot be trusted and could not be moved to quarantine.
        holes: rows that were published once and are not there now.
        doubled: reports that are there more than once, by sweep_id.
        waiting: driver runs on this machine that are not published yet, and whose drivers are dead.
        left_over: temporary files that a killed writer left more than an hour ago.
    """

    tables: Mapping[Table, TableSize]
    quarantined: Mapping[str, str]
    in_place: tuple[str, ...]
    holes: tuple[Hole, ...]
    doubled: Mapping[str, int]
    waiting: tuple[str, ...]
    left_over: int

    @property
    def is_whole(self) -> bool:
        """Whether nothing that was ever published is missing or doubled."""
        return not (self.in_place or self.holes or self.doubled)


@dataclass(frozen=True, slots=True)
class Compaction:
    """What `compact` did: segments before and after, and temporary files deleted."""

    before: int
    after: int
    left_over: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """A sweep that was deleted, or would be.

    Attributes:
        sweep_id: its id.
        name: its name.
        rows: in all tables.
        last_written: when, in UTC.
        is_learned: whether the store's predictor has read all its reports, or there is none.
    """

    sweep_id: str
    name: str
    rows: int
    last_written: datetime
    is_learned: bool = True


def size_of(place: Place, tables: Tables) -> dict[Table, TableSize]:
    """How big the tables are, by the names of the files alone."""
    with explained("list the store", place.location):
        return {table: _size(tables, table) for table in TABLES}


def quarantined(place: Place) -> dict[str, str]:
    """The files in quarantine, each with its reason."""
    found = {}
    with explained("list the quarantine", f"{place.location}/quarantine"):
        for table in TABLES:
            for spool in place.list(f"quarantine/{table}"):
                folder = f"quarantine/{table}/{spool.name}"
                names = [item.name for item in place.list(folder)]
                damaged = [name for name in names if not name.endswith(REASON)]
                found.update({f"{folder}/{name}": _reason(place, f"{folder}/{name}") for name in damaged})
    return found


def doubled(tables: Tables, spools: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How many reports of each sweep are there more than once; sweeps without any are left out."""
    return {sweep_id: extra for sweep_id, own in spools.items() if (extra := _doubled(tables, own))}


def left_over(place: Place, tables: Tables) -> list[str]:
    """The files that writers left half-written when they were killed, more than an hour ago; buckets have none."""
    if not isinstance(place, LocalPlace):
        return []
    abandoned = time.time() - ABANDONED_S
    own = [folder for each in tables.values() for spool in each.spools() for folder in each.folders(spool)]
    with explained("list the store", place.location):
        return [
            f"{folder}/{item.name}".removeprefix("/")
            for folder in (*_NOTES, *own)
            for item in place.list(folder)
            if item.is_file and item.name.startswith(TEMPORARY) and item.modified_s < abandoned
        ]


def compact(place: Place, tables: Tables) -> Compaction:
    """Merges the segments of every driver run as far as a segment may grow, and deletes what killed writers left."""
    before = sum(size.segments for size in size_of(place, tables).values())
    for segments in tables.values():
        for spool_id in segments.spools():
            cover = segments.cover(spool_id)
            merge_small(segments, spool_id, cover[-1].last if cover else 0, above=1)
            segments.drop_needless(spool_id)
    left = left_over(place, tables)
    with explained("tidy up", place.location):
        for name in left:
            place.delete(name)
    return Compaction(before, sum(size.segments for size in size_of(place, tables).values()), len(left))


def learned_cursor(directory: Path) -> Cursor | None:
    """How far the newest predictor below a directory has read the store; None where there is none to wait for."""
    folder = directory / "models"
    cards = [] if folder.is_symlink() else sorted(folder.glob("*/card.json"), reverse=True)
    for card in (card for card in cards if is_uuid(card.parent.name)):
        with suppress(OSError, ValueError, KeyError, TypeError, StoreError):
            return Cursor.from_json(json.dumps(codec.parse(card.read_bytes())["cursor"]))
    return None


def describe_old(
    tables: Tables,
    sweeps: Mapping[str, str],
    spools: Mapping[str, Sequence[str]],
    before: datetime,
    learned: Cursor | None,
) -> list[Pruned]:
    """The sweeps that nobody has written to since ``before``.

    Args:
        tables: the store's.
        sweeps: names by sweep_id.
        spools: driver runs by sweep_id.
        before: UTC, without a time zone, as the store writes times.
        learned: how far the store's predictor has read, if there is one.
    """
    found = []
    for sweep_id, own in spools.items():
        last = max((t for table in TABLES for t in _last_times(tables, table, own)), default=None)
        if last is not None and last < before:
            rows = sum(tables[table].reach(spool) for table in TABLES for spool in own)
            is_learned = learned is None or all(
                tables["results"].reach(spool) <= learned.at("results", spool) for spool in own
            )
            found.append(Pruned(sweep_id, sweeps.get(sweep_id, ""), rows, last, is_learned))
    return found


def prune(place: Place, tables: Tables, sweep: Pruned, spools: Iterable[str]) -> None:
    """Deletes all rows of a sweep; what it was is noted under ``pruned/``.

    The description goes last: a prune that was interrupted is finished by the next one.
    """
    note = {"sweep_id": sweep.sweep_id, "name": sweep.name, "rows": sweep.rows, "at": _now().isoformat()}
    with explained("prune the store", place.location):
        place.prepare(_PRUNED)
        place.create(f"{_PRUNED}/{uuid7()}.json", json.dumps(note, indent=1).encode())
    own = list(spools)
    for spool_id in own:
        endings.forget(place, spool_id)  # first: what is deleted on purpose is not missing
    for table in reversed(TABLES):
        for spool_id in own:
            tables[table].remove(spool_id)


def age_to_time(text: str) -> datetime:
    """The time that was so long ago: ``"90d"``, ``"36h"``.

    Raises:
        StoreError: it is no such text.
    """
    unit = {"d": "days", "h": "hours", "w": "weeks"}.get(text[-1:])
    if unit is None or not text[:-1].isdigit():
        raise StoreError(f"an age is a number of days, hours or weeks, e.g. 90d, 36h, 12w; got {text!r}")
    try:
        return _now() - timedelta(**{unit: int(text[:-1])})
    except OverflowError:
        raise StoreError(f"{text!r} is before the calendar begins; give a smaller age") from None


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _size(tables: Tables, table: Table) -> TableSize:
    listed = [tables[table].listed(spool_id) for spool_id in tables[table].spools()]
    rows = sum(_distinct(sorted((s.first, s.last) for s in spool)) for spool in listed)
    return TableSize(rows, sum(map(len, listed)), sum(s.size for spool in listed for s in spool))


def _distinct(stretches: Sequence[tuple[int, int]]) -> int:
    count, reached = 0, 0
    for first, last in stretches:
        count += max(0, last - max(first - 1, reached))
        reached = max(reached, last)
    return count


def _reason(place: Place, name: str) -> str:
    try:
        return str(codec.parse(place.read(f"{name}{REASON}"))["reason"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return "the reason was not kept"


def _doubled(tables: Tables, spools: Sequence[str]) -> int:
    if len(spools) < 2:
        return 0  # within a driver run the spool refuses doubles
    batches = [batch for spool_id in spools for batch in tables["results"].read(spool_id, _IDENTITY)]
    if not batches:
        return 0
    rows = pa.Table.from_batches(batches)
    return rows.num_rows - rows.group_by(_IDENTITY).aggregate([]).num_rows


def _last_times(tables: Tables, table: Table, spools: Sequence[str]) -> Iterator[datetime]:
    column = _TIME_COLUMN[table]
    for spool_id in spools:
        for batch in tables[table].read(spool_id, [column]):
            last = pc.max(batch[column]).as_py()
            if last is not None:
                yield last
