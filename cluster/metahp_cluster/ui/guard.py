"""Who may ask: those who know the token, by a name of this machine, from pages of our own.

The token comes once in the address that the command prints and is a cookie from then on, so that it is in no link, no
bookmark and no referrer. Names of hosts are checked by Starlette's ``TrustedHostMiddleware``: a page from elsewhere
whose name is bound to 127.0.0.1 gets no answer.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "metahp-ui"
HEADERS = {
    # Plotly writes its styles into the page, hence 'unsafe-inline' for these alone; scripts are ours only.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets those in who know the token.

    Attributes:
        app: what is guarded.
        token: the token.
        cookie: the name of the cookie; cookies know no ports, so that each server needs a name of its own.
        stranger: what the others get.
    """

    app: ASGIApp
    token: str
    cookie: str
    stranger: Response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "websocket":
            return  # there are none
        answer = self._answer(Request(scope)) if scope["type"] == "http" else None
        await (self.app if answer is None else answer)(scope, receive, send)

    def _answer(self, request: Request) -> Response | None:
        """What a request gets in place of what it asks for, or None if it may have that."""
        given = request.query_params.get("token")
        if given is not None and _same(given, self.token):
            rest = urlencode([(k, v) for k, v in request.query_params.multi_items() if k != "token"])
            answer = RedirectResponse(f"{request.url.path}?{rest}" if rest else request.url.path, 303)
            answer.set_cookie(self.cookie, self.token, httponly=True, samesite="lax", path="/")
            return answer
        known = request.cookies.get(self.cookie)
        return None if known is not None and _same(known, self.token) else self.stranger


@dataclass(frozen=True, slots=True)
class Sealed:
    """Adds the headers that forbid everything that our own pages do not need."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def send_sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, send_sealed)


def _same(given: str, known: str) -> bool:
    """Whether both are equal, in a time that tells nothing."""
    return hmac.compare_digest(given.encode(), known.encode())
