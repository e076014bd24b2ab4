"""Question: does it hold where networks are really trained, with every second counted?

Command: ``python -m benchmarks real --methods random,asha,meta-blank,meta --seeds 6 --out results``; an hour.

A small CNN on digits, once with wrong labels, and a text model on Python's own docstrings, once on few, are swept on a
local Ray, one trial a core (and a share of each GPU, where there are some), every method for the same seconds after its
first result. The methods are
those of the replay, unmodified. One that learns has a store with a past sweep of each other task of the family, as in
the replay (`benchmarks.history`, ``other-tasks``): cut short by ASHA, on other data; ``meta-blank`` has a store that is
still empty. Regret is in units of the recorded curves of the same networks (`benchmarks.tasks.keras`):
0 is the best of 48 random configurations at any epoch, 1 the median first score.
"""

from __future__ import annotations

import json
import tempfile
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import tune
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from benchmarks.files import save_json
from benchmarks.history import past_of
from benchmarks.life import unblanked
from benchmarks.methods.registry import Setting
from benchmarks.processes import local_ray, progress_bar
from benchmarks.provenance import about_this_run, line_about
from benchmarks.report import Rows, markdown, with_error, with_interval, write_csv
from benchmarks.tasks import Task, load_task
from metahp.types import FloatArray
from metahp_searchers.ray_space import to_tune

WORKLOADS = (
    "keras-image/digits",
    "keras-image/digits-high-mislabelled",
    "keras-text/six-packages",
    "keras-text/web-or-mail",
)

SHARES = (0.25, 0.5, 1.0)
RIVAL = "asha"
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Run:
    """One real sweep.

    Attributes:
        task: full name of the task.
        method: name in the registry.
        repetition: counts from 0.
        seconds: how long it lasts after its first result.
    """

    task: str
    method: str
    repetition: int
    seconds: float

    @property
    def seed(self) -> int:
        """Its own for each task and repetition, the same for all methods."""
        return zlib.crc32(f"real/{self.task}:{self.repetition}".encode())

    @property
    def path(self) -> Path:
        """Its file, relative to the directory of the results."""
        task = self.task.replace("/", "__")
        return Path("real") / f"{self.seconds:g}" / self.method / f"{task}__{self.repetition}.json"


@dataclass(frozen=True, slots=True)
class Report:
    """One result of a trial, ``seconds`` after the first one of the sweep."""

    seconds: float
    trial: str
    step: int
    score: float


def run_real(methods: Sequence[str], seeds: int, out: Path, *, seconds: float = 20.0) -> str:
    """Sweeps what has no file yet; writes ``real.md`` and ``real.csv``.

    Args:
        methods: names in the registry, or with `benchmarks.life.BLANK` behind it.
        seeds: repetitions of each task and method.
        out: directory of the results.
        seconds: of each sweep, from its first result on.

    Returns:
        the table as Markdown.

    Raises:
        ValueError: a method that does not exist.
    """
    known = {name: unblanked(name) for name in methods}
    runs = [Run(task, name, r, seconds) for task in WORKLOADS for r in range(seeds) for name in methods]
    todo = [run for run in runs if not (out / run.path).exists()]
    if todo:
        with local_ray(), progress_bar() as progress, tempfile.TemporaryDirectory() as folder:
            bar = progress.add_task("sweeps", total=len(todo))
            for number, run in enumerate(todo):
                method, blank = known[run.method]
                task = load_task(run.task)
                history = "other-tasks" if method.learns and not blank else "none"
                past = past_of(task, history, Path(folder) / str(number))
                _save(run, sweep(task, *method.build(Setting(task, past, run.seed)), run.seconds), out)
                progress.advance(bar)
    return _write({run: _load(run, out) for run in runs}, out)


