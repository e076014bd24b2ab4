"""Question: are the predictions of a trial's last score honest, and how good are they?

Command: ``python -m benchmarks calibration --tasks lcbench --history other-tasks --out results``.

On each task, the predictor of a store with the task's history sees a running sweep: 40 random trials under ASHA. It is
asked for the last score of 40 other random configurations of which it has seen the first 0, 1, 4, 13 and 26 epochs.
Reported is how many true scores lie in its central 80 % interval (80 % would be honest), the mean absolute error in
units of regret, and the rank correlation with the truth; beside the same for the last score seen. ``calibration.png``
shows all nominal levels. Regret 1 stands for everything that is worse than a usual first score, since it does not
matter how much worse; configurations whose true last score is not finite are left out.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ray.tune.schedulers import ASHAScheduler

from benchmarks.cells import KEY
from benchmarks.history import history_of, past_of
from benchmarks.methods.random_search import RandomSearch
from benchmarks.pictures import pyplot, save_figure
from benchmarks.processes import with_progress
from benchmarks.provenance import about_this_run, line_about
from benchmarks.report import Rows, markdown, with_error, write_csv
from benchmarks.simulator import simulate
from benchmarks.tasks import Curve, Task, load_task, load_tasks
from metahp.models import load_or_fit
from metahp.types import Config, FloatArray, LearningCurve, SweepHistory, Trial, TrialStatus

CONTEXT_TRIALS, QUERIES = 40, 40
SEEN = (0, 1, 4, 13, 26)
LEVELS = np.arange(0.1, 1.0, 0.1)


def run_calibration(tasks: str, history: str, out: Path, *, jobs: int = 1) -> str:
    """Predicts on every task that has no file yet; writes ``calibration-<history>.md``, ``.csv`` and ``.png``.

    Args:
        tasks: a selection as for `benchmarks.tasks.load_tasks`.
        history: one of `benchmarks.history.HISTORIES`.
        out: directory of the results.
        jobs: processes.

    Returns:
        the table as Markdown.

    Raises:
        ValueError: a task or a history that does not exist.
        TaskDataMissingError: the data of the tasks are not beside the project.
    """
    paths = {task.name: _path(out, history, task.name) for task in load_tasks(tasks)}
    todo = [name for name, path in paths.items() if not path.exists()]
    for name, rows in with_progress("tasks", partial(predictions, history=history), todo, jobs):
        paths[name].parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows.replace_schema_metadata({KEY: json.dumps(about_this_run())}), paths[name])
    return _write({name: pq.read_table(path) for name, path in paths.items()}, history, out)


def _path(out: Path, history: str, task: str) -> Path:
    return out / "calibration" / history / f"{task.replace('/', '__')}.parquet"


def predictions(name: str, history: str) -> tuple[str, pa.Table]:
    """The task's name and one row for each configuration and number of steps seen."""
    task = load_task(name)
    seed = zlib.crc32(f"calibration/{name}".encode())
    with tempfile.TemporaryDirectory() as directory:
        predictor = load_or_fit(past_of(task, history, Path(directory)).store)
    running = _running_sweep(task, seed)
    posterior = predictor.condition(running.sweep, running.trials)
    rng = np.random.default_rng(seed + 1)
    drawn = [(config, task.curve(config)) for config in (task.space.sample(rng) for _ in range(QUERIES))]
    told = [(config, curve) for config, curve in drawn if len(curve) == task.max_step and np.isfinite(curve.scores[-1])]
    rows: list[dict[str, float]] = []
    for seen in (steps for steps in SEEN if steps < task.max_step):
        trials = [_begun(number, config, curve, seen) for number, (config, curve) in enumerate(told)]
        predicted = posterior.predict(trials, [task.max_step] * len(trials))
        for (_, curve), mean, std in zip(told, predicted.mean, predicted.std, strict=True):
            rows.append({"seen": seen, **_in_regret(task, curve, seen, float(mean), float(std))})
    return name, pa.Table.from_pylist(rows)


def _running_sweep(task: Task, seed: int) -> SweepHistory:
    scheduler = ASHAScheduler(max_t=task.max_step, grace_period=1, reduction_factor=3)
    return history_of(task, simulate(task, RandomSearch(seed), scheduler, num_samples=CONTEXT_TRIALS, seed=seed))


def _begun(number: int, config: Config, curve: Curve, seen: int) -> Trial:
    points = zip(range(1, seen + 1), curve.scores, curve.seconds, strict=False)
    return Trial(f"query-{number}", config, LearningCurve.of(points), TrialStatus.RUNNING)


