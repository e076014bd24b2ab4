"""The pictures of reports and pages, as Plotly figures.

They say nothing of fonts, grids and backgrounds: those are the page's, light or dark (``ui/static/charts.js``). Points
that stand for a trial carry its number as ``customdata``. All of it is drawn as SVG: what Plotly draws by WebGL
compiles code at run time, which the pages forbid; so there are never more than a few thousand points.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from statistics import NormalDist
from typing import TypeVar

import numpy as np
import plotly.graph_objects as go

from metahp.features import thin
from metahp.importance import Effects
from metahp.types import FloatArray, TrialStatus
from metahp.why import Outlook
from metahp_cluster.summary import Summary
from metahp_cluster.sweep_view import Scored, SweepView

T = TypeVar("T")

MOST_CURVES = 240
MOST_PAIRS = 6
MOST_POINTS = 2000
MOST_FORECASTS = 60
MOST_COMPARED = 8
POINTS_PER_CURVE = 60
HEIGHT = 380

BEST = "#1f9d61"
OTHER = "#d9922b"
COLOURS = {
    TrialStatus.COMPLETED: "#4f8fe0",
    TrialStatus.STOPPED: "#98a2ad",
    TrialStatus.ERRORED: "#dc5a4c",
}
_TOGETHER = "#9b7fd4"
_SERIES = ("#4f8fe0", "#d9922b", "#9b7fd4", "#2aa3a3", "#c9659a", "#8f9d3a", "#b0705a", "#7d8894")
_EARLY = 0.05  # of a sweep: how it began is not what sweeps are compared by
_BAND = NormalDist().inv_cdf(0.9)  # 80 % of a normal distribution lie between minus and plus so many deviations


def progress(view: SweepView) -> go.Figure:
    """Each trial's best value in the order of their starts, `MOST_POINTS` at most, and the best so far."""
    sign = view.history.sweep.mode.sign
    values = np.array([np.nan if each.best is None else each.best for each in view.scored])
    numbers = np.arange(1, len(values) + 1)
    so_far = sign * np.fmax.accumulate(sign * values) if len(values) else values
    figure = go.Figure()
    for status, chosen in _by_status(evenly(view.scored, MOST_POINTS)):
        figure.add_scatter(
            x=[each.number for each in chosen],
            y=[each.best for each in chosen],
            mode="markers",
            name=str(status),
            marker={"color": COLOURS.get(status, OTHER), "size": 6, "opacity": 0.75},
            customdata=[each.number for each in chosen],
            hovertemplate="trial %{x}: %{y:.5g}",
        )
    steps = np.flatnonzero(np.diff(so_far, prepend=np.nan) != 0)  # where it changes, and the end
    steps = np.unique([*steps, len(values) - 1]) if len(values) else steps
    figure.add_scatter(
        x=numbers[steps],
        y=so_far[steps],
        mode="lines",
        name="best so far",
        line={"color": BEST, "width": 3, "shape": "hv"},
        hovertemplate="best after %{x} trials: %{y:.5g}",
    )
    return laid_out(figure, "trial", view.history.sweep.metric).update_yaxes(range=focus(values, sign))


def curves(view: SweepView) -> go.Figure:
    """Learning curves, `MOST_CURVES` at most, and what the trials were last forecast to come to."""
    shown = chosen_curves(view)
    figure = go.Figure()
    best = view.best
    for status, chosen in _by_status([each for each in shown if each is not best]):
        _add_curves(figure, chosen, str(status), COLOURS.get(status, OTHER), width=1.2, opacity=0.6)
    if best is not None:
        _add_curves(figure, [best], "best", BEST, width=3, opacity=1.0)
    forecast = [each for each in reversed(view.scored) if each.trial.trial_id in view.forecasts]
    running = [each for each in forecast if not each.trial.status.is_over]
    stopped = [each for each in forecast if each.trial.status is TrialStatus.STOPPED]
    _add_forecasts(figure, view, running, "forecast, running", OTHER)
    _add_forecasts(figure, view, stopped, "forecast, stopped", COLOURS[TrialStatus.STOPPED])
    sign = view.history.sweep.mode.sign
    values = np.concatenate([each.trial.curve.values for each in shown]) if shown else np.zeros(0)
    return laid_out(figure, "epoch", view.history.sweep.metric).update_yaxes(range=focus(values, sign))


def chosen_curves(view: SweepView) -> list[Scored]:
    """The trials whose curves are drawn: half of them the best, the others evenly from the rest, by rank."""
    told = [each for each in view.ranked if len(each.trial.curve)]
    if len(told) <= MOST_CURVES:
        return told
    half = MOST_CURVES // 2
    return [*told[:half], *evenly(told[half:], MOST_CURVES - half)]


