"""Question: does a team's twentieth sweep start better than its first one?

Command: ``python -m benchmarks life --tasks lcbench --seeds 4``; it writes ``life.md``, ``.csv`` and ``.png`` beside
the result files it makes them from, and `figures/life.png`, which the README shows, is such a picture. Eight minutes on
two cores; a life that was run is not run again.

A team sweeps one task after another, all different, in an order drawn anew for each repetition. Every method has a
store of its own that holds what its own sweeps have seen, with the curves as it has cut them:

==================  ==================================================================================
``meta``            MetaHP: the predictor learns each sweep before the next one begins
``meta-blank``      the same, never retrained: every sweep begins with what ships
``portfolio+asha``  configurations that together were best on the past sweeps, the rest random; ASHA
``asha3``           random search with ASHA, which remembers nothing
==================  ==================================================================================

Numbers to expect (regret after one full training; sweep 1, 4 to 6, 16 to 20): ``meta`` .17 .10 -.01, ``portfolio+asha``
.50 .36 .29, ``asha3`` .50 .30 .35, ``meta-blank`` .17 .19 .21; and the tenth sweep of ``meta`` is after 8 times fewer
steps where its first ones were at their ends.

What does it cost a team, and what does it gain, that a share of what is to be stopped runs on? ``python -m benchmarks
life --tasks lcbench --seeds 4 --sweeps 10 --methods meta-audit-0,meta,meta-audit-20 --name audit`` writes ``audit.md``.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.files import save_json
from benchmarks.history import Past, history_of, untold
from benchmarks.methods.registry import Method, Setting, method_named
from benchmarks.pictures import pyplot, save_figure
from benchmarks.processes import with_progress
from benchmarks.provenance import about_this_run, line_about
from benchmarks.report import markdown, with_error, write_csv
from benchmarks.simulator import simulate
from benchmarks.statistics import band
from benchmarks.tasks import load_task, load_tasks
from metahp.types import FloatArray

LIVES = ("meta", "meta-blank", "portfolio+asha", "asha3")
BLANK = "-blank"
AFTER = 1.0
"""Full trainings after which sweeps are compared."""
PARTS = 40
"""Of the budget, at whose ends regret is kept."""


@dataclass(frozen=True, slots=True)
class Life:
    """The sweeps of one team by one method.

    Attributes:
        method: a name in the registry, or with `BLANK` behind it: with a store that stays empty.
        tasks: their full names, in the order in which they are swept.
        repetition: counts from 0.
        trainings: the budget of each sweep, in full trainings' worth of steps.
    """

    method: str
    tasks: tuple[str, ...]
    repetition: int
    trainings: float

    @property
    def path(self) -> Path:
        """Its file, relative to the directory of the results."""
        which = zlib.crc32(",".join(sorted(self.tasks)).encode())
        return Path("life") / f"{which:08x}-{self.trainings:g}" / f"{self.method}__{self.repetition}.json"


@dataclass(frozen=True, slots=True)
class Lived:
    """What came of it.

    Attributes:
        life: the sweeps.
        regret: shape ``(sweeps, n)``: of the best so far at n equal parts of each sweep's budget.
        facts: commit, versions, machine.
    """

    life: Life
    regret: FloatArray
    facts: Mapping[str, Any]


def run_lives(
    tasks: str,
    seeds: int,
    out: Path,
    *,
    methods: Sequence[str] = LIVES,
    name: str = "life",
    sweeps: int | None = None,
    trainings: float = 4.0,
    jobs: int = 1,
) -> str:
    """Runs what has no file yet; writes ``<name>.md``, ``.csv`` and ``.png``.

    Args:
        tasks: a selection as for `benchmarks.tasks.load_tasks`.
        seeds: repetitions, each in an order of its own.
        out: directory of the results.
        methods: names in the registry, or with ``-blank`` behind it.
        name: of the files.
        sweeps: of each life; None for all tasks.
        trainings: the budget of each sweep, in full trainings' worth of steps.
        jobs: processes.

    Returns:
        the table as Markdown.

    Raises:
        ValueError: a task or a method that does not exist.
        TaskDataMissingError: the data of the tasks are not beside the project.
    """
    names = [task.name for task in load_tasks(tasks)]
    for method in methods:
        unblanked(method)
    wanted = [
        Life(method, order_of(names, repetition)[:sweeps], repetition, trainings)
        for repetition in range(seeds)
        for method in methods
    ]
    todo = [life for life in wanted if not (out / life.path).exists()]
    for lived in with_progress("lives", live, todo, jobs):
        _save(lived, out)
    return _write([_load(life, out) for life in wanted], out, name)


def unblanked(name: str) -> tuple[Method, bool]:
    """A method by its name, perhaps with `BLANK` behind it, and whether its store stays empty.

    Raises:
        ValueError: no method is called so.
    """
    return method_named(name.removesuffix(BLANK)), name.endswith(BLANK)


def live(life: Life) -> Lived:
    """Sweeps one task after another."""
    method, blank = unblanked(life.method)
    regrets = []
    with tempfile.TemporaryDirectory() as directory:
        past = Past((), Path(directory), shipped=all(untold(load_task(name)) for name in life.tasks))
        for name in life.tasks:
            task, seed = load_task(name), zlib.crc32(f"{name}:{life.repetition}".encode())
            steps = round(life.trainings * task.max_step)
            searcher, scheduler = method.build(Setting(task, past, seed))
            replay = simulate(task, searcher, scheduler, max_reports=steps, seed=seed)
            scores = np.array([event.score for event in replay.reports])
            regrets.append(_parts(task.reference.best_so_far(scores), steps))
            if not blank:
                past = replace(past, sweeps=(*past.sweeps, history_of(task, replay)))
    return Lived(life, np.array(regrets), about_this_run())


def _parts(regret: FloatArray, steps: int) -> FloatArray:
    """The regret at `PARTS` equal parts of the budget; the last one stays where a sweep ended before."""
    at = np.ceil(np.arange(1, PARTS + 1) / PARTS * steps).astype(int) - 1
    parts: FloatArray = regret[np.minimum(at, len(regret) - 1)]
    return parts


def table(lives: Sequence[Lived]) -> list[list[str]]:
    """Mean regret by the number of earlier sweeps, one row per method, after a row that names the columns."""
    curves = by_method(lives, AFTER)
    groups = _groups(next(iter(curves.values())).shape[1])
    heads = [f"{first}" if first == last else f"{first} to {last}" for first, last in groups]
    rows = [["sweep", *heads, "tenth to the first's last regret, × fewer steps"]]
    for method, regret in curves.items():
        means = [with_error(regret[:, first - 1 : last].mean(axis=1)) for first, last in groups]
        rows.append([method, *means, _sooner(lives, method)])
    return rows


def by_method(lives: Sequence[Lived], trainings: float) -> dict[str, FloatArray]:
    """Per method the regret of each sweep after so many full trainings, shape ``(repetitions, sweeps)``."""
    part = round(trainings / lives[0].life.trainings * PARTS) - 1
    methods = dict.fromkeys(own.life.method for own in lives)
    return {m: np.array([own.regret[:, part] for own in lives if own.life.method == m]) for m in methods}


def draw(lives: Sequence[Lived], path: Path) -> None:
    """Mean regret of the k-th sweep, over five sweeps and all repetitions, with 95 % bands."""
    plt = pyplot()
    figure, panel = plt.subplots(figsize=(6, 3.6))
    for number, (method, regret) in enumerate(by_method(lives, AFTER).items()):
        sweeps = np.arange(1, regret.shape[1] + 1)
        windows = [regret[:, max(k - 3, 0) : k + 2] for k in sweeps]
        low, high = np.array([band(window[:, :, None]) for window in windows])[:, :, 0].T
        panel.fill_between(sweeps, low, high, color=f"C{number}", alpha=0.15, linewidth=0)
        panel.plot(sweeps, [window.mean() for window in windows], color=f"C{number}", label=method)
    panel.set(xlabel="the team's sweep, each of another task", ylabel="normalised regret after one full training")
    panel.set(ylim=(0, None), xlim=(1, sweeps[-1]), xticks=[1, *range(5, len(sweeps) + 1, 5)])
    panel.legend(frameon=False, fontsize="small")
    save_figure(figure, path)


def order_of(names: Sequence[str], repetition: int) -> tuple[str, ...]:
    """The order in which a repetition sweeps the tasks."""
    return tuple(np.random.default_rng(repetition).permutation(names).tolist())


def _groups(sweeps: int) -> list[tuple[int, int]]:
    """1, 2 to 3, 4 to 6, 7 to 10, and then by five."""
    edges = [first for first in (1, 2, 4, 7, 11, 16, 21, 26) if first <= sweeps]
    return [(first, following - 1) for first, following in zip(edges, [*edges[1:], sweeps + 1], strict=True)]


def _sooner(lives: Sequence[Lived], method: str) -> str:
    """How many times fewer steps the tenth sweeps need, on average, to the mean last regret of the first ones."""
    own = np.array([lived.regret for lived in lives if lived.life.method == method])
    if own.shape[1] < 10:
        return "–"
    first, tenth = own[:, :3].mean(axis=(0, 1)), own[:, 8:11].mean(axis=(0, 1))
    reached = np.flatnonzero(tenth <= first[-1])
    return f"{PARTS / (reached[0] + 1):.1f}" if len(reached) else "never"


def _save(lived: Lived, out: Path) -> None:
    content = {**asdict(lived.life), **lived.facts, "regret": lived.regret.round(6).tolist()}
    save_json(out / lived.life.path, content)


def _load(life: Life, out: Path) -> Lived:
    content = json.loads((out / life.path).read_text(encoding="utf-8"))
    return Lived(life, np.array(content["regret"]), content)


def _write(lives: Sequence[Lived], out: Path, name: str) -> str:
    rows = table(lives)
    repetitions = 1 + max(lived.life.repetition for lived in lives)
    text = (
        f"## The life of a store\n\nNormalised regret after {AFTER:g} full training, by the number of the sweep; "
        f"{len(lives[0].life.tasks)} sweeps in {repetitions} orders, ± the standard error over orders. *Tenth* stands "
        f"for the 9th to the 11th sweep, *first* for the first three.\n\n{markdown(rows)}\n\n"
        f"{line_about(lived.facts for lived in lives)}"
    )
    (out / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    write_csv(out / f"{name}.csv", rows)
    draw(lives, out / f"{name}.png")
    return text
