"""The picture of ``metahp why --png``: what a trial was predicted to do, and what it did."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import Any

from metahp.errors import MetaHPError
from metahp.store.files import explained
from metahp.why import Explanation
from metahp_cluster.why_text import blamed

_MOST, _HALF, _MEDIAN = "#f8dcb4", "#efae58", "#b3701a"


def check_format(path: Path) -> None:
    """Refuse a picture that cannot be drawn, before anything is worked out for it.

    Raises:
        MetaHPError: matplotlib is not installed, or does not know the format.
    """
    known = sorted(_figure().canvas.get_supported_filetypes())
    if path.suffix.lower().lstrip(".") not in known:
        raise MetaHPError(f"{path} is no picture that matplotlib can write; end it with one of {', '.join(known)}")


def draw(found: Explanation, path: Path) -> None:
    """Write the learning curve with the bands of the forecast, the best of the other trials, and what is to blame.

    Args:
        found: the explanation.
        path: where to; matplotlib knows the format by its ending.

    Raises:
        MetaHPError: matplotlib is not installed.
        StoreError: the file cannot be written.
    """
    figure = _figure()
    axes, sweep, trial = figure.add_subplot(), found.history.sweep, found.trial
    _draw_forecast(axes, found)
    axes.plot(trial.curve.steps, trial.curve.values, "o-", color="C0", label="reported")
    best = found.incumbent
    if best is not None and (score := best.curve.best(sweep.mode)) is not None:
        axes.axhline(score, color="0.4", linewidth=1, label=f"best of the others, {best.trial_id}")
    if found.decisions:
        axes.axvline(found.decisions[-1].step, color="C3", linewidth=1, label=str(found.decisions[-1].decision.action))
    axes.set(xlabel="step", ylabel=sweep.metric, title=f"{trial.trial_id} of {sweep.name or sweep.sweep_id}")
    axes.legend(frameon=False, fontsize="small")
    figure.supxlabel("\n".join(wrap(blamed(found), 95)), fontsize="small", color="0.3")
    with explained("write the picture", path):
        figure.savefig(path, dpi=150)


def _figure() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MetaHPError("a picture needs matplotlib; pip install 'metahp[plot]'") from None
    return Figure(figsize=(6.4, 4.4), layout="constrained")


def _draw_forecast(axes: Any, found: Explanation) -> None:
    """The middle 80 % and 50 % of what is predicted, each in a colour of its own, and the median."""
    steps, forecasts = [each.step for each in found.forecasts], found.forecasts
    if not steps:
        return
    bands = (
        ("80 % of the forecast", _MOST, [each.low for each in forecasts], [each.high for each in forecasts]),
        ("50 % of the forecast", _HALF, [each.half_low for each in forecasts], [each.half_high for each in forecasts]),
    )
    for label, colour, low, high in bands:
        axes.fill_between(steps, low, high, color=colour, linewidth=0, label=label)
    axes.plot(steps, [each.likely for each in forecasts], "--", color=_MEDIAN, label="median")
