"""The picture of ``metahp why --png``: what a trial was predicted to do, and what it did."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from metahp.errors import MetaHPError
from metahp.store.files import explained
from metahp.why import Explanation


def draw(found: Explanation, path: Path) -> None:
    """Write the learning curve with the 50 % and 80 % bands of the forecast, and the best of the other trials.

    Args:
        found: the explanation.
        path: where to; matplotlib knows the format by its ending.

    Raises:
        MetaHPError: matplotlib is not installed, or does not know the format.
        StoreError: the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MetaHPError("a picture needs matplotlib; pip install 'metahp[plot]'") from None
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes, sweep, trial = figure.add_subplot(), found.history.sweep, found.trial
    axes.plot(trial.curve.steps, trial.curve.values, "o-", color="C0", label="reported")
    steps = [each.step for each in found.forecasts]
    bands = {
        "80 % forecast": [(each.low, each.high) for each in found.forecasts],
        "50 % forecast": [(each.half_low, each.half_high) for each in found.forecasts],
    }
    for label, edges in bands.items():
        low, high = np.reshape(edges, (-1, 2)).T
        axes.fill_between(steps, low, high, color="C1", alpha=0.25, linewidth=0, label=label)
    axes.plot(steps, [each.likely for each in found.forecasts], "--", color="C1")
    best = found.history.incumbent()
    if best is not None and (score := best.curve.best(sweep.mode)) is not None:
        axes.axhline(score, color="0.4", linewidth=1, label=f"best of the sweep, {best.trial_id}")
    if found.decisions:
        axes.axvline(found.decisions[-1].step, color="C3", linewidth=1, label=str(found.decisions[-1].decision.action))
    axes.set(xlabel="step", ylabel=sweep.metric, title=f"{trial.trial_id} of {sweep.name or sweep.sweep_id}")
    axes.legend(frameon=False, fontsize="small")
    try:
        with explained("write the picture", path):
            figure.savefig(path, dpi=150)
    except ValueError as problem:
        raise MetaHPError(f"{path} is no picture that matplotlib can write: {problem}") from problem
