"""A server that speaks S3, for tests: moto's, whose conditional writes are made atomic, as a real one's are.

    python tests/store/s3_server.py PORT

moto looks whether there is an object and then writes it, on many threads. ``PUT /_busy?answers=N`` makes the next N
requests be answered by ``503 Slow Down``.
"""

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from moto.s3.responses import S3Response
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


class Busy:
    """Answers 503 as often as it was told to, and passes on the rest."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self._left = 0
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/_busy":
            self._left = int(parse_qs(environ["QUERY_STRING"])["answers"][0])
            start_response("200 OK", [])
            return [b""]
        with self._lock:
            refused = self._left > 0
            self._left -= refused
        if refused:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return [SLOW_DOWN]
        return self._application(environ, start_response)


def one_at_a_time(method: Callable[..., Any]) -> Callable[..., Any]:
    lock = threading.Lock()

    def locked(*arguments: Any, **named: Any) -> Any:
        with lock:
            return method(*arguments, **named)

    return locked


if __name__ == "__main__":
    S3Response.put_object = one_at_a_time(S3Response.put_object)
    run_simple("127.0.0.1", int(sys.argv[1]), Busy(DomainDispatcherApplication(create_backend_app)), threaded=True)