def sweep(task: Task, searcher: Searcher, scheduler: TrialScheduler, seconds: float) -> list[Report]:
    """Sweeps a task on the running Ray until the seconds are over; returns every result."""
    watch, resources = Watch(task, seconds), ray.cluster_resources()
    workers = int(resources["CPU"])
    trainable = tune.with_parameters(train, data_set=task.name.removeprefix("keras-"))
    with tempfile.TemporaryDirectory() as folder:
        tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1, "gpu": resources.get("GPU", 0.0) / workers}),
            param_space={} if isinstance(searcher, OptunaSearch) else to_tune(task.space),  # that one has its own
            tune_config=tune.TuneConfig(
                metric=task.metric,
                mode=task.mode.value,
                num_samples=-1,
                search_alg=searcher,
                scheduler=scheduler,
                max_concurrent_trials=workers,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(storage_path=folder, stop=watch, verbose=0),
        ).fit()
    return watch.reports


class Watch(tune.Stopper):
    """Notes every result; ends a trial at its last epoch, and the sweep when its seconds are over.

    Attributes:
        reports: in the order of their arrival.
    """

    def __init__(self, task: Task, seconds: float) -> None:
        self.reports: list[Report] = []
        self._metric, self._max_step, self._seconds = task.metric, task.max_step, seconds
        self._began = 0.0

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether the trial is at its end."""
        if not self.reports:
            self._began = time.monotonic()
        step = int(result["training_iteration"])
        self.reports.append(Report(time.monotonic() - self._began, trial_id, step, float(result[self._metric])))
        return step >= self._max_step

    def stop_all(self) -> bool:
        """Whether the sweep is."""
        return bool(self.reports) and time.monotonic() - self._began > self._seconds


def train(config: dict[str, Any], data_set: str) -> None:
    """What a user writes: trains one network with Keras, and reports each epoch to Ray Tune."""
    import keras

    from benchmarks.keras_tasks import data, models

    class Tell(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            tune.report({name: float(value) for name, value in (logs or {}).items()})

    keras.utils.clear_session()
    own = data.load(data_set)
    model = models.build(config, own)
    if own.classes:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(models.optimizer(config), loss, metrics=["accuracy"])
    else:
        model.compile(models.optimizer(config), "mean_squared_error")
    model.fit(
        own.x,
        own.y,
        batch_size=config["batch_size"],
        epochs=models.EPOCHS[own.kind],
        validation_data=(own.x_val, own.y_val),
        validation_batch_size=len(own.x_val),
        verbose=0,
        callbacks=[Tell()],
    )


def table(runs: Mapping[Run, Sequence[Report]]) -> Rows:
    """One row per method, after a row that names the columns; ± is over tasks, the interval over tasks and seeds."""
    regrets = {name: _regrets(runs, name) for name in dict.fromkeys(run.method for run in runs)}
    seconds = next(iter(runs)).seconds
    rows = [["method", *(f"regret @{share * seconds:g} s" for share in SHARES), f"minus {RIVAL}'s", "epochs", "trials"]]
    rows[0].append(f"epochs to {RIVAL}'s best in each sweep, in its own")
    for name, own in regrets.items():
        by_task = own.mean(axis=1)
        numbers = [with_error(by_task[:, i]) for i in range(len(SHARES))]
        difference = with_interval((own - regrets[RIVAL])[:, :, -1]) if RIVAL in regrets else "–"
        reports = [reports for run, reports in runs.items() if run.method == name]
        epochs, trials = np.mean([(len(r), len({report.trial for report in r})) for r in reports], axis=0)
        rows.append([name, *numbers, difference, f"{epochs:.0f}", f"{trials:.0f}", _to_the_rivals_best(runs, name)])
    return rows


def epochs_to_the_rival(runs: Mapping[Run, Sequence[Report]]) -> Rows:
    """By task and over all: a row for each other method with the epochs to what `RIVAL`'s mean was, by its own."""
    seconds = next(iter(runs)).seconds
    rows: Rows = [["tasks", "method", *(f"to {RIVAL}'s mean at {share * seconds:g} s" for share in SHARES)]]
    for task in (*dict.fromkeys(run.task for run in runs), "all"):
        own = {run: reports for run, reports in runs.items() if task in (run.task, "all")}
        for method in dict.fromkeys(run.method for run in own if run.method != RIVAL):
            rows.append([task, method, *_to_the_rivals_means(own, method)])
    return rows


