"""One trial: what it did, what was decided about it and why, and what is predicted of it today."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from pathlib import Path

import pyarrow.compute as pc
from markupsafe import Markup

from metahp.errors import StoreError
from metahp.relatives import Relative
from metahp.store import Store
from metahp.types import MadeDecision
from metahp.why import Explanation, Outlook, explain
from metahp_cluster import figures, markup
from metahp_cluster.markup import Cell
from metahp_cluster.quiet import noise_to
from metahp_cluster.sections import Section, as_code
from metahp_cluster.summary import cost_of
from metahp_cluster.sweep_view import Scored, SweepView
from metahp_cluster.ui.lists import trial_address
from metahp_cluster.views import config_text, searched_part
from metahp_cluster.why_text import blamed

_ONE_AT_A_TIME = threading.Lock()  # the noise of all threads goes through the same descriptors


def found(view: SweepView, trial_id: str | None, number: str | None) -> Scored:
    """A trial of a sweep, by its id or by its number.

    Raises:
        StoreError: there is none.
    """
    for each in view.scored:
        if each.trial.trial_id == trial_id or str(each.number) == number:
            return each
    raise StoreError(f"the sweep {view.sweep_id!r} holds no trial {trial_id or number!r}; its page lists them")


def facts(view: SweepView, own: Scored) -> list[tuple[str, Cell]]:
    """What the trial came to."""
    rank = "" if own.best is None else f"{view.ranked.index(own) + 1:,} of {len(view.ranked):,}"
    return [
        ("status", markup.badge(str(own.trial.status))),
        (f"best {view.history.sweep.metric}", markup.number(own.best)),
        ("rank", rank or "–"),
        ("epochs", f"{own.trial.curve.last_step} of {view.full}"),
        ("training", markup.duration(cost_of(own.trial).seconds)),
    ]


def curve(view: SweepView, own: Scored, store: Store) -> Section:
    """Its learning curve, and the forecasts that were made of it."""
    if not len(own.trial.curve):
        return Section(markup.note("It has not reported yet."))
    return Section(figure=figures.trial_curve(view, own), label=f"learning curve of trial {own.number}")


def decisions(view: SweepView, own: Scored, store: Store) -> Section:
    """What was decided about it, each decision written down before its outcome was known."""
    made = [each for each in view.decisions if each.trial_id == own.trial.trial_id]
    if not made:
        return Section(markup.note("Nothing was decided about it."))
    head = ("after epoch", "decision", "why", "chance to win", "stopped below", "forecast", "by model")
    return Section(markup.table(head, [_decided(each) for each in made], "decisions about this trial"))


def configuration(view: SweepView, own: Scored, store: Store) -> Section:
    """Its configuration, to be pasted into a script."""
    return Section(markup.code(as_code(own.trial.config), "trial-code"))


def events(view: SweepView, own: Scored, store: Store) -> Section:
    """When it began, and how it ended."""
    where = (pc.field("sweep_id") == view.sweep_id) & (pc.field("trial_id") == own.trial.trial_id)
    columns = ["created_utc", "attempt", "event", "error_text"]
    rows = [row for batch in store.scan("trials", columns, where) for row in batch.to_pylist()]
    told = [
        (
            row["created_utc"].replace(tzinfo=UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
            row["event"],
            _error(row["error_text"]),
        )
        for row in rows
    ]
    return Section(markup.table(("when", "what", ""), told, "events in the life of this trial"))


def today(view: SweepView, own: Scored, store: Store) -> Section:
    """What the predictor says of it now, and the trials that are like it; `metahp why` in a browser."""
    with _ONE_AT_A_TIME, noise_to(Path(os.devnull), sys.stdout):  # TensorFlow's
        known = explain(store, own.trial.trial_id, view.sweep_id)
    figure = figures.outlook(view, own, known.forecasts) if known.forecasts else None
    said = blamed(known)
    blame = Markup("<p>{}.</p>").format(said[0].upper() + said[1:])
    alike = _alike("The most similar trials", known.relatives, f"best {view.history.sweep.metric}")
    past = _alike("The most similar trials of past sweeps", known.past_relatives, "best", name_sweep=True)
    return Section(Markup().join([_predicted(known), blame, alike, past]), figure, "what is predicted of this trial")


Build = Callable[[SweepView, Scored, Store], Section]
SECTIONS: Mapping[str, tuple[str, Build]] = {
    "curve": ("Learning curve", curve),
    "configuration": ("Configuration", configuration),
    "decisions": ("What was decided, and why", decisions),
    "today": ("As it is predicted today", today),
    "events": ("Its life", events),
}
"""By key, the title of a section and what builds it; in the order in which they are shown."""


def _decided(made: MadeDecision) -> tuple[Cell, ...]:
    own = made.decision
    spared = "" if own.carried_out else "; it ran on all the same, as a sample"
    forecast = (
        "–" if own.forecast is None else f"{own.forecast.mean:.4g} ± {own.forecast.std:.2g} at {own.forecast.step}"
    )
    chance = f"{own.probability:.1%}" if own.is_predicted else "–"
    below = f"{own.threshold:.1%}" if own.threshold == own.threshold else "–"
    when = str(made.step) if made.step else "before it began"
    kind = markup.badge(str(own.action))
    return when, kind, f"{own.reason}{spared}", chance, below, forecast, made.model_version or "–"


def _error(text: str | None) -> Markup:
    return Markup("<pre class='error'>{}</pre>").format(text) if text else Markup()


def _predicted(known: Explanation) -> Markup:
    """What is predicted, in words and numbers."""
    if not known.forecasts:
        return markup.note("Nothing is left to predict: it went as far as a full training.")
    by = f"the store's model {known.model_version}" if known.model_version else "what this sweep alone has shown"
    rows = [
        (str(each.step), *(f"{q:.4g}" for q in _quantiles(each)), markup.number(each.seen)) for each in known.forecasts
    ]
    head = ("epoch", "10 %", "25 %", "median", "75 %", "90 %", "it came to")
    table = markup.table(head, rows, "forecasts made today")
    return markup.note(f"From the last decision on, by {by}.{_chance(known)}") + table


def _quantiles(each: Outlook) -> tuple[float, ...]:
    return each.low, each.half_low, each.likely, each.half_high, each.high


def _chance(known: Explanation) -> str:
    best = known.incumbent
    if known.chance is None or best is None:
        return ""
    return f" Chance to beat the best of the other trials, {best.trial_id}: {known.chance:.0%}."


def _alike(title: str, relatives: Sequence[Relative], best: str, *, name_sweep: bool = False) -> Markup:
    if not relatives:
        return Markup()
    rows = [_relative(each, name_sweep=name_sweep) for each in relatives]
    where = ("sweep",) if name_sweep else ()
    head = ("trial", *where, "distance", "status", "epochs", best, "configuration")
    return Markup("<h3>{}</h3>{}").format(title, markup.table(head, rows, title))


def _relative(each: Relative, *, name_sweep: bool) -> tuple[Cell, ...]:
    sweep, trial = each.sweep, each.trial
    value = f"{sweep.metric} {markup.number(each.best)}" if name_sweep else markup.number(each.best)
    return (
        markup.link(trial_address(sweep.sweep_id, trial.trial_id), trial.trial_id),
        *([sweep.name or sweep.sweep_id] if name_sweep else []),
        f"{each.distance:.2f}",
        markup.badge(str(trial.status)),
        str(trial.curve.last_step),
        value,
        Markup("<code>{}</code>").format(config_text(searched_part(trial.config, sweep.space))),
    )
