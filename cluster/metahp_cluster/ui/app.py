"""Which address shows what."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import plotly
from markupsafe import Markup
from plotly.offline import get_plotlyjs_version
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from metahp.errors import MetaHPError
from metahp.types import TrialStatus
from metahp_cluster import markup, sections
from metahp_cluster.sections import Links, Section
from metahp_cluster.ui import lists, rendering, trial_page
from metahp_cluster.ui.facts import sweep_facts
from metahp_cluster.ui.guard import COOKIE, Guard, Sealed
from metahp_cluster.ui.lists import Query
from metahp_cluster.ui.watch import Watch

HOSTS = ["127.0.0.1", "localhost"]
PLOTLY = f"/plotly-{get_plotlyjs_version()}.js"
_PLOTLY_FILE = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


def make_app(watch: Watch, token: str, cookie: str = COOKIE) -> Starlette:
    """The application.

    Args:
        watch: the store.
        token: what one has to know.
        cookie: the name of the cookie that keeps it.
    """
    pages = _Pages(watch)
    routes = [
        Route("/", pages.home),
        Route("/sweep", pages.sweep),
        Route("/trial", pages.trial),
        Route("/live", pages.live),
        Route("/part/sweeps", pages.sweeps_part),
        Route("/part/sweep/{key}", pages.sweep_part),
        Route("/part/trial/{key}", pages.trial_part),
        Route(PLOTLY, _plotly),
        Mount("/assets", StaticFiles(directory=rendering.ASSETS)),
    ]
    stranger = _problem("Open the whole address that metahp ui has printed, with its token.", 403)
    guards = [
        Middleware(Sealed),
        Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False),
        Middleware(Guard, token=token, cookie=cookie, stranger=stranger),
    ]
    return Starlette(
        routes=routes,
        middleware=guards,
        exception_handlers={MetaHPError: _store_problem, HTTPException: _http_problem},  # type: ignore[dict-item]
    )


class _Pages:
    """What the addresses answer."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def home(self, request: Request) -> Response:
        states = sorted({entry.state(_now()) for entry in self._watch.entries()})
        return self._page("home.html", {"store": self._watch.store.location, "states": states})

    def sweep(self, request: Request) -> Response:
        entry = self._watch.entry(_asked(request, "id"))
        content = {
            "title": entry.summary.title,
            "sweep_id": entry.summary.sweep.sweep_id,
            "sections": _titles(sections.SECTIONS),
            "statuses": [*TrialStatus],
        }
        return self._page("sweep.html", content)

    def trial(self, request: Request) -> Response:
        view = self._watch.view(_asked(request, "sweep"))
        own = trial_page.found(view, request.query_params.get("id"), request.query_params.get("number"))
        content = {
            "sweep": view.summary.title,
            "sweep_address": lists.sweep_address(view.sweep_id),
            "sweep_id": view.sweep_id,
            "trial_id": own.trial.trial_id,
            "number": own.number,
            "sections": _titles(trial_page.SECTIONS),
        }
        return self._page("trial.html", content)

    def live(self, request: Request) -> Response:
        """How far the store has come; pages ask again and again, and fetch their parts when it has gone on."""
        return JSONResponse({"revision": self._watch.revision(request.query_params.get("sweep"))})

    def sweeps_part(self, request: Request) -> Response:
        entries = self._watch.entries()
        text = lists.sweeps_table(entries, Query.of(request.query_params), _now()) if entries else _empty()
        return self._part(Section(text))

    def sweep_part(self, request: Request) -> Response:
        key, sweep_id = request.path_params["key"], _asked(request, "id")
        if key == "facts":
            return self._part(Section(markup.tiles(sweep_facts(self._watch.entry(sweep_id), _now()))))
        if key == "trials":
            return self._part(Section(lists.trials_table(self._watch.view(sweep_id), Query.of(request.query_params))))
        _, build = _known(sections.SECTIONS, key)
        view = self._watch.steady_view(sweep_id) if key == "importance" else self._watch.view(sweep_id)
        links = Links(lists.sweep_address, lambda trial_id: lists.trial_address(sweep_id, trial_id))
        return self._part(build(view, links))

    def trial_part(self, request: Request) -> Response:
        key, view = request.path_params["key"], self._watch.view(_asked(request, "sweep"))
        own = trial_page.found(view, _asked(request, "id"), None)
        if key == "facts":
            return self._part(Section(markup.tiles(trial_page.facts(view, own))))
        _, build = _known(trial_page.SECTIONS, key)
        return self._part(build(view, own, self._watch.store))

    def _page(self, template: str, content: Mapping[str, Any]) -> Response:
        holes = self._watch.holes()
        return HTMLResponse(rendering.page(template, {**content, "plotly": PLOTLY, "holes": holes}))

    def _part(self, section: Section) -> Response:
        figure = section.figure.to_json() if section.figure is not None else "null"
        text = json.dumps({"html": section.text, "label": section.label})
        return Response(f'{text[:-1]},"figure":{figure}}}', media_type="application/json")


def _plotly(request: Request) -> Response:
    """Plotly as its own package brings it along; the version is in its address, so that browsers may keep it."""
    return FileResponse(
        _PLOTLY_FILE, media_type="text/javascript", headers={"Cache-Control": "private, max-age=31536000, immutable"}
    )


def _empty() -> Markup:
    return markup.paragraphs(["This store holds no sweeps yet. Any of these fills it; this page shows what comes:"]) + (
        markup.code("metahp run sweep.yaml\nmetahp import optuna sqlite:///study.db", "fill")
    )


def _asked(request: Request, name: str) -> str:
    """A parameter that must be there."""
    value = request.query_params.get(name)
    if value is None:
        raise HTTPException(404, f"The address lacks {name}=….")
    return value


Sections = Mapping[str, tuple[str, Callable[..., Section]]]


def _titles(known: Sections) -> dict[str, str]:
    return {key: title for key, (title, _) in known.items()}


def _known(known: Sections, key: str) -> tuple[str, Callable[..., Section]]:
    if key not in known:
        raise HTTPException(404, "There is no such part.")
    return known[key]


def _store_problem(request: Request, problem: Exception) -> Response:
    """What the store refuses: a sweep that is not there, or a disk that does not answer."""
    is_absent = re.search(r"holds no (sweep|trial) ", str(problem)) is not None
    return _problem(f"{problem}.", 404 if is_absent else 503)


def _http_problem(request: Request, problem: HTTPException) -> Response:
    return _problem("There is no such page." if problem.detail == "Not Found" else problem.detail, problem.status_code)


def _problem(sentence: str, status: int) -> Response:
    return HTMLResponse(rendering.page("problem.html", {"sentence": sentence}), status)


def _now() -> datetime:
    return datetime.now(UTC)
