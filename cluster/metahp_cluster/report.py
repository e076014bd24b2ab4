"""One HTML file about a sweep, or about a store, that needs nothing else, not even a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from metahp.store import Store
from metahp.store.files import explained
from metahp.types import SweepHistory
from metahp_cluster import figures, markup
from metahp_cluster.audit_cli import audit_of_all, promise_of
from metahp_cluster.audit_text import forecasts_told, told
from metahp_cluster.results import SweepResult, facts
from metahp_cluster.sections import NOWHERE, SECTIONS, Section
from metahp_cluster.summary import Cost, Summary, summarise
from metahp_cluster.sweep_view import Scored, SweepView
from metahp_cluster.ui import rendering

MOST_ROWS = 1000

Told = tuple[str, str, Section]


def context(store: Store, history: SweepHistory) -> SweepView:
    """A sweep with what its store knows beside it."""
    own = history.sweep
    found = [sweep for sweep in store.sweeps() if sweep.sweep_id != own.sweep_id]
    others = [store.history(s.sweep_id) for s in found if (s.metric, s.mode) == (own.metric, own.mode)]
    summaries = [summarise(other) for other in others]
    return SweepView(history, store.decisions(own.sweep_id), summaries, promise_of(store))


def write_report(path: Path, result: SweepResult, view: SweepView) -> None:
    """Write the page of a sweep, in place of an older one.

    Args:
        path: where to.
        result: the sweep.
        view: the same, with what its store knows beside it.

    Raises:
        StoreError: it cannot be written there.
    """
    _write(path, render(result, view))


def write_store_report(path: Path, store: Store) -> None:
    """Write the page of a store, in place of an older one.

    Args:
        path: where to.
        store: the store.

    Raises:
        StoreError: it cannot be written there, or the store cannot be read.
    """
    _write(path, render_store(store))


def render(result: SweepResult, view: SweepView | None = None) -> str:
    """The page of a sweep."""
    view = view or SweepView(result.history)
    sweep = result.history.sweep
    built = [(key, title, build(view, NOWHERE)) for key, (title, build) in SECTIONS.items()]
    return _page(
        sweep.name or "sweep", sweep.sweep_id, facts(result), [*built, ("trials full", "Trials", _trials(view))]
    )


def render_store(store: Store) -> str:
    """The page of a store: its sweeps, newest first, those of one metric beside each other, and what they cost."""
    summaries = [summarise(history) for history in store.curves()]
    total = sum((each.cost for each in summaries), Cost())
    spared = sum(each.epochs_saved for each in summaries)
    known = [
        ("sweeps", f"{len(summaries):,}"),
        ("trials", f"{total.trials:,}"),
        ("epochs trained", f"{total.epochs:,}"),
        ("epochs saved by pruning", f"{spared:,}"),
        ("training", markup.duration(total.seconds)),
    ]
    found, seen = audit_of_all(store)
    stopping = Section(markup.paragraphs([*told(found), *forecasts_told(seen), str(promise_of(store))]))
    told_sections = [
        ("sweeps full", "Sweeps", _sweeps(summaries)),
        *_by_metric(summaries),
        ("pruning full", "Was stopping right?", stopping),
    ]
    return _page("Store", f"{store.location}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC", known, told_sections)


def _page(title: str, subtitle: str, known: Sequence[tuple[str, str]], sections: Sequence[Told]) -> str:
    content = {
        "title": title,
        "subtitle": subtitle,
        "facts": markup.tiles(known),
        "sections": sections,
        "plotly": Markup(get_plotlyjs()),
        "inline": rendering.inline,
        "figure_json": rendering.figure_json,
    }
    return rendering.page("report.html", content)


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    with explained("write the report", path):
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)


def _trials(view: SweepView) -> Section:
    head = ("#", "trial", "status", "epochs", f"best {view.history.sweep.metric}", "configuration")
    table = markup.table(head, map(_row, view.ranked[:MOST_ROWS]), "trials, the best first")
    left_out = len(view.ranked) - MOST_ROWS
    return Section(table + markup.note(f"and {left_out:,} more, not as good") if left_out > 0 else table)


def _row(each: Scored) -> tuple[str | Markup, ...]:
    trial = each.trial
    config = Markup("<code>{}</code>").format(json.dumps(trial.config, default=str))
    status = markup.badge(str(trial.status))
    return str(each.number), trial.trial_id, status, str(trial.curve.last_step), markup.number(each.best), config


def _sweeps(summaries: Sequence[Summary]) -> Section:
    if not summaries:
        return Section(markup.note("This store holds no sweeps yet; metahp run and metahp import fill it."))
    head = ("sweep", "trials", "epochs", "training", "best", "metric", "saved by pruning")
    return Section(markup.table(head, map(_sweep_row, reversed(summaries)), "sweeps, the newest first"))


def _sweep_row(each: Summary) -> tuple[str | Markup, ...]:
    own, sweep = each.cost, each.sweep
    name = Markup("{}<span class='id'>{}</span>").format(each.title, sweep.sweep_id)
    took = (f"{own.trials:,}", f"{own.epochs:,}", markup.duration(own.seconds))
    return name, *took, markup.number(each.best), f"{sweep.metric} ({sweep.mode})", f"{each.epochs_saved:,} epochs"


def _by_metric(summaries: Sequence[Summary]) -> list[Told]:
    """The sweeps of each metric in one figure; a metric of one sweep has nothing to be compared with."""
    kinds = dict.fromkeys((each.sweep.metric, each.sweep.mode) for each in summaries if each.line)
    found = []
    for number, (metric, mode) in enumerate(kinds):
        *others, newest = [s for s in summaries if (s.sweep.metric, s.sweep.mode) == (metric, mode) and s.line]
        label = f"best {metric} after so many epochs, by sweep; {newest.title} is the newest"
        section = Section(figure=figures.comparison(newest, others), label=label)
        found.append((f"comparison full metric-{number}", f"{metric} ({mode})", section))
    return found
