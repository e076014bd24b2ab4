"""Which sweeps there are, and which driver runs recorded them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from metahp.errors import MetaHPError
from metahp.store import rows
from metahp.store.rows import Row
from metahp.store.schema import Table
from metahp.store.segments import Segments
from metahp.types import Sweep

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Survey:
    """What is in a store.

    Attributes:
        sweeps: the newest description of each sweep, by sweep_id, in the order of their first one.
        spools: the driver runs of each sweep, by sweep_id, the oldest first.
    """

    sweeps: Mapping[str, Sweep]
    spools: Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class _Run:
    """What a driver run says about its sweep, and the files that it was read from."""

    files: tuple[str, ...]
    sweep_id: str | None
    sweep: Sweep | None


class Catalog:
    """The table ``sweeps`` of a store; remembers what it has read, since segments never change."""

    def __init__(self, tables: Mapping[Table, Segments]) -> None:
        self._tables = tables
        self._runs: dict[str, _Run] = {}

    def survey(self) -> Survey:
        """What there is now, in one pass over the directories."""
        sweeps: dict[str, Sweep | None] = {}
        spools: dict[str, list[str]] = {}
        for spool_id in self._tables["sweeps"].spools():
            run = self._run(spool_id)
            sweep_id = run.sweep_id or self._owner(spool_id)
            if sweep_id is not None:
                spools.setdefault(sweep_id, []).append(spool_id)
            if run.sweep_id is not None:
                sweeps[run.sweep_id] = run.sweep
        return Survey({sweep_id: sweep for sweep_id, sweep in sweeps.items() if sweep is not None}, spools)

    def sweeps(self) -> Mapping[str, Sweep]:
        """The newest description of each sweep, by sweep_id, in the order of their first one."""
        return self.survey().sweeps

    def spools(self) -> Mapping[str, list[str]]:
        """The driver runs of each sweep, by sweep_id, the oldest first."""
        return self.survey().spools

    def _run(self, spool_id: str) -> _Run:
        segments = self._tables["sweeps"]
        files = tuple(segment.name for segment in segments.cover(spool_id))
        known = self._runs.get(spool_id)
        if known is None or known.files != files:
            found = [row for batch in segments.read(spool_id) for row in batch.to_pylist()]
            known = self._runs[spool_id] = _described(files, found[-1] if found else None)  # the newest row counts
        return known

    def _owner(self, spool_id: str) -> str | None:
        """The sweep of a run whose description was damaged."""
        for table in ("trials", "results"):
            for batch in self._tables[table].read(spool_id, ["sweep_id"]):
                if batch.num_rows:
                    return str(batch["sweep_id"][0].as_py())
        return None


def _described(files: tuple[str, ...], row: Row | None) -> _Run:
    if row is None:
        return _Run(files, None, None)
    try:
        return _Run(files, row["sweep_id"], rows.sweep_of(row))
    except MetaHPError as problem:
        _log.warning("sweep %s is left out, its description is not understood: %s", row["sweep_id"], problem)
        return _Run(files, row["sweep_id"], None)
