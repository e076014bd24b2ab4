"""What Tune does not tell its searchers, schedulers and callbacks, but knows; the only file that looks inside Tune.

* Callbacks are told neither metric nor mode nor search space, and a scheduler no search space. All of them are
  arguments of ``ray.tune.tune.run``, which is below every hook on the stack: `current_run` reads them there. Should
  another Ray name them otherwise, it finds nothing, and whoever asked says what to pass by hand.
* A searcher cannot add a callback to its run. Tune reads ``RAY_TUNE_CALLBACKS`` right after it has told the searcher
  the search space: `request_callback` puts ours there, and the callback takes it out as soon as Tune has made it, so
  that neither later runs nor child processes find it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

VARIABLE = "RAY_TUNE_CALLBACKS"
CALLBACK = "metahp_searchers.StoreCallback"

_requested = False


@dataclass(frozen=True, slots=True)
class TuneRun:
    """The arguments of the Tune run that is going on.

    Attributes:
        metric: to be optimised; None where Tune was not told.
        mode: ``"min"``, ``"max"`` or None.
        param_space: as the user wrote it, with placeholders for objects.
        searcher: name of its class.
        scheduler: name of its class.
    """

    metric: str | None
    mode: str | None
    param_space: Mapping[str, Any]
    searcher: str
    scheduler: str


def current_run() -> TuneRun | None:
    """The Tune run that called us, or None where there is none or it is not understood."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == "ray.tune.tune" and frame.f_code.co_name == "run":
            return _understood(frame.f_locals)
        frame = frame.f_back
    return None


def _understood(arguments: Mapping[str, Any]) -> TuneRun:
    search, scheduler = _innermost(arguments.get("search_alg")), arguments.get("scheduler")
    metric, mode = arguments.get("metric"), arguments.get("mode")
    config = arguments.get("config")
    return TuneRun(
        metric=metric or _text(scheduler, "_metric") or _text(search, "_metric"),
        mode=mode or _text(scheduler, "_mode") or _text(search, "_mode"),
        param_space=config if isinstance(config, Mapping) else {},
        searcher=type(search).__name__ if search is not None else "",
        scheduler=type(scheduler).__name__ if scheduler is not None else "",
    )


def _innermost(search: Any) -> Any:
    """The searcher inside SearchGenerator, ConcurrencyLimiter and Repeater."""
    while hasattr(search, "searcher"):
        search = search.searcher
    return search


def _text(owner: Any, attribute: str) -> str | None:
    value = getattr(owner, attribute, None)
    return value if isinstance(value, str) and value != "_metric" else None  # "_metric": Tune's word for none given


def request_callback() -> None:
    """Has the Tune run that is about to start make a `StoreCallback`."""
    global _requested
    names = _names()
    if CALLBACK not in names:
        os.environ[VARIABLE] = ",".join([*names, CALLBACK])
        _requested = True


def callback_made() -> None:
    """Takes back what `request_callback` asked for; what the user put there stays."""
    global _requested
    if _requested:
        _requested = False
        left = [name for name in _names() if name != CALLBACK]
        os.environ.update({VARIABLE: ",".join(left)})
        if not left:
            os.environ.pop(VARIABLE)


def _names() -> list[str]:
    return [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