def bars(found: Effects) -> go.Figure:
    """What each hyperparameter explains alone, and what pairs explain beyond that, of these the most important."""
    names = [escape(each.name) for each in found.alone]
    together = found.together[:MOST_PAIRS]
    pairs = [" × ".join(map(escape, each.names)) for each in together]
    figure = go.Figure()
    figure.add_bar(
        x=[each.share for each in found.alone], y=names, orientation="h", name="alone", marker_color=_SERIES[0]
    )
    if pairs:
        shares = [each.share for each in together]
        figure.add_bar(x=shares, y=pairs, orientation="h", name="together", marker_color=_TOGETHER)
    figure.update_traces(hovertemplate="%{y}: %{x:.1%}<extra></extra>")
    figure = laid_out(figure, "share of the variance", "")
    return figure.update_layout(
        height=120 + 30 * (len(names) + len(pairs)),
        xaxis={"tickformat": ".0%", "rangemode": "tozero"},
        yaxis={"automargin": True, "autorange": "reversed"},
        bargap=0.35,
        barmode="overlay",
    )


def comparison(own: Summary, others: Sequence[Summary]) -> go.Figure:
    """The best value after so many epochs, of this sweep and of the newest others."""
    figure = go.Figure()
    for place, other in enumerate(others[-MOST_COMPARED:]):
        _add_line(figure, other, _SERIES[place % len(_SERIES)], width=1.8)
    _add_line(figure, own, BEST, width=3.5)
    drawn = [*others[-MOST_COMPARED:], own]
    values = [value for each in drawn for epochs, value in each.line if epochs >= _EARLY * each.cost.epochs]
    figure = laid_out(figure, "epochs trained by the whole sweep", own.sweep.metric)
    return figure.update_yaxes(range=_padded(min(values), max(values)) if values else None)


def trial_curve(view: SweepView, own: Scored) -> go.Figure:
    """One trial beside the best one, with all that it was forecast to come to when something was decided about it."""
    figure = go.Figure()
    if view.best is not None and view.best is not own:
        _add_curves(figure, [view.best], f"best (trial {view.best.number})", BEST, width=2, opacity=0.8)
    colour = COLOURS.get(own.trial.status, OTHER)
    _add_curves(figure, [own], f"trial {own.number}", colour, width=3, opacity=1.0, marks=True)
    made = [d for d in view.decisions if d.trial_id == own.trial.trial_id and d.decision.forecast is not None]
    forecasts = [d.decision.forecast for d in made if d.decision.forecast is not None]
    figure.add_scatter(
        x=[each.step for each in forecasts],
        y=[each.mean for each in forecasts],
        error_y={"array": [_BAND * each.std for each in forecasts], "thickness": 1.5, "width": 4},
        mode="markers",
        name="forecasts, when decided",
        marker={"color": OTHER, "size": 9, "symbol": "diamond"},
        text=[f"after epoch {each.step}" for each in made],
        hovertemplate="%{text}: %{y:.5g}<extra>forecast</extra>",
    )
    return laid_out(figure, "epoch", view.history.sweep.metric)


def outlook(view: SweepView, own: Scored, forecasts: Sequence[Outlook]) -> go.Figure:
    """One trial with what is predicted of it: the median, the middle half, and the middle 80 %."""
    figure = go.Figure()
    steps = [each.step for each in forecasts]
    _add_band(figure, steps, [(each.low, each.high) for each in forecasts], "80 %", "rgba(217,146,43,.18)")
    _add_band(figure, steps, [(each.half_low, each.half_high) for each in forecasts], "50 %", "rgba(217,146,43,.38)")
    figure.add_scatter(
        x=steps,
        y=[each.likely for each in forecasts],
        mode="lines",
        name="median forecast",
        line={"color": OTHER, "width": 2, "dash": "dot"},
        hovertemplate="forecast of epoch %{x}: %{y:.5g}",
    )
    colour = COLOURS.get(own.trial.status, OTHER)
    _add_curves(figure, [own], f"trial {own.number}", colour, width=3, opacity=1.0, marks=True)
    return laid_out(figure, "epoch", view.history.sweep.metric)


def _add_band(
    figure: go.Figure, steps: Sequence[int], edges: Sequence[tuple[float, float]], share: str, colour: str
) -> None:
    quiet = {"color": OTHER, "width": 0}
    edge = {"x": steps, "mode": "lines", "line": quiet, "hoverinfo": "skip", "legendgroup": share}
    figure.add_scatter(y=[low for low, _ in edges], showlegend=False, **edge)
    figure.add_scatter(y=[high for _, high in edges], fill="tonexty", fillcolor=colour, name=f"middle {share}", **edge)


