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
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from metahp.errors import StoreError
from metahp.store import parquet
from metahp.store.files import TEMPORARY, explained, make_directory, publish
from metahp.store.schema import TABLES, Table

_log = logging.getLogger(__name__)

_NAME = re.compile(r"seg-(\d{12})-(\d{12})-([0-9a-f]{16})\.parquet")
_FOLDER = re.compile(r"spool=([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


@dataclass(frozen=True, slots=True)
class Segment:
    """One file: rows ``first`` to ``last``, both included."""

    path: Path
    first: int
    last: int
    digest: str


@dataclass(frozen=True, slots=True)
class Hole:
    """Rows of a spool that were published once and cannot be read now."""

    table: Table
    spool_id: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.table}: rows {self.first}-{self.last} of spool {self.spool_id} are missing"


class Segments:
    """The segments of one table of the store at ``root``."""

    def __init__(self, root: Path, table: Table) -> None:
        self.table = table
        self._root = root
        self._good: set[Path] = set()  # seen whole; a segment never changes
        self._bad: set[Path] = set()  # could not be moved away: the store is read-only

    def spools(self) -> list[str]:
        """Every spool that has a directory, oldest first."""
        folder = self._root / self.table
        names = sorted(os.listdir(folder)) if folder.is_dir() else []
        return [match[1] for name in names if (match := _FOLDER.fullmatch(name))]

    def open_spool(self, spool_id: str) -> None:
        """Makes the directory of a spool."""
        with explained(f"write {self.table}", self._folder(spool_id)):
            make_directory(self._folder(spool_id))

    def cover(self, spool_id: str) -> list[Segment]:
        """The good segments that are needed, by first row; bad ones are put in quarantine."""
        needed: list[Segment] = []
        for segment in sorted(self._listed(spool_id), key=lambda s: (s.first, -s.last)):
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

    def reach(self, spool_id: str) -> int:
        """The last row up to which nothing is missing."""
        reached = 0
        for segment in self.cover(spool_id):
            if segment.first > reached + 1:
                break
            reached = segment.last
        return reached

    def read(
        self, spool_id: str, columns: Sequence[str] | None = None, where: pc.Expression | None = None
    ) -> Iterator[pa.RecordBatch]:
        """All rows of a spool in order, each once.

        Args:
            spool_id: whose rows.
            columns: which columns, all if None.
            where: only rows for which this is true.
        """
        reached, ahead = 0, self.cover(spool_id)
        while ahead:
            segment = ahead.pop(0)
            if segment.last <= reached:
                continue
            fresh = pc.field("spool_seq") > reached
            batches = self._load(segment, spool_id, columns, fresh if where is None else fresh & where)
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
        path = self._folder(spool_id) / f"seg-{first:012d}-{last:012d}-{digest}.parquet"
        with explained(f"publish {self.table}", path):
            publish(path, lambda temporary: _write(temporary, content))
        return Segment(path, first, last, digest)

    def merge(self, spool_id: str, first: int, last: int) -> None:
        """Puts the rows ``first`` to ``last`` into one segment and deletes those that held only some of them."""
        inside = (pc.field("spool_seq") >= first) & (pc.field("spool_seq") <= last)
        rows = pa.Table.from_batches(self.read(spool_id, where=inside), TABLES[self.table])
        if rows.num_rows != last - first + 1:
            return  # a hole: leave what is there as it is
        merged = self.write(spool_id, rows)
        for segment in self._listed(spool_id):
            if segment.path != merged.path and first <= segment.first and segment.last <= last:
                segment.path.unlink(missing_ok=True)

    def tidy(self, spool_id: str) -> None:
        """Deletes what a killed writer left half-written; only for the one process that owns the spool."""
        for path in self._folder(spool_id).glob(f"{TEMPORARY}*"):
            path.unlink(missing_ok=True)

    def _folder(self, spool_id: str) -> Path:
        return self._root / self.table / f"spool={spool_id}"

    def _listed(self, spool_id: str) -> list[Segment]:
        segments = []
        for entry in _entries(self._folder(spool_id)):
            path, match = Path(entry.path), _NAME.fullmatch(entry.name)
            if entry.name.startswith(".") or path in self._bad:
                continue
            if match and entry.is_file(follow_symlinks=False):
                segments.append(Segment(path, int(match[1]), int(match[2]), match[3]))
            else:
                self._quarantine(path, spool_id, "it is not a file with the name of a segment")
        return segments

    def _is_good(self, segment: Segment, spool_id: str) -> bool:
        if segment.path in self._good:
            return True
        if segment.path in self._bad:
            return False
        content = _content(segment.path)
        if content is None:
            return True  # loading it will notice and look again
        fault = parquet.fault(content, segment.digest, self.table, spool_id, segment.first, segment.last)
        if fault:
            self._quarantine(segment.path, spool_id, f"{fault}: rows {segment.first}-{segment.last} skipped")
            return False
        self._good.add(segment.path)
        return True

    def _load(
        self, segment: Segment, spool_id: str, columns: Sequence[str] | None, where: pc.Expression
    ) -> list[pa.RecordBatch] | None:
        """The rows of a segment that are asked for, or None if it is no longer there or no longer good."""
        try:
            return parquet.load(segment.path, self.table, columns, where)
        except FileNotFoundError:
            return None
        except (pa.ArrowException, OSError) as problem:
            self._good.discard(segment.path)
            if self._is_good(segment, spool_id):  # then it is not the file's fault: a wrong filter, or no memory
                raise StoreError(f"cannot read {segment.path} with these columns and filter: {problem}") from problem
            return None

    def _quarantine(self, path: Path, spool_id: str, reason: str) -> None:
        target = self._root / "quarantine" / self.table / spool_id / path.name
        where = f"moved to {target}"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(path, target)
            note = json.dumps({"file": str(path.relative_to(self._root)), "reason": reason}).encode()
            with contextlib.suppress(OSError):  # a full disk: the log has the reason
                publish(target.with_name(f"{target.name}.reason.json"), lambda temporary: _write(temporary, note))
        except FileNotFoundError:
            return  # another reader was faster
        except OSError as problem:
            self._bad.add(path)
            where = f"left where it is ({problem.strerror})"
        _log.warning("%s cannot be trusted: %s; %s; restore it from a backup", path, reason, where)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with explained("list the segments", folder):
        try:
            return sorted(os.scandir(folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            return []


def _content(path: Path) -> bytes | None:
    with explained("read a segment", path):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
