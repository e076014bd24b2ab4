"""Sweeps as people call them: by their names, their ids, or by how these begin."""

from __future__ import annotations

from typing import Annotated

import typer

from metahp.errors import StoreError
from metahp.store import Store
from metahp.types import SweepHistory

Wanted = Annotated[
    str | None, typer.Option("--sweep", help="By its name or id; by default the newest.", metavar="SWEEP")
]


def known_id(store: Store, wanted: str) -> str:
    """The id of the sweep that is meant.

    Args:
        store: where it is.
        wanted: its id, the beginning of it, or its name; of several of one name the newest is meant.

    Raises:
        StoreError: no sweep of the store is called or begins so, or several begin so.
    """
    sweeps = store.sweeps()
    ids = [sweep.sweep_id for sweep in sweeps]
    named = [sweep.sweep_id for sweep in sweeps if sweep.name == wanted][-1:]
    found = [own for own in ids if own == wanted] or named or [own for own in ids if own.startswith(wanted)]
    if not found:
        raise StoreError(f"{store.location} holds no sweep {wanted!r}; metahp list names them all")
    if len(found) > 1:
        names = ", ".join(found[:5]) + (", …" if len(found) > 5 else "")
        raise StoreError(
            f"{len(found)} sweeps of {store.location} begin with {wanted!r} ({names}); give more of the id"
        )
    return found[0]


def chosen(store: Store, wanted: str | None) -> SweepHistory:
    """A sweep of a store, see `known_id`; the newest where none is named.

    Raises:
        StoreError: there is none, or more than one.
    """
    sweeps = store.sweeps()
    if not sweeps:
        raise StoreError(f"{store.location} holds no sweeps; metahp run and metahp import fill it")
    return store.history(known_id(store, wanted) if wanted else sweeps[-1].sweep_id)
