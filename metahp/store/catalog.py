"""Which sweeps there are, and which driver runs recorded them."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from metahp.errors import MetaHPError
from metahp.store import rows
from metahp.store.rows import Row
from metahp.store.schema import Table
from metahp.store.segments import Segments
from metahp.types import Sweep

_log = logging.getLogger(__name__)


class Catalog:
    """The table ``sweeps`` of a store; remembers what it has read, since segments never change."""

    def __init__(self, tables: Mapping[Table, Segments]) -> None:
        self._tables = tables
        self._read: dict[str, tuple[list[str], Row | None]] = {}
        self._complained: set[str] = set()

    def sweeps(self) -> dict[str, Sweep]:
        """The newest description of each sweep, by sweep_id, in the order of their first one."""
        newest: dict[str, Row] = {}
        for spool_id in self._tables["sweeps"].spools():
            row = self._description(spool_id)
            if row is not None:
                newest[row["sweep_id"]] = row
        found = ((sweep_id, self._understood(row)) for sweep_id, row in newest.items())
        return {sweep_id: sweep for sweep_id, sweep in found if sweep is not None}

    def spools(self) -> dict[str, list[str]]:
        """The driver runs of each sweep, by sweep_id, the oldest first."""
        found: dict[str, list[str]] = {}
        for spool_id in self._tables["sweeps"].spools():
            sweep_id = self._owner(spool_id)
            if sweep_id is not None:
                found.setdefault(sweep_id, []).append(spool_id)
        return found

    def _description(self, spool_id: str) -> Row | None:
        """The newest row of ``sweeps`` in a spool, which holds one sweep."""
        segments = self._tables["sweeps"]
        names = [segment.name for segment in segments.cover(spool_id)]
        known = self._read.get(spool_id)
        if known is None or known[0] != names:
            found = [row for batch in segments.read(spool_id) for row in batch.to_pylist()]
            known = self._read[spool_id] = names, found[-1] if found else None
        return known[1]

    def _owner(self, spool_id: str) -> str | None:
        described = self._description(spool_id)
        if described is not None:
            return str(described["sweep_id"])
        for table in ("trials", "results"):  # its description was damaged
            for batch in self._tables[table].read(spool_id, ["sweep_id"]):
                if batch.num_rows:
                    return str(batch["sweep_id"][0].as_py())
        return None

    def _understood(self, row: Row) -> Sweep | None:
        try:
            return rows.sweep_of(row)
        except MetaHPError as problem:
            if row["sweep_id"] not in self._complained:
                _log.warning("sweep %s is left out, its description is not understood: %s", row["sweep_id"], problem)
            self._complained.add(row["sweep_id"])
            return None
