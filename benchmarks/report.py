"""Tables and pictures, made from the files that `benchmarks.replay` wrote and from nothing else.

For every family of tasks and budget: ``<study>.md`` (all tables), ``<study>.csv`` (the main one), ``<study>.png``
(regret over steps, simulated and real time), ``<study>-ranks.png`` (critical-difference diagram). For all of them:
``cells.parquet`` and ``cells.csv``, one row per cell with its settings and the commit.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.cells import Outcome, read_outcomes
from benchmarks.pictures import draw_anytime, draw_ranks
from benchmarks.provenance import line_about
from benchmarks.statistics import (
    BUDGETS,
    Study,
    area,
    mean_ranks,
    paired_interval,
    speed_up,
    speed_up_by_task,
    standard_error,
    studies,
)
from metahp.types import FloatArray

BASELINES = (("asha", "asha3"), ("portfolio (other-tasks)", "portfolio+asha (other-tasks)"))
"""What every method is compared with, the first of each that was run: the usual choice, the least use of a history."""

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
    cells = pa.Table.from_pylist([_cell_row(outcome) for outcome in outcomes])
    pq.write_table(cells, directory / "cells.parquet")
    pyarrow.csv.write_csv(cells, directory / "cells.csv")
    return [_write_study(directory, study) for study in studies(outcomes) if study.tasks]


def _cell_row(outcome: Outcome) -> dict[str, Any]:
    """A cell's settings, what came of it, and the commit."""
    return {
        **{name: getattr(outcome.cell, name) for name in outcome.cell.__slots__},
        "seed": outcome.cell.seed,
        **{f"regret@{b:g}": outcome.at(b) if b <= outcome.cell.trainings else None for b in BUDGETS},
        "trials": outcome.trials,
        "stopped": outcome.stopped,
        "false_stops": outcome.false_stops,
        "simulated_trainings": float(outcome.trainings_s[-1]),
        "own_s": float(outcome.overhead_s[-1]),
        "before_s": outcome.before_s,
        "commit": outcome.facts["commit"],
        "changed": outcome.facts["changed"],
    }


