"""Question: does a team's ninth sweep start better than its first where networks are really trained?

Command: ``python -m benchmarks real-life --seeds 3 --out results``; half an hour on two cores. It writes
``real-life.md`` and ``.csv``.

`benchmarks.life`, smaller and for real: the nine small tabular tasks of `benchmarks.tasks.keras` are swept one after
another on a local Ray, in an order drawn anew for each repetition, as `benchmarks.real` sweeps. Regret is in units of
the recorded curves of the same networks. ``meta`` streams its trials into one store, and its predictor learns each
sweep before the next one begins; ``meta-blank`` begins each sweep with a store that is empty. What ships with MetaHP
was trained on these very tasks, so neither begins with it.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from benchmarks.files import save_json
from benchmarks.history import Past, new_store
from benchmarks.life import order_of, unblanked
from benchmarks.methods.registry import Method, Setting
from benchmarks.processes import local_ray, progress_bar
from benchmarks.provenance import about_this_run, line_about
from benchmarks.real import Report, sweep
from benchmarks.report import Rows, markdown, with_error, write_csv
from benchmarks.tasks import Task, load_task, load_tasks
from metahp.types import FloatArray
from metahp_searchers import MetaScheduler, MetaSearch

FAMILY = "keras-tabular"
LIVES = ("meta", "meta-blank", "asha")
THIRD = 3


@dataclass(frozen=True, slots=True)
class Life:
    """The sweeps of one team by one method.

    Attributes:
        method: ``meta``, ``meta-blank``, or one of `METHODS` that knows no past.
        tasks: their full names, in the order in which they are swept.
        repetition: counts from 0.
        seconds: how long each sweep lasts after its first result.
    """

    method: str
    tasks: tuple[str, ...]
    repetition: int
    seconds: float

    @property
    def path(self) -> Path:
        """Its file, relative to the directory of the results."""
        return Path("real-life") / f"{self.seconds:g}" / f"{self.method}__{self.repetition}.json"


def run_real_lives(
    seeds: int, out: Path, *, methods: Sequence[str] = LIVES, seconds: float = 8.0, sweeps: int | None = None
) -> str:
    """Lives what has no file yet; writes ``real-life.md`` and ``.csv``.

    Args:
        seeds: repetitions, each in an order of its own.
        out: directory of the results.
        methods: see `Life`.
        seconds: of each sweep, from its first result on.
        sweeps: of each life; None for all tasks.

    Returns:
        the table as Markdown.

    Raises:
        ValueError: a method that does not exist.
    """
    names = [task.name for task in load_tasks(FAMILY)]
    for method in methods:
        unblanked(method)
    lives = [Life(m, order_of(names, r)[:sweeps], r, seconds) for r in range(seeds) for m in methods]
    todo = [life for life in lives if not (out / life.path).exists()]
    if todo:
        with local_ray(), progress_bar() as progress:
            bar = progress.add_task("sweeps", total=sum(len(life.tasks) for life in todo))
            for life in todo:
                regret = live(life, lambda: progress.advance(bar))
                save_json(out / life.path, {**asdict(life), **about_this_run(), "regret": regret})
    return _write({life: json.loads((out / life.path).read_text(encoding="utf-8")) for life in lives}, out)


def live(life: Life, on_sweep: Any = lambda: None) -> list[float]:
    """Sweeps one task after another; returns the regret of each sweep's best."""
    regrets = []
    method, blank = unblanked(life.method)
    with tempfile.TemporaryDirectory() as directory:
        for number, name in enumerate(life.tasks):
            task, seed = load_task(name), zlib.crc32(f"real-life/{name}:{life.repetition}".encode())
            own = Path(directory) / (str(number) if blank else "one")
            reports = sweep(task, *_built(method, task, own, seed), life.seconds)
            regrets.append(_regret(task, reports))
            on_sweep()
    return regrets


def _built(method: Method, task: Task, directory: Path, seed: int) -> tuple[Searcher, TrialScheduler]:
    """Only one that learns has a store, and writes it itself."""
    if not method.learns:
        return method.build(Setting(task, Past((), directory), seed))
    store = new_store(directory, shipped=False)
    search = MetaSearch(store, dict(task.meta), max_t=task.max_step, seed=seed, learn=False)
    return search, MetaScheduler(search)


def _regret(task: Task, reports: Sequence[Report]) -> float:
    return float(task.reference.regret(np.array([report.score for report in reports])).min(initial=1.0))


def table(regrets: Mapping[str, FloatArray]) -> Rows:
    """Mean regret of the first, the middle and the last sweeps, one row per method, after a row of names.

    Args:
        regrets: for each method, shape ``(repetitions, sweeps)``.
    """
    count = next(iter(regrets.values())).shape[1]
    parts = [range(first, min(first + THIRD, count)) for first in range(0, count, THIRD)]
    rows = [["sweep", *(f"{part[0] + 1} to {part[-1] + 1}" for part in parts), "all"]]
    for method, own in regrets.items():
        means = [with_error(own[:, list(part)].mean(axis=1)) for part in parts]
        rows.append([method, *means, with_error(own.mean(axis=1))])
    return rows


def _write(lives: Mapping[Life, Mapping[str, Any]], out: Path) -> str:
    methods = dict.fromkeys(life.method for life in lives)
    regrets = {m: np.array([told["regret"] for life, told in lives.items() if life.method == m]) for m in methods}
    rows, life = table(regrets), next(iter(lives))
    text = (
        f"## The life of a store, really trained\n\nNormalised regret {life.seconds:g} s after the first result of a "
        f"sweep, by the number of the sweep; {len(life.tasks)} sweeps in {len(regrets[life.method])} orders, ± the "
        f"standard error over orders.\n\n{markdown(rows)}\n\n{line_about(lives.values())}"
    )
    (out / "real-life.md").write_text(text + "\n", encoding="utf-8")
    write_csv(out / "real-life.csv", rows)
    return text
