"""The pictures of a report, as Plotly figures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from metahp.domains import Categorical
from metahp.errors import SearchSpaceError
from metahp.importance import Importance
from metahp.space import Parameter
from metahp.types import FloatArray, SweepHistory, Trial, TrialStatus
from metahp_cluster.views import config_text

MOST_CURVES = 300
_COLOURS = {
    TrialStatus.COMPLETED: "#3b7dd8",
    TrialStatus.STOPPED: "#b9b9b9",
    TrialStatus.ERRORED: "#d2453b",
}
_OTHER = "#e0a526"
_BEST = "#1a9850"
_ABSENT = -0.1  # below the axis: the hyperparameter does not exist in that configuration


def best_first(history: SweepHistory) -> list[Trial]:
    """The trials in the order of their best values; those without one come last."""
    mode = history.sweep.mode
    return sorted(
        history.trials,
        key=lambda t: -mode.sign * value if (value := t.curve.best(mode)) is not None else float("inf"),
    )


def curves(history: SweepHistory) -> go.Figure:
    """The learning curves, of the best `MOST_CURVES` trials where there are more."""
    figure = go.Figure()
    best, named = history.incumbent(), set()
    for trial in best_first(history)[:MOST_CURVES]:
        label = "best" if trial is best else str(trial.status)
        figure.add_scatter(
            x=trial.curve.steps.tolist(),
            y=trial.curve.values.tolist(),
            mode="lines+markers" if len(trial.curve) < 2 else "lines",
            name=label,
            legendgroup=label,
            showlegend=label not in named,
            line={"color": _colour(trial, best), "width": 3 if trial is best else 1},
            hovertext=escape(config_text(trial.config)),
            zorder=1 if trial is best else 0,
        )
        named.add(label)
    return _laid_out(figure, "epoch", history.sweep.metric)


def progress(history: SweepHistory) -> go.Figure:
    """Each trial's best value in the order of their starts, and the best so far."""
    mode = history.sweep.mode
    values = np.array([np.nan if (best := t.curve.best(mode)) is None else best for t in history.trials])
    so_far = mode.sign * np.fmax.accumulate(mode.sign * values) if len(values) else values
    figure = go.Figure()
    numbers = list(range(1, len(values) + 1))
    figure.add_scatter(x=numbers, y=values.tolist(), mode="markers", name="trial", marker={"color": _OTHER, "size": 6})
    figure.add_scatter(
        x=numbers, y=so_far.tolist(), mode="lines", name="best so far", line={"color": _BEST, "width": 3}
    )
    return _laid_out(figure, "trial", history.sweep.metric)


def coordinates(history: SweepHistory) -> go.Figure | None:
    """A line through the hyperparameters of each trial that has a value; None where none has."""
    mode, space = history.sweep.mode, history.sweep.space
    shown = [t for t in best_first(history) if t.curve.best(mode) is not None and _is_legal(t, history)][:MOST_CURVES]
    if not shown:
        return None
    units, active = space.encode([trial.config for trial in shown])
    places = np.where(active, units, _ABSENT)
    values = [trial.curve.best(mode) for trial in shown]
    axes = [_axis(parameter, places[:, column]) for column, parameter in enumerate(space.parameters)]
    axes.append({"label": history.sweep.metric, "values": values})
    line = {"color": values, "colorscale": "Viridis", "reversescale": mode.sign < 0, "showscale": True}
    figure = go.Figure(go.Parcoords(dimensions=axes, line=line))
    return figure.update_layout(template="plotly_white", margin={"t": 60, "l": 80, "r": 60, "b": 30}, height=420)


def bars(shares: Sequence[Importance]) -> go.Figure:
    """What each hyperparameter explains alone."""
    shown = list(reversed(shares))
    figure = go.Figure(go.Bar(x=[each.share for each in shown], y=[each.name for each in shown], orientation="h"))
    figure = _laid_out(figure, "share of the variance of final scores", "")
    return figure.update_layout(height=120 + 28 * len(shown), xaxis_tickformat=".0%", yaxis_automargin=True)


def _is_legal(trial: Trial, history: SweepHistory) -> bool:
    """Whether the configuration lies in the space; imported ones need not."""
    try:
        history.sweep.space.encode([trial.config])
    except SearchSpaceError:
        return False
    return True


def _axis(parameter: Parameter, places: FloatArray) -> dict[str, object]:
    """An axis in the unit of the search, labelled with what the places mean."""
    domain = parameter.domain
    marks = np.linspace(0.0, 1.0, 5)
    if isinstance(domain, Categorical):
        count = len(domain.choices)
        marks = (np.arange(count) + 0.5) / count
    texts = [_text(domain.from_unit(float(mark))) for mark in marks]
    if (places == _ABSENT).any():
        marks, texts = np.append(marks, _ABSENT), [*texts, "–"]
    low = min(float(places.min()), 0.0)
    return {
        "label": parameter.key,
        "values": places.tolist(),
        "range": [low, 1.0],
        "tickvals": marks.tolist(),
        "ticktext": texts,
    }


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)[:20]


def _colour(trial: Trial, best: Trial | None) -> str:
    return _BEST if trial is best else _COLOURS.get(trial.status, _OTHER)


def _laid_out(figure: go.Figure, across: str, up: str) -> go.Figure:
    return figure.update_layout(
        template="plotly_white",
        xaxis_title=across,
        yaxis_title=escape(up),
        margin={"t": 20, "l": 60, "r": 20, "b": 50},
        height=420,
    )