def _to_the_rivals_means(runs: Mapping[Run, Sequence[Report]], method: str) -> list[str]:
    """Epochs until the mean regret of the sweeps is what `RIVAL`'s was after each of `SHARES`, by those it took."""
    rival, own = (_mean_by_epoch(runs, name) for name in (RIVAL, method))
    ratios = []
    for target in _regrets(runs, RIVAL).mean(axis=(0, 1)):
        took, reached = (np.flatnonzero(curve <= target + _ROUNDING) for curve in (rival, own))
        ratios.append(f"{(reached[0] + 1) / (took[0] + 1):.2f}×" if len(reached) else "never")
    return ratios


def _mean_by_epoch(runs: Mapping[Run, Sequence[Report]], method: str) -> FloatArray:
    """The mean regret of a method's sweeps after each epoch; one that has had fewer counts by its last."""
    curves = [_best_so_far(run, reports) for run, reports in runs.items() if run.method == method]
    longest = max(map(len, curves))
    return np.mean([np.pad(curve, (0, longest - len(curve)), mode="edge") for curve in curves], axis=0)


def _to_the_rivals_best(runs: Mapping[Run, Sequence[Report]], method: str) -> str:
    """Epochs to the best that `RIVAL` came to on a task and seed, by the epochs that it took itself; the median."""
    ratios = []
    for run, reports in runs.items():
        rival = runs.get(replace(run, method=RIVAL))
        if run.method == method and rival:
            of_rival, own = (_best_so_far(run, each) for each in (rival, reports))
            reached = np.flatnonzero(own <= of_rival[-1])
            ratios.append((reached[0] + 1 if len(reached) else np.inf) / (of_rival.argmin() + 1))
    if not ratios:
        return "–"
    return f"{np.median(ratios):.2f}× ({np.isfinite(ratios).sum()} of {len(ratios)} reach it)"


def _regrets(runs: Mapping[Run, Sequence[Report]], method: str) -> FloatArray:
    """After each of `SHARES` of the seconds, shape ``(tasks, seeds, 3)``; 1 where nothing was reported by then."""
    tasks = dict.fromkeys(run.task for run in runs)
    return np.array(
        [
            [_regret_of(run, reports) for run, reports in runs.items() if (run.task, run.method) == (task, method)]
            for task in tasks
        ]
    )


def _best_so_far(run: Run, reports: Sequence[Report]) -> FloatArray:
    return load_task(run.task).reference.best_so_far(np.array([report.score for report in reports]))


def _regret_of(run: Run, reports: Sequence[Report]) -> list[float]:
    regret = load_task(run.task).reference.regret(np.array([report.score for report in reports]))
    until = [np.array([report.seconds for report in reports]) <= share * run.seconds for share in SHARES]
    return [float(regret[reached].min(initial=1.0)) for reached in until]


def _save(run: Run, reports: Sequence[Report], out: Path) -> None:
    about = {**asdict(run), **about_this_run(), "reports": [astuple(report) for report in reports]}
    save_json(out / run.path, about)


def _load(run: Run, out: Path) -> list[Report]:
    return [Report(*report) for report in json.loads((out / run.path).read_text(encoding="utf-8"))["reports"]]


def _reached(runs: Mapping[Run, Sequence[Report]]) -> str:
    known = RIVAL in {run.method for run in runs}
    return f"{markdown(epochs_to_the_rival(runs))}\n\n" if known else ""


def _write(runs: Mapping[Run, Sequence[Report]], out: Path) -> str:
    rows = table(runs)
    seeds = 1 + max(run.repetition for run in runs)
    text = (
        f"## Real training\n\n{len(WORKLOADS)} tasks × {seeds} seeds; each sweep lasts as long after its first result. "
        f"± is the standard error over tasks, in brackets the 95 % interval of the paired difference at the end.\n\n"
        f"{markdown(rows)}\n\n{_reached(runs)}"
        f"{line_about(json.loads((out / run.path).read_text(encoding='utf-8')) for run in runs)}"
    )
    (out / "real.md").write_text(text + "\n", encoding="utf-8")
    write_csv(out / "real.csv", rows)
    return text
