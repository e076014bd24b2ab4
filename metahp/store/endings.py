"""How many rows a driver run had when it was over: a file that is deleted from its end is missed by nothing else.

One file each, ``ended/<spool_id>-<sweeps>-<trials>-<results>-<decisions>.json``, written when everything is published:
its name says it all, so that one look into the folder tells of all runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from metahp.store.files import explained
from metahp.store.places import Place
from metahp.store.schema import TABLES, Table

FOLDER = "ended"
_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})((?:-\d{1,12})+)\.json")


def note(place: Place, spool_id: str, rows: Mapping[Table, int]) -> None:
    """Notes how many rows a run has published; a second note of the same changes nothing.

    Raises:
        StoreError: the store refuses.
    """
    name = "-".join([spool_id, *(str(rows[table]) for table in TABLES)])
    with explained("note the end of a driver run", f"{place.location}/{FOLDER}"):
        place.prepare(FOLDER)
        place.create(f"{FOLDER}/{name}.json", b"{}")


def noted(place: Place) -> dict[str, dict[Table, int]]:
    """The rows of each run that is over, by spool and table; runs of early versions noted nothing."""
    with explained("list the driver runs that are over", f"{place.location}/{FOLDER}"):
        found = [_NAME.fullmatch(item.name) for item in place.list(FOLDER) if item.is_file]
    # Tables of later versions come behind those of this one.
    return {match[1]: dict(zip(TABLES, map(int, match[2][1:].split("-")), strict=False)) for match in found if match}


def forget(place: Place, spool_id: str) -> None:
    """Deletes what was noted of a run: its rows are to be deleted too."""
    with explained("forget a driver run", f"{place.location}/{FOLDER}"):
        for item in place.list(FOLDER):
            if item.name.startswith(f"{spool_id}-"):
                place.delete(f"{FOLDER}/{item.name}")
