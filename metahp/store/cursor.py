"""How far a consumer has read: kept next to what it made of it, so that both change together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from metahp.errors import StoreError
from metahp.store import codec
from metahp.store.schema import TABLES, Table


@dataclass(frozen=True, slots=True)
class Cursor:
    """Per table and spool, the last row up to which everything was there to be read.

    A cursor stops at a hole: rows behind it count as read only when it is filled.
    """

    reached: Mapping[Table, Mapping[str, int]] = field(default_factory=dict)

    def at(self, table: Table, spool_id: str) -> int:
        """The last row read of a spool, 0 if none."""
        return self.reached.get(table, {}).get(spool_id, 0)

    def to_json(self) -> str:
        """JSON; `from_json` gives an equal cursor."""
        return json.dumps({table: dict(spools) for table, spools in self.reached.items()}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The cursor that `to_json` wrote.

        Raises:
            StoreError: the text is not such JSON.
        """
        try:
            tables = codec.parse(text).items()
            return cls({t: {str(s): int(n) for s, n in spools.items()} for t, spools in tables if t in TABLES})
        except (ValueError, TypeError, AttributeError) as problem:
            raise StoreError(
                f"not a cursor of a store ({problem}): {text[:200]!r}; start from an empty one"
            ) from problem
