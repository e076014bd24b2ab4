"""Pictures of a study, drawn from its outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cells import Outcome
from benchmarks.statistics import Study, band, critical_difference, mean_ranks
from metahp.types import FloatArray

GRID = 60
MOST_BANDS = 6  # more of them hide each other


def pyplot() -> Any:
    """Matplotlib, drawing into files; imported here because it takes a second."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def draw_anytime(study: Study, path: Path) -> None:
    """Mean regret over steps, simulated time, and real time; few methods get 95 % bands over tasks and seeds.

    Real time is simulated training plus the method's own seconds, during which all workers wait.
    """
    plt = pyplot()
    figure, (by_step, by_time, by_clock) = plt.subplots(1, 3, figsize=(12, 4), sharey=True)
    grid = np.geomspace(1.0 / study.max_step, study.trainings, GRID)
    times = np.geomspace(1.0 / study.max_step, 2.0 * study.trainings / study.workers, GRID)
    for number, label in enumerate(study.labels):
        colour = plt.get_cmap("tab20")(number % 20)
        regret = np.array([[[own.at(b) for b in grid] for own in study.outcomes[label][task]] for task in study.tasks])
        by_step.plot(grid, regret.mean(axis=(0, 1)), color=colour)
        if len(study.labels) <= MOST_BANDS:
            by_step.fill_between(grid, *band(regret), color=colour, alpha=0.12, linewidth=0)
        by_time.plot(times, _over_time(study.of(label), times, own_s=False), color=colour)
        by_clock.plot(times, _over_time(study.of(label), times, own_s=True), color=colour, label=label)
    by_step.set(xlabel="training steps, in full trainings", ylabel="normalised regret (mean over tasks)")
    by_time.set(xlabel="simulated time, in median full trainings")
    by_clock.set(xlabel="the same with the method's own seconds")
    for panel in (by_step, by_time, by_clock):
        panel.set(xscale="log", ylim=(0, None))
    by_clock.legend(fontsize="small", frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    save_figure(figure, path)


def _over_time(outcomes: list[Outcome], grid: FloatArray, *, own_s: bool) -> FloatArray:
    """Mean regret at times in full trainings; 1 before the first report."""
    mean: FloatArray = np.mean([own.over_time(grid, own_s=own_s) for own in outcomes], axis=0)
    return mean


def draw_ranks(study: Study, path: Path) -> None:
    """Critical-difference diagram (Demšar 2006): bars join methods whose mean ranks do not differ significantly."""
    plt = pyplot()
    ranks = sorted(mean_ranks(study, study.trainings).items(), key=lambda item: item[1])
    width = critical_difference(len(ranks), len(study.tasks)) if len(ranks) > 1 else 0.0
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.28 * len(ranks)))
    for line, (label, rank) in enumerate(ranks):
        axes.plot([rank, rank + width], [line, line], color="0.8", linewidth=6, solid_capstyle="butt")
        axes.plot(rank, line, "o", color="black")
        axes.annotate(label, (rank, line), xytext=(-8, 0), textcoords="offset points", ha="right", va="center")
    axes.set(
        xlabel=f"mean rank at {study.trainings:g} full trainings (grey: critical difference {width:.2f})", yticks=[]
    )
    axes.set_xticks(range(1, len(ranks) + 1))
    axes.set_xlim(1.0 - 0.35 * len(ranks), len(ranks) + 0.5)
    axes.invert_yaxis()
    save_figure(figure, path)


def save_figure(figure: Any, path: Path) -> None:
    """Writes a figure and lets go of it."""
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot().close(figure)
