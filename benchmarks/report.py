"""Tables and pictures, made from the files that `benchmarks.replay` wrote and from nothing else.

For every family of tasks: ``<family>.md`` (all tables), ``<family>.csv`` (the main one), ``<family>.png`` (regret over
epochs and over time), ``<family>-ranks.png`` (critical-difference diagram); and ``cells.csv``, one row per cell.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cells import Outcome, read_outcomes
from benchmarks.statistics import (
    BUDGETS,
    Study,
    area,
    critical_difference,
    label_of,
    mean_ranks,
    paired_interval,
    speed_up,
    standard_error,
    studies,
)
from metahp.types import FloatArray

BASELINES = ("asha", "asha3", "portfolio (other-tasks)")
"""What every method is compared with, as far as it was run; the first one is there in every claim."""

Rows = list[list[str]]


def write_report(directory: Path) -> list[str]:
    """Writes every table and picture beside the cells; returns the tables as Markdown.

    Raises:
        FileNotFoundError: no cell was run in this directory.
    """
    outcomes = list(read_outcomes(directory))
    if not outcomes:
        raise FileNotFoundError(
            f"{directory} holds no results; run python -m benchmarks replay --out {directory} first"
        )
    write_csv(directory / "cells.csv", _cell_rows(outcomes))
    return [_write_study(directory, study) for study in studies(outcomes) if study.tasks]


def _write_study(directory: Path, study: Study) -> str:
    name = _file_name(study)
    main = main_table(study)
    text = "\n\n".join(
        [
            f"## {name}",
            _circumstances(study),
            markdown(main),
            *(_against(study, baseline) for baseline in BASELINES if baseline in study.labels),
        ]
    )
    (directory / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    write_csv(directory / f"{name}.csv", main)
    draw_anytime(study, directory / f"{name}.png")
    draw_ranks(study, directory / f"{name}-ranks.png")
    return text


def _file_name(study: Study) -> str:
    cell = study.of(study.labels[0])[0].cell
    return f"{cell.task.partition('/')[0]}-{cell.workers}x{cell.trainings:g}"


def main_table(study: Study) -> Rows:
    """One row per method, the best last regret first; the first row names the columns."""
    budgets = [b for b in BUDGETS if b <= study.trainings]
    head = ["method", *(f"regret @{b:g}" for b in budgets), "median", "rank", "AUC", "speed-up over asha"]
    head += ["false stops", "trials", "own s", "before s"]
    ranks = mean_ranks(study, study.trainings)
    ordered = sorted(study.labels, key=lambda label: float(study.regrets(label, study.trainings).mean()))
    return [head, *([label, *_numbers(study, label, budgets, ranks[label])] for label in ordered)]


def _numbers(study: Study, label: str, budgets: Sequence[float], rank: float) -> list[str]:
    by_task = {b: study.regrets(label, b).mean(axis=1) for b in budgets}
    outcomes = study.of(label)
    stopped, false = sum(own.stopped for own in outcomes), sum(own.false_stops for own in outcomes)
    ratio = speed_up(study, label, "asha") if "asha" in study.labels else float("nan")
    return [
        *(f"{by_task[b].mean():.3f} ± {standard_error(by_task[b]):.3f}" for b in budgets),
        f"{np.median(by_task[budgets[-1]]):.3f}",
        f"{rank:.1f}",
        f"{area(study, label):.3f}",
        f"{ratio:.1f}×" if np.isfinite(ratio) else "never",
        f"{false}/{stopped}",
        f"{np.mean([own.trials for own in outcomes]):.0f}",
        f"{np.mean([own.overhead_s[-1] for own in outcomes]):.2f}",
        f"{np.mean([own.before_s for own in outcomes]):.1f}",
    ]


def _circumstances(study: Study) -> str:
    first = study.of(study.labels[0])[0]
    seeds = len(study.outcomes[study.labels[0]][study.tasks[0]])
    commits = sorted({own.facts["commit"][:10] + "+" * own.facts["changed"] for own in _all(study)})
    versions = ", ".join(f"{name} {number}" for name, number in first.facts["versions"].items())
    lines = [
        f"{len(study.tasks)} tasks × {seeds} seeds, {first.cell.workers} workers, {study.trainings:g} full trainings "
        f"of {first.max_step} steps; ± is the standard error over tasks. Regret 0 is the best of 1,000 random "
        "configurations at any step, 1 the median first score. *Speed-up*: how many times fewer steps until the final "
        "mean regret of Ray's default ASHA. *False stops*: stopped trials that would have beaten the sweep's best. "
        "*own s*: real seconds of the method per sweep; *before s*: of preparing it, once for a task and its seeds.",
        f"Commit {', '.join(commits)} (+: with changes); {versions}; {first.facts['machine']}.",
    ]
    if study.left_out:
        lines.append(f"{study.left_out} cells are left out, since not every method has them.")
    return "\n\n".join(lines)


def _against(study: Study, baseline: str) -> str:
    """Paired differences to a baseline with 95 % bootstrap intervals over tasks and seeds."""
    budgets = [b for b in BUDGETS if b <= study.trainings]
    rows = [[f"regret minus that of {baseline}", *(f"@{b:g}" for b in budgets)]]
    for label in study.labels:
        if label != baseline:
            rows.append([label, *(_difference(study, label, baseline, b) for b in budgets)])
    return markdown(rows)


def _difference(study: Study, label: str, baseline: str, trainings: float) -> str:
    differences = study.regrets(label, trainings) - study.regrets(baseline, trainings)
    low, high = paired_interval(differences)
    return f"{differences.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def draw_anytime(study: Study, path: Path) -> None:
    """Mean regret over the budget in steps, and over real time: simulated training plus the method's own seconds."""
    plt = pyplot()
    figure, (by_step, by_time) = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True)
    grid = np.geomspace(1.0 / study.of(study.labels[0])[0].max_step, study.trainings, 60)
    for label in study.labels:
        by_step.plot(grid, study.anytime(label, grid).mean(axis=0), label=label)
        by_time.plot(grid, _over_time(study, label, grid), label=label)
    by_step.set(xscale="log", xlabel="training steps, in full trainings", ylabel="normalised regret (mean over tasks)")
    by_time.set(xscale="log", xlabel="real time, in median full trainings")
    by_time.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _over_time(study: Study, label: str, grid: FloatArray) -> FloatArray:
    """Mean regret at real times; the method's own seconds stop the clock for all workers."""
    curves = []
    for own in study.of(label):
        times = own.trainings_s + own.overhead_s / own.training_unit_s
        reached = np.searchsorted(times, grid, side="right")
        curves.append(np.concatenate([[1.0], own.regret])[reached])
    mean: FloatArray = np.mean(curves, axis=0)
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
    axes.set_xlim(1.0 - 0.35 * len(ranks), len(ranks) + 0.5)
    axes.invert_yaxis()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def pyplot() -> Any:
    """Matplotlib, drawing into files; imported here because it takes a second."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def _all(study: Study) -> Iterable[Outcome]:
    return (own for label in study.labels for own in study.of(label))


def _cell_rows(outcomes: Sequence[Outcome]) -> Rows:
    rows = [["task", "method", "repetition", *(f"regret@{b:g}" for b in BUDGETS), "trials", "stopped", "false_stops"]]
    for own in outcomes:
        regrets = [f"{own.at(b):.6f}" for b in BUDGETS]
        counts = [str(own.trials), str(own.stopped), str(own.false_stops)]
        rows.append([own.cell.task, label_of(own), str(own.cell.repetition), *regrets, *counts])
    return rows


def write_csv(path: Path, rows: Rows) -> None:
    """Writes a table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def markdown(rows: Rows) -> str:
    """A table whose first row names the columns."""
    head, *body = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body))
