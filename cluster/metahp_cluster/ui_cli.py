"""``metahp ui``: all sweeps of a store in a browser, live."""

from __future__ import annotations

import contextlib
import os
from typing import Annotated

import typer

from metahp_cluster.as_json import AsJson, print_json
from metahp_cluster.own_store import Location, opened


def ui(
    location: Location = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="On this machine alone; 0 for a free one.", metavar="N")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Show all sweeps of a store in a browser, live, until Ctrl-C.

    Only this machine can reach it, and only who knows the address with its token.

    Example: metahp ui ~/sweeps
    """
    store = opened(location)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # forecasts load TensorFlow, which talks
    from metahp_cluster.ui.serve import listen, serve  # slow to import

    def ready(address: str) -> None:
        told = f"{store.location} is shown at {address} until Ctrl-C"
        print_json({"address": address, "store": store.location}) if as_json else print(told, flush=True)

    with contextlib.suppress(KeyboardInterrupt), listen(port) as at:  # Ctrl-C is how it ends, not a mistake
        serve(store, at, ready)
