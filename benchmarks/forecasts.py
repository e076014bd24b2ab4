"""Question: does the band that a running sweep shows hold how it ends?

Command: ``python -m benchmarks forecasts --tasks lcbench,taskset,keras,synthetic-plain,synthetic-crossing --out
results``, three minutes on two cores.

MetaHP without a store sweeps each task with 24 trials. When 8, 12, 16 and 20 of them are over, the forecast that
``metahp run`` shows is made from what is known then: the best score of the whole sweep (`metahp.extremes`), and the
epochs that are still to be trained (`metahp_cluster.progress`, where time is counted in epochs). Reported is how often
the end lies in the bands from the 10 to the 90 % quantile (80 % would be honest), the width of the first in units of
regret, and how far its middle and the best of that moment are from the end.
"""

from __future__ import annotations

import tempfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.history import history_of, past_of
from benchmarks.methods.registry import Setting, method_named
from benchmarks.processes import with_progress
from benchmarks.provenance import about_this_run, line_about
from benchmarks.report import Rows, markdown, with_error, write_csv
from benchmarks.simulator import Event, Replay, simulate
from benchmarks.tasks import Task, load_task, load_tasks
from metahp.extremes import best_to_come
from metahp.prior_predictor import PriorPredictor
from metahp.types import FloatArray, LearningCurve, Measurement, SweepHistory, TrialStatus
from metahp_cluster.progress import Progress

TRIALS = 24
LOOKS = (8, 12, 16, 20)
_OVER = ("STOP", "COMPLETE", "ERROR")
_BAND = np.array([0.1, 0.5, 0.9])

Look = dict[str, float]


def run_forecasts(tasks: str, out: Path, *, jobs: int = 1) -> str:
    """Sweeps every task; writes ``forecasts.md`` and ``.csv``.

    Args:
        tasks: a selection as for `benchmarks.tasks.load_tasks`.
        out: directory of the results.
        jobs: processes.

    Returns:
        the table as Markdown.

    Raises:
        ValueError: a task that does not exist.
        TaskDataMissingError: the data of the tasks are not beside the project.
    """
    names = [task.name for task in load_tasks(tasks)]
    rows = table(dict(with_progress("tasks", looks_at, names, jobs)))
    text = (
        f"## Forecasts of running sweeps\n\n{len(names)} sweeps of {TRIALS} trials; ± is the standard error over "
        f"tasks, distances are in units of regret.\n\n{markdown(rows)}\n\n{line_about([about_this_run()])}"
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "forecasts.md").write_text(text + "\n", encoding="utf-8")
    write_csv(out / "forecasts.csv", rows)
    return text


def looks_at(name: str) -> tuple[str, list[Look]]:
    """The task's name and one row for each look at its sweep."""
    task = load_task(name)
    seed = zlib.crc32(f"forecasts/{name}".encode())
    with tempfile.TemporaryDirectory() as directory:
        setting = Setting(task, past_of(task, "none", Path(directory)), seed)
        replay = simulate(task, *method_named("meta").build(setting), num_samples=TRIALS, seed=seed)
    return name, list(_looks(task, replay))


def _looks(task: Task, replay: Replay) -> Iterator[Look]:
    whole = history_of(task, replay)
    epochs, over, due = len(replay.reports), set[int](), list(LOOKS)
    for place, event in enumerate(replay.events, 1):
        over |= {event.trial} if event.decision in _OVER else set()
        if due and len(over) >= due[0]:
            now = _until(replay.events[:place], over, whole)
            yield {"over": due.pop(0)} | _about_best(task, now, whole) | _about_epochs(now, epochs)


def _until(events: tuple[Event, ...], over: set[int], whole: SweepHistory) -> SweepHistory:
    """What was known of the sweep after these events."""
    reached = defaultdict[str, int](int)
    for event in events:
        reached[f"{event.trial:08x}"] = event.step
    trials = [
        replace(
            trial,
            curve=LearningCurve(trial.curve.measurements[: reached[trial.trial_id]]),
            status=trial.status if int(trial.trial_id, 16) in over else TrialStatus.RUNNING,
        )
        for trial in whole.trials
        if trial.trial_id in reached
    ]
    return SweepHistory(whole.sweep, tuple(trials))


def _about_best(task: Task, now: SweepHistory, whole: SweepHistory) -> Look:
    spread = abs(task.reference.best - task.reference.start)
    best, end = (_best(history) / spread for history in (now, whole))
    band = best_to_come(now, TRIALS - len(now.trials), _BAND, PriorPredictor())
    low, middle, high = np.full(3, best) if band is None else task.mode.sign * band / spread
    inside = low - 1e-9 <= end <= high + 1e-9
    return {"inside": inside, "width": high - low, "off": abs(middle - end), "today_off": abs(best - end)}


def _best(history: SweepHistory) -> float:
    """Of all its trials, the larger the better."""
    mode = history.sweep.mode
    found = (trial.curve.best(mode) for trial in history.trials)
    return max((mode.sign * score for score in found if score is not None), default=0.0)


def _about_epochs(now: SweepHistory, epochs: int) -> Look:
    """Of the epochs that are left; one is trained a second, so that seconds are epochs."""
    sweep = now.sweep
    seconds = 0.0
    progress = Progress(sweep.metric, sweep.mode, sweep.space, TRIALS, sweep.max_step or 1, clock=lambda: seconds)
    for trial in now.trials:
        progress.start(trial.trial_id, trial.config)
        for measurement in trial.curve.measurements:
            progress.report(trial.trial_id, Measurement(measurement.step, measurement.value))
        if trial.status.is_over:
            progress.end(trial.trial_id, trial.status)
    seconds = float(progress.epochs_used)
    low, high = progress.remaining_band_s() or (0.0, 0.0)
    return {"epochs_inside": low - 1.0 <= epochs - progress.epochs_used <= high + 1.0}


def table(tasks: dict[str, list[Look]]) -> Rows:
    """One row for each look, after a row that names the columns."""
    rows = [["trials over", "best in its band", "width", "middle off by", "today's off by", "epochs in their band"]]
    for over in LOOKS:
        own = [look for looks in tasks.values() for look in looks if look["over"] == over]
        if own:
            names = ("inside", "width", "off", "today_off", "epochs_inside")
            rows.append([str(over), *(with_error(_column(own, name)) for name in names)])
    return rows


def _column(looks: list[Look], name: str) -> FloatArray:
    return np.array([look[name] for look in looks], float)