def spark(points: Sequence[tuple[int, float]], width: int = 96, height: int = 24) -> str:
    """The path of a small line, as the ``points`` of an SVG polyline; empty where there is no line."""
    if len(points) < 2:
        return ""
    x, y = (np.array(each, np.float64) for each in zip(*points, strict=True))
    across = (x - x[0]) / max(x[-1] - x[0], 1.0) * (width - 4) + 2
    up = height - 2 - (y - y.min()) / (float(np.ptp(y)) or 1.0) * (height - 4)
    stairs = [f"{across[0]:.1f},{up[0]:.1f}"]
    for i in range(1, len(across)):
        stairs += [f"{across[i]:.1f},{up[i - 1]:.1f}", f"{across[i]:.1f},{up[i]:.1f}"]
    return " ".join(stairs)


def _by_status(trials: Sequence[Scored]) -> Iterator[tuple[TrialStatus, list[Scored]]]:
    for status in (TrialStatus.STOPPED, *(s for s in TrialStatus if s is not TrialStatus.STOPPED)):  # stopped below
        chosen = [each for each in trials if each.trial.status is status]
        if chosen:
            yield status, chosen


def focus(values: FloatArray, sign: float) -> list[float] | None:
    """The part of an axis that matters, where a few poor values would take most of it; None for all of it."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    poor, good = np.quantile(finite, 0.1 if sign > 0 else 0.9), (finite.max() if sign > 0 else finite.min())
    if np.ptp(finite) <= 3 * abs(good - poor) or good == poor:
        return None
    return _padded(min(poor, good), max(poor, good))


def _padded(low: float, high: float) -> list[float]:
    room = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
    return [float(low - room), float(high + room)]


def evenly(things: Sequence[T], most: int) -> list[T]:
    """Some of the things, from the first to the last."""
    if len(things) <= most:
        return list(things)
    return [things[i] for i in np.linspace(0, len(things) - 1, most).astype(int)]


def _add_curves(
    figure: go.Figure,
    trials: Sequence[Scored],
    name: str,
    colour: str,
    *,
    width: float,
    opacity: float,
    marks: bool = False,
) -> None:
    """The curves of some trials as one trace, with gaps between them: hundreds of traces would be slow."""
    parts = [_points_of(each) for each in trials]
    steps, values, numbers = (np.concatenate(own) for own in zip(*parts, strict=True))
    single = any(len(each.trial.curve) == 1 for each in trials)
    figure.add_scatter(
        x=steps,
        y=values,
        mode="lines+markers" if marks or single else "lines",
        name=name,
        line={"color": colour, "width": width},
        marker={"size": 5},
        opacity=opacity,
        customdata=numbers,
        connectgaps=False,
        hovertemplate="trial %{customdata}, epoch %{x}: %{y:.5g}",
    )


def _points_of(each: Scored) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Steps, values and trial number of a thinned curve, and a gap behind it."""
    curve = each.trial.curve
    kept = thin(curve.steps, POINTS_PER_CURVE)
    values = np.where(np.isfinite(curve.values[kept]), curve.values[kept], np.nan)
    steps = curve.steps[kept].astype(np.float64)
    return np.append(steps, np.nan), np.append(values, np.nan), np.full(len(kept) + 1, float(each.number))


def _add_forecasts(figure: go.Figure, view: SweepView, trials: Sequence[Scored], name: str, colour: str) -> None:
    """The newest forecasts, each with the middle 80 %; those of trials that are over are shown when asked for."""
    chosen = trials[:MOST_FORECASTS]
    if not chosen:
        return
    forecasts = [f for each in chosen if (f := view.forecasts[each.trial.trial_id].decision.forecast) is not None]
    figure.add_scatter(
        x=[each.step for each in forecasts],
        y=[each.mean for each in forecasts],
        error_y={"array": [_BAND * each.std for each in forecasts], "thickness": 1, "width": 3},
        mode="markers",
        name=name,
        marker={"color": colour, "size": 7, "symbol": "diamond-open"},
        customdata=[each.number for each in chosen],
        hovertemplate="trial %{customdata}, forecast of epoch %{x}: %{y:.5g}<extra></extra>",
        visible="legendonly" if chosen[0].trial.status.is_over else True,
    )


def _add_line(figure: go.Figure, summary: Summary, colour: str, *, width: float) -> None:
    x, y = zip(*summary.line, strict=True) if summary.line else ((), ())
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        name=escape(summary.title),
        line={"color": colour, "width": width, "shape": "hv"},
        hovertemplate="%{y:.5g} after %{x} epochs",
    )


def laid_out(figure: go.Figure, across: str, up: str) -> go.Figure:
    """The figure with what all of them have in common."""
    return figure.update_layout(
        template=None,
        xaxis_title={"text": across},
        yaxis_title={"text": escape(up)},
        margin={"t": 10, "l": 64, "r": 16, "b": 48},
        height=HEIGHT,
        hovermode="closest",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