def _in_regret(task: Task, curve: Curve, seen: int, mean: float, std: float) -> dict[str, float]:
    """Truth and prediction on the task's scale of regret; NaN for the last score where none was seen."""
    reference = task.reference
    spread = abs(reference.best - reference.start)
    last = curve.scores[seen - 1] if seen else np.nan
    regrets = (task.mode.sign * (reference.best - np.array([curve.scores[-1], mean, last]))) / spread
    return {"truth": regrets[0], "mean": regrets[1], "std": std / spread, "last": regrets[2]}


def table(tasks: dict[str, pa.Table]) -> Rows:
    """One row for each number of steps seen, after a row that names the columns; ± is over tasks."""
    rows = [["steps seen", "in the 80 % interval", "error", "of the last", "rank correlation", "of the last"]]
    for seen in SEEN:
        own = [columns for table in tasks.values() if len((columns := _seen(table, seen))["truth"])]
        if own:
            rows.append([str(seen), *_numbers(own, seen)])
    return rows


def _numbers(own: Sequence[dict[str, FloatArray]], seen: int) -> list[str]:
    inside = np.array([_coverage(columns, 0.8) for columns in own])
    errors, ranks = (
        {name: np.array([measure(columns[name], columns["truth"]) for columns in own]) for name in ("mean", "last")}
        for measure in (_error, _rank_correlation)
    )
    numbers = [inside, errors["mean"], errors["last"], ranks["mean"], ranks["last"]]
    texts = [with_error(values) for values in numbers]
    return [text if seen or place not in (2, 4) else "–" for place, text in enumerate(texts)]


def _seen(table: pa.Table, seen: int) -> dict[str, FloatArray]:
    rows = table["seen"].to_numpy() == seen
    return {name: table[name].to_numpy()[rows] for name in ("truth", "mean", "std", "last")}


def _coverage(columns: dict[str, FloatArray], level: float) -> float:
    """The share of true scores in the central interval of that probability."""
    reach = NormalDist().inv_cdf((1 + level) / 2) * columns["std"]
    low, high, truth = (
        _capped(values) for values in (columns["mean"] - reach, columns["mean"] + reach, columns["truth"])
    )
    return float(np.mean((low <= truth) & (truth <= high)))


def _capped(regret: FloatArray) -> FloatArray:
    return np.where(np.isfinite(regret), np.minimum(regret, 1.0), 1.0)


def _error(predicted: FloatArray, truth: FloatArray) -> float:
    return float(np.mean(np.abs(_capped(predicted) - _capped(truth))))


def _rank_correlation(predicted: FloatArray, truth: FloatArray) -> float:
    """Spearman's; NaN where all are equal."""
    from scipy.stats import spearmanr  # type: ignore[import-untyped]

    predicted, truth = _capped(predicted), _capped(truth)
    return float(spearmanr(predicted, truth).statistic) if np.ptp(predicted) and np.ptp(truth) else float("nan")


def draw(tasks: dict[str, pa.Table], path: Path) -> None:
    """The share of true scores inside, against the nominal level: the diagonal is honest, below it is too sure."""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(4.2, 4.0))
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for seen in SEEN:
        own = [columns for table in tasks.values() if len((columns := _seen(table, seen))["truth"])]
        if own:
            inside = [np.mean([_coverage(columns, level) for columns in own]) for level in LEVELS]
            axes.plot(LEVELS, inside, marker="o", markersize=3, label=f"{seen} steps seen")
    axes.set(xlabel="nominal probability of the interval", ylabel="share of true scores inside", aspect="equal")
    axes.legend(fontsize="small", frameon=False)
    save_figure(figure, path)


def _write(tasks: dict[str, pa.Table], history: str, out: Path) -> str:
    rows = table(tasks)
    text = (
        f"## Calibration, history {history}\n\nThe last score of {QUERIES} random configurations on {len(tasks)} "
        f"tasks, as predicted after some steps; errors in units of regret, ± the standard error over tasks.\n\n"
        f"{markdown(rows)}\n\n{line_about(json.loads(own.schema.metadata[KEY]) for own in tasks.values())}"
    )
    (out / f"calibration-{history}.md").write_text(text + "\n", encoding="utf-8")
    write_csv(out / f"calibration-{history}.csv", rows)
    draw(tasks, out / f"calibration-{history}.png")
    return text
