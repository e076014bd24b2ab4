"""A free port on loopback, until Ctrl-C."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable

import uvicorn

from metahp.errors import ClusterError
from metahp.store import Store
from metahp_cluster.ui.app import make_app
from metahp_cluster.ui.guard import COOKIE
from metahp_cluster.ui.watch import Watch

LOOPBACK = "127.0.0.1"


def listen(port: int) -> socket.socket:
    """A socket on loopback that nobody else can reach.

    Args:
        port: the port; 0 for any that is free.

    Raises:
        ClusterError: the port is taken, or not for us.
    """
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was ours a moment ago is free
    try:
        own.bind((LOOPBACK, port))
        own.listen()  # whoever comes before the server runs waits
    except OSError as problem:
        own.close()
        raise ClusterError(
            f"cannot listen on port {port} of {LOOPBACK}: {problem.strerror}; choose another one, or leave --port out"
        ) from problem
    return own


def serve(store: Store, at: socket.socket, ready: Callable[[str], None]) -> None:
    """Shows a store until Ctrl-C or SIGTERM.

    Args:
        store: the store.
        at: where to listen.
        ready: called with the address that opens the pages, token included.
    """
    token, port = secrets.token_urlsafe(32), at.getsockname()[1]
    app = make_app(Watch(store), token, f"{COOKIE}-{port}")
    config = uvicorn.Config(app, log_level="warning", lifespan="off", access_log=False, server_header=False)
    server = uvicorn.Server(config)
    ready(f"http://{LOOPBACK}:{port}/?token={token}")
    server.run(sockets=[at])
