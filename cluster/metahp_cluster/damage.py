"""What is missing in a store is said by every answer that rests on it, for as long as it is missing."""

from __future__ import annotations

import sys

from metahp.store import Store


def warn_of_holes(store: Store) -> None:
    """One sentence on standard error if rows that were published cannot be read; to be called when it was read."""
    holes = store.holes()
    if holes:
        rows = sum(hole.last - hole.first + 1 for hole in holes)
        print(
            f"metahp: warning: {rows:,} rows of {store.location} are damaged or lost, this rests on the others; "
            "metahp store check says more",
            file=sys.stderr,
        )
