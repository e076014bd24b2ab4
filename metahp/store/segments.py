"""The published rows of one table: immutable Parquet files, each holding a gapless stretch of one spool's rows.

``spool=<spool_id>/seg-<first>-<last>-<digest>.parquet`` says which rows a file holds and what its bytes hash to, so a
file that was torn, flipped, renamed or put there by something else is noticed. Stretches may overlap: when small
segments are merged into a larger one, the small ones go later. Reading counts each row number once, from the segment
that reaches furthest, which makes merging atomic without any manifest.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import and_
from time import monotonic
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from metahp.errors import StoreError
from metahp.store import codec, parquet
from metahp.store.files import TEMPORARY, explained
from metahp.store.places import Item, Place
from metahp.store.schema import TABLES, Table

_log = logging.getLogger(__name__)

_NAME = re.compile(r"seg-(\d{12})-(\d{12})-([0-9a-f]{16})\.parquet")
REASON = ".reason.json"
ASK_AGAIN_S = 60.0
_STRETCH = re.compile(r"(\d{12})-(\d{12})\.json")
_FOLDER = re.compile(r"spool=([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


@dataclass(frozen=True, slots=True)
class Segment:
    """One file: rows ``first`` to ``last``, both included.

    Attributes:
        name: within the place.
        first: number of the first row.
        last: number of the last row.
        digest: of the content.
        size: bytes.
    """

    name: str
    first: int
    last: int
    digest: str
    size: int

    def makes_needless(self, other: Segment) -> bool:
        """Whether ``other`` holds nothing else; of two with the same rows exactly one makes the other needless."""
        return (
            self.first <= other.first
            and other.last <= self.last
            and (other.last - other.first < self.last - self.first or self.digest < other.digest)
        )


@dataclass(frozen=True, slots=True)
class Hole:
    """Rows of a spool that were published once and cannot be read now."""

    table: Table
    spool_id: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.table}: rows {self.first}-{self.last} of spool {self.spool_id} are missing"


@dataclass(frozen=True, slots=True)
class Damage:
    """Why a file is not read, and which rows of its spool it held, if any."""

    reason: str
    first: int | None = None
    last: int | None = None


class Segments:
    """The segments of one table of a store.

    Attributes:
        table: which one.
        place: where the store is.
    """

    def __init__(self, place: Place, table: Table) -> None:
        self.table = table
        self.place = place
        self._good: set[str] = set()  # seen whole; a segment never changes
        self._bad: set[str] = set()  # could not be moved away: the store is read-only
        self._skipped: dict[str, float] = {}  # the disk did not give them: until when they are not asked for again
        self._told: set[str] = set()

    def spools(self) -> list[str]:
        """Every spool that has a directory, oldest first."""
        with self._explained("list the spools", self.table):
            found = [
                (item, match[1]) for item in self.place.list(self.table) if (match := _FOLDER.fullmatch(item.name))
            ]
        for item in (item for item, _ in found if item.is_link):
            self._warn_once(f"{self.table}/{item.name}", "it is a link; what lies behind it is not read")
        return [spool_id for item, spool_id in found if not item.is_link]

    def open_spool(self, spool_id: str) -> None:
        """Makes the directory of a spool."""
        with self._explained(f"write {self.table}", self._folder(spool_id)):
            self.place.prepare(self._folder(spool_id))

    def cover(self, spool_id: str) -> list[Segment]:
        """The good segments that are needed, by first row; bad ones are put in quarantine."""
        needed: list[Segment] = []
        for segment in sorted(self.listed(spool_id), key=lambda s: (s.first, -s.last)):
            if (not needed or segment.last > needed[-1].last) and self._is_good(segment, spool_id):
                needed.append(segment)
        return needed

    def holes(self, spool_id: str) -> list[Hole]:
        """The stretches before the last published row that no good segment holds."""
        found, reached = [], 0
        for segment in self.cover(spool_id):
            if segment.first > reached + 1:
                found.append(Hole(self.table, spool_id, reached + 1, segment.first - 1))
            reached = segment.last
        return found

    def lost_tail(self, spool_id: str, published: int = 0) -> Hole | None:
        """The rows behind the last good segment that were there once, or None.

        Args:
            spool_id: whose.
            published: how many rows it had when it was over; files in quarantine tell too.
        """
        lost = [published, *(note["last"] for note in self._notes(spool_id) if isinstance(note.get("last"), int))]
        cover = self.cover(spool_id)
        reached = cover[-1].last if cover else 0
        return Hole(self.table, spool_id, reached + 1, max(lost)) if max(lost, default=0) > reached else None

    def reach(self, spool_id: str) -> int:
        """The last row up to which nothing is missing, except what somebody has accepted as lost."""
        reached = 0
        for segment in self.cover(spool_id):
            hole = Hole(self.table, spool_id, reached + 1, segment.first - 1)
            if segment.first > reached + 1 and not self.is_accepted(hole):
                break
            reached = segment.last
        return reached

    def accept(self, hole: Hole) -> None:
        """Notes that these rows are lost for good, so that cursors go on behind them."""
        folder = self._accepted(hole.spool_id)
        with self._explained("accept a hole", folder):
            self.place.prepare(folder)
            self.place.create(f"{folder}/{hole.first:012d}-{hole.last:012d}.json", str(hole).encode())

    def is_accepted(self, hole: Hole) -> bool:
        """Whether somebody has accepted that these rows are lost."""
        with self._explained("list the accepted holes", self._accepted(hole.spool_id)):
            found = [_STRETCH.fullmatch(item.name) for item in self.place.list(self._accepted(hole.spool_id))]
        return any(match and int(match[1]) <= hole.first and hole.last <= int(match[2]) for match in found)

    def verify(self, spool_id: str) -> list[str]:
        """Reads every segment of a spool, also those that are not needed; returns the names of the bad ones."""
        return [segment.name for segment in self.listed(spool_id) if not self._is_good(segment, spool_id)]

    def read(
        self,
        spool_id: str,
        columns: Sequence[str] | None = None,
        where: pc.Expression | None = None,
        *,
        after: int = 0,
        until: int | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a spool in order, each once.

        Args:
            spool_id: whose rows.
            columns: which columns, all if None.
            where: only rows for which this is true.
            after: only rows with larger numbers; files that hold none of these are not opened.
            until: only rows up to this number, likewise.
        """
        reached, ahead = after, self.cover(spool_id)
        while ahead:
            segment = ahead.pop(0)
            if segment.last <= reached or (until is not None and segment.first > until):
                continue
            batches = self._load(segment, spool_id, columns, _wanted(reached, until, segment, where))
            if batches is None:  # gone or damaged since we listed the directory: look again
                ahead = self.cover(spool_id)
                continue
            reached = segment.last
            yield from batches

    def write(self, spool_id: str, rows: pa.Table) -> Segment:
        """Publishes rows, which must be numbered without a gap."""
        first = rows["spool_seq"][0].as_py()
        last = first + rows.num_rows - 1
        content = parquet.encode(rows, self.table, spool_id, first)
        digest = parquet.digest(content)
        name = f"{self._folder(spool_id)}/seg-{first:012d}-{last:012d}-{digest}.parquet"
        with self._explained(f"publish {self.table}", name):
            self.place.create(name, content)
        return Segment(name, first, last, digest, len(content))

    def merge(self, spool_id: str, first: int, last: int) -> None:
        """Puts the rows ``first`` to ``last`` into one segment and deletes those that hold nothing else.

        Several may do this at once: of segments with the same rows exactly one is deleted by nobody.
        """
        inside = (pc.field("spool_seq") >= first) & (pc.field("spool_seq") <= last)
        rows = pa.Table.from_batches(self.read(spool_id, where=inside), TABLES[self.table])
        if rows.num_rows != last - first + 1:
            return  # a hole: leave what is there as it is
        self.write(spool_id, rows)
        self.drop_needless(spool_id)

    def drop_needless(self, spool_id: str) -> None:
        """Deletes the segments whose rows a single other good segment has."""
        needed = self.cover(spool_id)
        with self._explained("delete merged segments", self._folder(spool_id)):
            for segment in self.listed(spool_id):
                if any(other.makes_needless(segment) for other in needed):
                    self.place.delete(segment.name)

    def folders(self, spool_id: str) -> tuple[str, ...]:
        """All that belong to a spool: its own, that of accepted losses, that of what is in quarantine."""
        return self._folder(spool_id), self._accepted(spool_id), self._hospital(spool_id)

    def tidy(self, spool_id: str) -> None:
        """Deletes what is half-written; only for the owner of the spool. Who merges just then publishes once more."""
        left = [item.name for item in self._items(spool_id) if item.name.startswith(TEMPORARY)]
        with self._explained("tidy up", self._folder(spool_id)):
            for name in left:
                self.place.delete(f"{self._folder(spool_id)}/{name}")

    def remove(self, spool_id: str) -> None:
        """Deletes all rows of a spool."""
        with self._explained(f"delete {self.table}", self._folder(spool_id)):
            self.place.remove(self._folder(spool_id))

    def listed(self, spool_id: str) -> list[Segment]:
        """All segments of a spool, as their names say; what else lies there is put in quarantine."""
        segments = []
        for item in self._items(spool_id):
            name, match = f"{self._folder(spool_id)}/{item.name}", _NAME.fullmatch(item.name)
            if item.name.startswith(".") or name in self._bad:
                continue
            if match and item.is_file:
                segments.append(Segment(name, int(match[1]), int(match[2]), match[3], item.size))
            else:
                self._quarantine(name, spool_id, Damage("it is not a file with the name of a segment"))
        return segments

    def _items(self, spool_id: str) -> list[Item]:
        with self._explained("list the segments", self._folder(spool_id)):
            return self.place.list(self._folder(spool_id))

    def _folder(self, spool_id: str) -> str:
        return f"{self.table}/spool={spool_id}"

    def _accepted(self, spool_id: str) -> str:
        return f"accepted/{self.table}/{spool_id}"

    def _explained(self, doing: str, name: str) -> contextlib.AbstractContextManager[None]:
        return explained(doing, f"{self.place.location}/{name}")

    def _is_good(self, segment: Segment, spool_id: str) -> bool:
        if segment.name in self._good:
            return True
        if segment.name in self._bad or monotonic() < self._skipped.get(segment.name, 0.0):
            return False
        try:
            content = self._content(segment.name)
        except OSError as problem:
            self._skip(segment.name, f"{problem.strerror}: rows {segment.first}-{segment.last} skipped")
            return False
        if content is None:
            return True  # loading it will notice and look again
        fault = parquet.fault(content, segment.digest, self.table, spool_id, segment.first, segment.last)
        if fault:
            damage = Damage(f"{fault}: rows {segment.first}-{segment.last} skipped", segment.first, segment.last)
            is_foreign = parquet.digest(content) == segment.digest  # whole, but not of this place: no rows of ours
            self._quarantine(segment.name, spool_id, Damage(damage.reason) if is_foreign else damage)
            return False
        self._good.add(segment.name)
        return True

    def _content(self, name: str) -> bytes | None:
        """What is in a file, None if it is gone.

        Raises:
            OSError: this one file cannot be read.
            StoreError: the place cannot.
        """
        try:
            return self.place.read(name)
        except FileNotFoundError:
            return None
        except OSError as problem:
            if problem.errno in self.place.faults_of_one_file:
                raise
            with self._explained("read a segment", name):
                raise

    def _load(
        self, segment: Segment, spool_id: str, columns: Sequence[str] | None, where: pc.Expression | None
    ) -> list[pa.RecordBatch] | None:
        """The rows of a segment that are asked for, or None if it is no longer there or no longer good."""
        try:
            return self._fetched(segment, columns, where)
        except FileNotFoundError:
            return None
        except (pa.ArrowException, OSError):
            self._good.discard(segment.name)
            if not self._is_good(segment, spool_id):
                return None
        try:
            return self._fetched(segment, columns, where)  # of a bucket, the mirror's copy may have been damaged
        except FileNotFoundError:
            return None
        except (pa.ArrowException, OSError) as problem:  # not the file's fault: a wrong filter, or no memory
            raise StoreError(f"cannot read {segment.name} with these columns and filter: {problem}") from problem

    def _fetched(
        self, segment: Segment, columns: Sequence[str] | None, where: pc.Expression | None
    ) -> list[pa.RecordBatch]:
        return parquet.load(self.place.fetch(segment.name), self.table, columns, where)

    def _skip(self, name: str, reason: str) -> None:
        """Leaves out a file that the disk does not give, for a while: asking may take seconds each time."""
        self._skipped[name] = monotonic() + ASK_AGAIN_S
        self._warn_once(name, reason)

    def _warn_once(self, name: str, reason: str) -> None:
        if name not in self._told:
            self._told.add(name)
            _log.warning("%s/%s cannot be trusted: %s", self.place.location, name, reason)

    def _quarantine(self, name: str, spool_id: str, damage: Damage) -> None:
        target = f"{self._hospital(spool_id)}/{name.rpartition('/')[2]}"
        where = f"moved to {target}"
        try:
            self.place.move(name, target)
        except FileNotFoundError:
            return  # another reader was faster
        except OSError as problem:
            self._bad.add(name)
            where = f"left where it is ({problem.strerror})"
        else:
            self._note(f"{target}{REASON}", {"file": name, **asdict(damage)})
        _log.warning(
            "%s/%s cannot be trusted: %s; %s; restore it from a backup",
            self.place.location,
            name,
            damage.reason,
            where,
        )

    def _note(self, name: str, content: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # a full disk: the log has the reason
            self.place.create(name, json.dumps(content).encode())

    def _notes(self, spool_id: str) -> Iterator[dict[str, Any]]:
        """What is known of the files in quarantine; notes that cannot be read are left out."""
        folder = self._hospital(spool_id)
        with self._explained("list the quarantine", folder):
            names = [item.name for item in self.place.list(folder) if item.name.endswith(REASON)]
            for name in names:
                with contextlib.suppress(FileNotFoundError, ValueError, TypeError):
                    yield dict(codec.parse(self.place.read(f"{folder}/{name}")))

    def _hospital(self, spool_id: str) -> str:
        return f"quarantine/{self.table}/{spool_id}"


def _wanted(reached: int, until: int | None, segment: Segment, where: pc.Expression | None) -> pc.Expression | None:
    """The rows of a segment behind those read before, up to a number, for which ``where`` is true; None for all."""
    bounds = [
        *([pc.field("spool_seq") > reached] if segment.first <= reached else []),
        *([pc.field("spool_seq") <= until] if until is not None and segment.last > until else []),
        *([] if where is None else [where]),
    ]
    return reduce(and_, bounds) if bounds else None
