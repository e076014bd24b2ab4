"""Which store is meant: the one that is named, that of ``METAHP_STORE``, or the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from metahp.store import Store
from metahp_cluster.spec import default_store

Location = Annotated[
    str | None,
    typer.Argument(
        help="The store's directory or URI; by default your own.",
        envvar="METAHP_STORE",
        metavar="[STORE]",
        show_default=False,
    ),
]


def opened(location: str | None) -> Store:
    """The store at a location, by default `default_store`.

    Raises:
        StoreError: there is none, or it cannot be read.
    """
    return Store(location or default_store(), create=False)


def store_and_word(words: Sequence[str]) -> tuple[Store, str]:
    """The store and what follows it, from what was typed: ``STORE WORD``, or the word alone for the default store.

    An argument that may be left out cannot stand before one that may not, for Click; so both come as one list.

    Raises:
        BadParameter: these are more than two words.
        StoreError: there is no such store, or it cannot be read.
    """
    if len(words) > 2:
        raise typer.BadParameter(f"takes a store and one more word, got {len(words)}: {' '.join(words)}")
    *location, word = words
    return opened(location[0] if location else None), word
