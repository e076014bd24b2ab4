"""Parallel coordinates: one line a trial, through all of its hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from metahp.domains import Categorical
from metahp.space import Parameter
from metahp.types import FloatArray, Sweep, TrialStatus
from metahp_cluster.figures import BEST, COLOURS, evenly, laid_out
from metahp_cluster.sweep_view import Scored, SweepView

MOST_LINES = 500
_CLASSES = (  # of trials by rank, as shares of all: the better, the more it is seen on white and on black
    ("best 5 %", 0.05, BEST, 2.2, 0.95),
    ("best 25 %", 0.25, "#2f97b8", 1.4, 0.7),
    ("better half", 0.5, "#6f8fc4", 1.0, 0.45),
    ("others", 1.0, "#98a2ad", 0.8, 0.3),
)
_ABSENT = -0.1  # below the axis: the hyperparameter does not exist in that configuration


def coordinates(view: SweepView) -> go.Figure | None:
    """A line through the hyperparameters of each trial that has a value; None where none has."""
    sweep = view.history.sweep
    ranked = [each for each in view.ranked if each.best is not None]
    chosen = [(n, each) for n, each in evenly([*enumerate(ranked, 1)], MOST_LINES) if _is_legal(each, sweep)]
    if not chosen or not sweep.space.dimension:
        return None
    ranks, shown = np.array([n for n, _ in chosen]), [each for _, each in chosen]
    units, active = sweep.space.encode([each.trial.config for each in shown])
    places = np.where(active, _apart(units, sweep.space.parameters), _ABSENT)
    share = ranks / len(ranked)
    figure = go.Figure()
    for name, most, colour, width, opacity in reversed(_CLASSES):
        least = max((limit for _, limit, *_ in _CLASSES if limit < most), default=0.0)
        rows = np.flatnonzero((share > least) & (share <= most))
        _add_lines(figure, places[rows], [shown[i] for i in rows], name, colour, width, opacity)
    return _with_axes(figure, sweep.space.parameters, has_absent=not active.all())


def _is_legal(each: Scored, sweep: Sweep) -> bool:
    """Whether the configuration lies in the space; imported ones need not."""
    return sweep.space.contains(each.trial.config)


def _apart(units: FloatArray, parameters: Sequence[Parameter]) -> FloatArray:
    """Equal choices spread over their part of the axis, so that their lines are seen."""
    spread = np.random.default_rng(0).uniform(-0.3, 0.3, units.shape)
    counts = [len(p.domain.choices) if isinstance(p.domain, Categorical) else np.inf for p in parameters]
    return np.asarray(units + spread / np.array(counts))


def _add_lines(
    figure: go.Figure,
    places: FloatArray,
    trials: Sequence[Scored],
    name: str,
    colour: str,
    width: float,
    opacity: float,
) -> None:
    """A line through the places of each trial, all as one trace with gaps."""
    count, axes = places.shape
    gaps = np.full((count, 1), np.nan)
    numbers = np.array([each.number for each in trials], np.float64).reshape(-1, 1)
    figure.add_scatter(
        x=np.hstack([np.tile(np.arange(axes, dtype=np.float64), (count, 1)), gaps]).ravel(),
        y=np.hstack([places, gaps]).ravel(),
        mode="lines",
        name=name,
        line={"color": colour, "width": width},
        opacity=opacity,
        customdata=np.tile(numbers, axes + 1).ravel(),
        text=np.repeat([f"{each.best:.5g}" for each in trials], axes + 1),
        hovertemplate="trial %{customdata}: %{text}",
        connectgaps=False,
    )


def _with_axes(figure: go.Figure, parameters: Sequence[Parameter], *, has_absent: bool) -> go.Figure:
    """A vertical axis for each hyperparameter, in the unit of the search, labelled with what the places mean."""
    for column, parameter in enumerate(parameters):
        figure.add_vline(column, line={"width": 1, "color": COLOURS[TrialStatus.STOPPED]}, layer="below")
        for mark, text in _marks(parameter, has_absent=has_absent and parameter.branch is not None):
            figure.add_annotation(
                x=column,
                y=mark,
                text=text,
                showarrow=False,
                xanchor="left",
                xshift=3,
                font={"size": 11},
                borderpad=0,
                opacity=0.85,
            )
    figure = laid_out(figure, "", "")
    names = [escape(parameter.key) for parameter in parameters]
    return figure.update_layout(
        xaxis={
            "tickvals": list(range(len(names))),
            "ticktext": names,
            "side": "bottom",
            "showgrid": False,
            "zeroline": False,
            "range": [-0.1, len(names) - 1 + 0.35],
        },
        yaxis={"visible": False, "range": [-0.16 if has_absent else -0.06, 1.06]},
        margin={"l": 24},
    )


def _marks(parameter: Parameter, *, has_absent: bool) -> list[tuple[float, str]]:
    domain = parameter.domain
    marks = np.linspace(0.0, 1.0, 5)
    if isinstance(domain, Categorical):
        marks = (np.arange(len(domain.choices)) + 0.5) / len(domain.choices)
    told = [(float(mark), escape(_text(parameter, float(mark))[:20])) for mark in marks]
    return [*told, (_ABSENT, "none")] if has_absent else told


def _text(parameter: Parameter, mark: float) -> str:
    value = parameter.domain.from_unit(mark)
    return f"{value:.3g}" if isinstance(value, float) else parameter.choice(mark).strip("'")
