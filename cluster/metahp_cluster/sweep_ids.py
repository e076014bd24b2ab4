"""Sweeps as people name them: by their ids, or by how these begin."""

from __future__ import annotations

from metahp.errors import StoreError
from metahp.store import Store


def known_id(store: Store, wanted: str) -> str:
    """The id of the sweep that is meant.

    Args:
        store: where it is.
        wanted: its id, or the beginning of it.

    Raises:
        StoreError: no sweep of the store begins so, or several do.
    """
    ids = [sweep.sweep_id for sweep in store.sweeps()]
    found = [own for own in ids if own == wanted] or [own for own in ids if own.startswith(wanted)]
    if not found:
        raise StoreError(f"{store.location} holds no sweep {wanted!r}; metahp store info lists those it has")
    if len(found) > 1:
        names = ", ".join(found[:5]) + (", …" if len(found) > 5 else "")
        raise StoreError(
            f"{len(found)} sweeps of {store.location} begin with {wanted!r} ({names}); give more of the id"
        )
    return found[0]
