"""Tables of sweeps and of trials: searched, sorted, page by page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from markupsafe import Markup

from metahp_cluster import figures, markup
from metahp_cluster.sweep_view import Scored, SweepView
from metahp_cluster.ui.watch import Entry
from metahp_cluster.views import config_text, searched_part

PAGE = 50
_SPARK = Markup("<svg class='spark' width='96' height='24' aria-hidden='true'><polyline points='{}'/></svg>")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of a table.

    Attributes:
        text: words that must occur, in any case.
        status: how the thing must stand; empty for any.
        sort: the column's key, with a minus in front for the largest first; empty for the usual order.
        page: counted from 1.
    """

    text: str = ""
    status: str = ""
    sort: str = ""
    page: int = 1

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> Query:
        """From the query of an address; what makes no sense counts as not asked."""
        page = asked.get("page", "1")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1
        return cls(asked.get("q", ""), asked.get("status", ""), asked.get("sort", ""), max(number, 1))


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """A column of a table.

    Attributes:
        title: its title.
        cell: what it shows of a row.
        key: what ``Query.sort`` calls it, empty where it cannot be sorted by.
        value: what it is sorted by; None is always last.
    """

    title: str
    cell: Callable[[T], str | Markup]
    key: str = ""
    value: Callable[[T], Any] | None = None


def sweep_address(sweep_id: str) -> str:
    """The page of a sweep."""
    return f"/sweep?{urlencode({'id': sweep_id})}"


def trial_address(sweep_id: str, trial_id: str) -> str:
    """The page of a trial."""
    return f"/trial?{urlencode({'sweep': sweep_id, 'id': trial_id})}"


def sweeps_table(entries: Sequence[Entry], query: Query, now: datetime) -> Markup:
    """The sweeps of a store."""
    words = query.text.lower().split()
    found = [
        entry
        for entry in entries
        if query.status in ("", entry.state(now)) and all(word in _sweep_text(entry) for word in words)
    ]
    return _table(found, _sweep_columns(now), query, "sweep")


def trials_table(view: SweepView, query: Query) -> Markup:
    """The trials of a sweep, the best first unless it is asked otherwise."""
    words = query.text.lower().split()
    found = [
        each
        for each in view.ranked
        if query.status in ("", str(each.trial.status)) and (not words or _has_words(each, words))
    ]
    return _table(found, _trial_columns(view), query, "trial")


def _sweep_columns(now: datetime) -> list[Column[Entry]]:
    return [
        Column("sweep", _sweep_name, "name", lambda entry: entry.summary.title.lower()),
        Column("status", lambda entry: markup.badge(entry.state(now)), "status", lambda entry: entry.state(now)),
        Column("best", _best_of_sweep),
        Column("trials", lambda e: f"{e.summary.cost.trials:,}", "trials", lambda e: e.summary.cost.trials),
        Column("epochs", lambda e: f"{e.summary.cost.epochs:,}", "epochs", lambda e: e.summary.cost.epochs),
        Column("saved", _saved, "saved", lambda e: e.summary.epochs_saved),
        Column("latest", lambda e: markup.ago(e.log.latest, now), "latest", lambda e: e.log.latest),
    ]


def _sweep_name(entry: Entry) -> Markup:
    sweep = entry.summary.sweep
    told = markup.link(sweep_address(sweep.sweep_id), entry.summary.title)
    return Markup("{}<span class='id'>{}</span>").format(told, sweep.sweep_id)


def _best_of_sweep(entry: Entry) -> Markup:
    own, line = entry.summary, figures.spark(entry.summary.line)
    text = Markup("<strong>{}</strong> <span class='soft'>{} {}</span>").format(
        markup.number(own.best), own.sweep.metric, own.sweep.mode
    )
    return _SPARK.format(line) + text if line else text


def _saved(entry: Entry) -> str:
    saved = entry.summary.epochs_saved
    return f"{saved / (saved + entry.summary.cost.epochs):.0%}" if saved else "–"


def _sweep_text(entry: Entry) -> str:
    own = entry.summary.sweep
    return f"{own.name} {own.sweep_id} {own.metric} {dict(own.task)} {entry.log.searcher}".lower()


def _trial_columns(view: SweepView) -> list[Column[Scored]]:
    sweep = view.history.sweep

    def name(each: Scored) -> Markup:
        return markup.link(trial_address(sweep.sweep_id, each.trial.trial_id), each.trial.trial_id)

    def config(each: Scored) -> Markup:
        return Markup("<code>{}</code>").format(config_text(searched_part(each.trial.config, sweep.space)))

    return [
        Column("#", lambda each: str(each.number), "number", lambda each: each.number),
        Column("trial", name),
        Column("status", lambda e: markup.badge(str(e.trial.status)), "status", lambda e: str(e.trial.status)),
        Column("epochs", lambda e: str(e.trial.curve.last_step), "epochs", lambda e: e.trial.curve.last_step),
        Column(f"best {sweep.metric}", lambda e: markup.number(e.best), "best", lambda e: e.best),
        Column("configuration", config),
    ]


def _has_words(each: Scored, words: Sequence[str]) -> bool:
    text = f"{each.number} {each.trial.trial_id} {config_text(each.trial.config)}".lower()
    return all(word in text for word in words)


def _table(found: Sequence[T], columns: Sequence[Column[T]], query: Query, what: str) -> Markup:
    if not found:
        return markup.note(f"No {what} like that." if query.text or query.status else f"No {what} yet.")
    ordered = _sorted(found, columns, query.sort)
    pages = math.ceil(len(ordered) / PAGE)
    page = min(query.page, pages)
    rows = [[column.cell(row) for column in columns] for row in ordered[(page - 1) * PAGE : page * PAGE]]
    heads = [_head(column.title, column.key, query.sort) for column in columns]
    return markup.table(heads, rows, f"{what}s") + _pager(page, pages, len(ordered), what)


def _sorted(found: Sequence[T], columns: Sequence[Column[T]], sort: str) -> Sequence[T]:
    wanted = next((c for c in columns if c.key and c.key == sort.removeprefix("-")), None)
    if wanted is None or wanted.value is None:
        return found
    value = wanted.value
    known = [row for row in found if value(row) is not None]
    return [*sorted(known, key=value, reverse=sort.startswith("-")), *(row for row in found if value(row) is None)]


def _head(title: str, key: str, sort: str) -> Markup:
    if not key:
        return Markup("{}").format(title)
    chosen = sort.removeprefix("-") == key
    following = f"-{key}" if sort == key else key
    order = ("descending" if sort.startswith("-") else "ascending") if chosen else "none"
    told = f", {order}" if chosen else ""
    shown = Markup("{}<span class='unseen'>{}</span>").format(title, told)
    return Markup("<button type='button' class='sort {}' id='sort-{}' data-set='sort={}'>{}</button>").format(
        order, key, following, shown
    )


def _pager(page: int, pages: int, count: int, what: str) -> Markup:
    told = f"{count:,} {what}{'s' if count > 1 else ''}"
    if pages == 1:
        return Markup("<p class='pager'><span>{}</span></p>").format(told)
    button = Markup("<button type='button' id='{}' data-set='page={}' {}>{}</button>")
    back = button.format("page-back", page - 1, Markup("disabled") if page == 1 else "", "Previous")
    on = button.format("page-on", page + 1, Markup("disabled") if page == pages else "", "Next")
    return Markup("<p class='pager'>{}<span>page {} of {:,}, {}</span>{}</p>").format(back, page, pages, told, on)
