"""What there is to say about a sweep, section by section; reports and live pages show the same ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import plotly.graph_objects as go
from markupsafe import Markup

from metahp.types import Config, TrialStatus
from metahp_cluster import coordinates as parallel
from metahp_cluster import figures, markup
from metahp_cluster.audit_text import forecasts_told, told
from metahp_cluster.summary import Cost, Summary
from metahp_cluster.sweep_view import SweepView

_NOTHING = Markup()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page.

    Attributes:
        text: what is said, as HTML; above the figure.
        figure: what is shown, or None.
        label: what the figure shows, for those who do not see it.
    """

    text: Markup = _NOTHING
    figure: go.Figure | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Links:
    """Where names lead to.

    Attributes:
        sweep: the page of a sweep by its id, or None where there is none.
        trial: the page of a trial of this sweep by its id, likewise.
    """

    sweep: Callable[[str], str | None] = lambda sweep_id: None
    trial: Callable[[str], str | None] = lambda trial_id: None


NOWHERE = Links()


def best(view: SweepView, links: Links = NOWHERE) -> Section:
    """The best configuration, to be pasted into a script."""
    found = view.best
    if found is None:
        return Section(markup.note("none yet: no trial has reported a finite value"))
    sweep, value = view.history.sweep, markup.number(found.best)
    told = f"# {sweep.metric} = {value} at best, within {found.trial.curve.last_step} epochs"
    whose = markup.link(links.trial(found.trial.trial_id), f"trial {found.number}, {found.trial.trial_id}")
    return Section(
        markup.code(f"{told}\n{as_code(found.trial.config)}", "best-code")
        + markup.note(Markup("From {}.").format(whose))
    )


def progress(view: SweepView, links: Links = NOWHERE) -> Section:
    """How the best value improved."""
    if not view.scored:
        return Section(markup.note("No trial has begun yet."))
    value = markup.number(view.summary.best)
    return Section(figure=figures.progress(view), label=f"{len(view.scored)} trials, the best comes to {value}")


def curves(view: SweepView, links: Links = NOWHERE) -> Section:
    """Learning curves and forecasts."""
    shown, told = len(figures.chosen_curves(view)), sum(len(each.trial.curve) > 0 for each in view.scored)
    if not told:
        return Section(markup.note("No trial has reported yet."))
    some = (
        f"{shown} of {told:,} curves: half of them the best, the others evenly from the rest. " if shown < told else ""
    )
    bars = "Bars span 80 % of what was forecast. " if view.forecasts else ""
    text = markup.note(some + bars) if some or bars else _NOTHING
    return Section(text, figures.curves(view), f"learning curves of {shown} trials")


def coordinates(view: SweepView, links: Links = NOWHERE) -> Section:
    """All hyperparameters of all trials."""
    figure = parallel.coordinates(view)
    if figure is None:
        return Section(markup.note("No trial in the search space has a value yet."))
    hint = "One line a trial. A click in the legend hides a class of trials, a double click shows it alone."
    return Section(markup.note(hint), figure, "hyperparameters of the trials, coloured by how good they are")


def importance(view: SweepView, links: Links = NOWHERE) -> Section:
    """Which hyperparameters mattered, alone and in pairs."""
    found = view.effects
    if not found.alone:
        return Section(markup.note("Too few trials have reported, or all of them end alike: nothing can be said yet."))
    rest = f"The other {found.unexplained:.0%} are three and more together, and curves that were cut too early."
    if len(found.together) > figures.MOST_PAIRS:
        rest += f" Of {len(found.together)} pairs the first {figures.MOST_PAIRS} are drawn."
    first = ", ".join(f"{each.name} {each.share:.0%}" for each in found.alone[:3])
    return Section(markup.note(rest), figures.bars(found), f"what mattered most: {first}")


def pruning(view: SweepView, links: Links = NOWHERE) -> Section:
    """Whether it was right to stop trials, whether forecasts came true, and what is promised."""
    promise = [] if view.promise is None else [str(view.promise)]
    return Section(markup.paragraphs([*told(view.audit), *forecasts_told(view.coverage), *promise]))


def cost(view: SweepView, links: Links = NOWHERE) -> Section:
    """What the sweep took, and what pruning saved."""
    return Section(cost_table(view.summary) + markup.paragraphs([saved(view.summary)]))


def comparison(view: SweepView, links: Links = NOWHERE) -> Section:
    """The sweep beside the others of its store with the same metric."""
    if not view.others:
        return Section(markup.note("The store holds no other sweep with this metric."))
    rows = [_compared(each, links) for each in (view.summary, *reversed(view.others))]
    head = ("sweep", "trials", "epochs", f"best {view.history.sweep.metric}", "training")
    text = markup.table(head, rows, "sweeps of this store with the same metric")
    return Section(text, figures.comparison(view.summary, view.others), "best value after so many epochs, by sweep")


Build = Callable[[SweepView, Links], Section]
SECTIONS: Mapping[str, tuple[str, Build]] = {
    "best": ("Best configuration", best),
    "progress": ("Best so far", progress),
    "curves": ("Learning curves", curves),
    "importance": ("What mattered", importance),
    "coordinates": ("Hyperparameters of all trials", coordinates),
    "pruning": ("Was stopping right?", pruning),
    "cost": ("Cost", cost),
    "comparison": ("Sweeps of this store", comparison),
}
"""By key, the title of a section and what builds it; in the order in which they are shown."""


def as_code(config: Config) -> str:
    """A configuration as Python."""
    return "\n".join(["config = {", *(f"    {key!r}: {value!r}," for key, value in config.items()), "}"])


def cost_table(summary: Summary) -> Markup:
    """What the trials took, by where they stand."""
    rows = [
        (markup.badge(str(status)), *_cost_cells(summary.costs[status]))
        for status in TrialStatus
        if status in summary.costs
    ]
    return markup.table(
        ("trials that are", "trials", "epochs", "training"), [*rows, ("all", *_cost_cells(summary.cost))], "cost"
    )


def saved(summary: Summary) -> str:
    """What pruning saved, in one sentence."""
    full = summary.cost.epochs + summary.epochs_saved
    if not summary.epochs_saved:
        return "Nothing was saved by pruning."
    time = f", about {markup.duration(summary.seconds_saved)} at each trial's own pace" if summary.seconds_saved else ""
    return f"Pruning saved {summary.epochs_saved:,} epochs, {summary.epochs_saved / full:.0%} of {full:,}{time}."


def _cost_cells(own: Cost) -> tuple[str, str, str]:
    return f"{own.trials:,}", f"{own.epochs:,}", markup.duration(own.seconds)


def _compared(summary: Summary, links: Links) -> tuple[str | Markup, ...]:
    own = summary.cost
    name = markup.link(links.sweep(summary.sweep.sweep_id), summary.title)
    return name, f"{own.trials:,}", f"{own.epochs:,}", markup.number(summary.best), markup.duration(own.seconds)