def _write_study(directory: Path, study: Study) -> str:
    name = f"{study.tasks[0].partition('/')[0]}-{study.workers}x{study.trainings:g}"
    main = main_table(study)
    baselines = [found[0] for names in BASELINES if (found := [name for name in names if name in study.labels])]
    text = "\n\n".join(
        [
            f"## {name}",
            _circumstances(study),
            markdown(main),
            *(markdown(speed_table(study, baseline)) for baseline in baselines),
            *(markdown(_differences(study, baseline)) for baseline in baselines),
            markdown(time_table(study, baselines[:1])),
        ]
    )
    (directory / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    write_csv(directory / f"{name}.csv", main)
    draw_anytime(study, directory / f"{name}.png")
    draw_ranks(study, directory / f"{name}-ranks.png")
    return text


def main_table(study: Study) -> Rows:
    """One row per method, the best last regret first; the first row names the columns."""
    budgets = study.budgets
    head = ["method", *(f"regret @{b:g}" for b in budgets), "median", "rank", "AUC"]
    head += ["stopped", "falsely", "worst task", "trials", "own s", "before s"]
    ranks = mean_ranks(study, study.trainings)
    ordered = sorted(study.labels, key=lambda label: float(study.regrets(label, study.trainings).mean()))
    return [head, *([label, *_numbers(study, label, budgets, ranks[label])] for label in ordered)]


def _numbers(study: Study, label: str, budgets: Sequence[float], rank: float) -> list[str]:
    by_task = {b: study.regrets(label, b).mean(axis=1) for b in budgets}
    outcomes = study.of(label)
    trials, stopped, false = (
        sum(getattr(own, name) for own in outcomes) for name in ("trials", "stopped", "false_stops")
    )
    return [
        *(with_error(by_task[b]) for b in budgets),
        f"{np.median(by_task[budgets[-1]]):.3f}",
        f"{rank:.1f}",
        f"{area(study, label):.3f}",
        f"{100 * stopped / trials:.0f} %",
        f"{100 * false / stopped:.1f} %" if stopped else "–",
        f"{100 * _worst_share(outcomes):.0f} %" if stopped else "–",
        f"{trials / len(outcomes):.0f}",
        f"{np.mean([own.overhead_s[-1] for own in outcomes]):.2f}",
        f"{np.mean([own.before_s for own in outcomes]):.1f}",
    ]


def _worst_share(outcomes: Sequence[Outcome]) -> float:
    """The largest share of false stops that any one task has, its seeds taken together."""
    stopped, false = Counter[str](), Counter[str]()
    for own in outcomes:
        stopped[own.cell.task] += own.stopped
        false[own.cell.task] += own.false_stops
    return max(false[task] / stopped[task] for task in stopped if stopped[task])


def speed_table(study: Study, baseline: str) -> Rows:
    """How many times fewer steps than the baseline each method needs for what the baseline has in the end."""
    rows = [[f"steps to {baseline}'s last regret, times fewer", "mean regret", "median task", "worst tenth", "reached"]]
    for label in study.labels:
        if label != baseline:
            by_task = speed_up_by_task(study, label, baseline)
            worst, median = np.quantile(by_task, (0.1, 0.5), method="lower")
            numbers = [_times(value) for value in (speed_up(study, label, baseline), median, worst)]
            rows.append([label, *numbers, f"{np.sum(by_task > 0)} of {len(by_task)} tasks"])
    return rows


def _times(ratio: float) -> str:
    return f"{ratio:.1f}×" if ratio else "never"


def _differences(study: Study, baseline: str) -> Rows:
    """Paired differences to a baseline with 95 % bootstrap intervals over tasks and seeds."""
    budgets = study.budgets
    rows = [[f"regret minus that of {baseline}", *(f"@{b:g}" for b in budgets)]]
    for label in study.labels:
        if label != baseline:
            gaps = (study.regrets(label, b) - study.regrets(baseline, b) for b in budgets)
            rows.append([label, *(with_interval(gap) for gap in gaps)])
    return rows


def time_table(study: Study, baselines: Sequence[str]) -> Rows:
    """Regret at equal simulated time: what median trainings take for each budget, all workers at work."""
    regrets = {label: study.over_time(label, np.array(study.budgets) / study.workers) for label in study.labels}
    head = ["in the time of median trainings", *(f"regret @{b:g}" for b in study.budgets)]
    rows = [[*head, *(f"minus {baseline}'s" for baseline in baselines)]]
    for label, own in regrets.items():
        means = [with_error(by_task) for by_task in own.mean(axis=1).T]
        gaps = [with_interval((own - regrets[baseline])[:, :, -1]) for baseline in baselines]
        rows.append([label, *means, *gaps])
    return rows


def with_error(by_task: FloatArray) -> str:
    """The mean of ``(t,)`` numbers with its standard error."""
    return f"{by_task.mean():.3f} ± {standard_error(by_task):.3f}"


def with_interval(differences: FloatArray) -> str:
    """The mean of paired differences ``(t, s)`` with its 95 % interval."""
    low, high = paired_interval(differences)
    return f"{differences.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def with_range(numbers: Sequence[float], form: str = ".2f") -> str:
    """The median, with the smallest and the largest where there are several."""
    median, low, high = (format(f(numbers), form) for f in (np.median, min, max))
    return f"{median} ({low} – {high})" if len(numbers) > 1 else median


def _circumstances(study: Study) -> str:
    lines = [
        f"{len(study.tasks)} tasks × {study.seeds} seeds, {study.workers} workers, {study.trainings:g} full "
        f"trainings of {study.max_step} steps; ± is the standard error over tasks. Regret 0 is the best of 1,000 "
        "random configurations at any step, 1 the median first score; *median* is over tasks, *AUC* the mean over all "
        "steps. *stopped*: of the trials; *falsely*: of those, the ones that would have beaten the best; "
        "*worst task*: that share of the task that has the largest. "
        "*own s*: real seconds of the method per sweep; *before s*: of preparing it, once for a task and its seeds.",
        line_about(own.facts for label in study.labels for own in study.of(label)),
    ]
    if study.left_out:
        lines.append(f"{study.left_out} cells are left out, since not every method has them.")
    return "\n\n".join(lines)


def write_csv(path: Path, rows: Rows) -> None:
    """Writes a table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def markdown(rows: Rows) -> str:
    """A table whose first row names the columns."""
    head, *body = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body))
