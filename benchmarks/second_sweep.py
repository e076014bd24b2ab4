"""Question: does the second sweep on a related task start ahead of a first one?

Command: ``python -m benchmarks second-sweep --tasks synthetic-plain,synthetic-crossing,lcbench --seeds 5``; it writes
``second_sweep.md``, ``.csv`` and ``.png`` beside the result files it makes them from, and `figures/second_sweep.png`,
which the README shows, is such a picture.

A user sweeps one task with MetaHP and an empty store, then a related task, once with the store that the first sweep
left behind and once with an empty one; same seeds, same budget. Pairs are neighbours in their family: 0 then 1, 2 then
3, and so on. The differences are paired, with 95 % bootstrap intervals over pairs and seeds. The store holds one sweep
of 4 full trainings' worth of steps: the least help there can be.

Numbers to expect (3 pairs × 5 seeds, a minute a family on two cores; regret with the store minus without):

======================  ======================  ======================  ======================
family                  @0.5                    @1                      @4
======================  ======================  ======================  ======================
``synthetic-plain``     -.212 [-.360, -.041]    -.224 [-.388, -.029]    -.034 [-.098, +.045]
``synthetic-crossing``  +.018 [-.003, +.037]    +.021 [-.011, +.057]    -.072 [-.142, +.004]
``lcbench``             -.024 [-.085, +.023]    -.039 [-.095, +.000]    -.032 [-.113, +.041]
======================  ======================  ======================  ======================

So ahead at the ends, though established for one of the three only, and there up to two trainings. An empty store begins
with what ships, which knows LCBench's hyperparameters under other names and is misleading in ``synthetic-plain``, where
a learning rate is a name for anything; it has a say in three trials. When it had one in all, the empty stores of an
earlier version ended at .14 and .51 on these two, in place of .08 and .32.
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

from benchmarks.files import save_json
from benchmarks.history import Past, history_of, untold
from benchmarks.methods.registry import METHODS, Setting
from benchmarks.pictures import pyplot, save_figure
from benchmarks.processes import with_progress
from benchmarks.provenance import about_this_run, line_about
from benchmarks.report import markdown, with_interval, write_csv
from benchmarks.simulator import Replay, simulate
from benchmarks.statistics import band
from benchmarks.tasks import Task, load_task, load_tasks
from metahp.types import FloatArray

CHECKPOINTS = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two related tasks and a repetition.

    Attributes:
        first: full name of the task that is swept first.
        second: full name of the one after it.
        repetition: counts from 0.
        trainings: the budget of each sweep, in full trainings' worth of steps.
    """

    first: str
    second: str
    repetition: int
    trainings: float

    @property
    def seed(self) -> int:
        """Its own for every pair and repetition."""
        return zlib.crc32(f"{self.first}>{self.second}:{self.repetition}".encode())

    @property
    def path(self) -> Path:
        """Its file, relative to the directory of the results."""
        names = f"{self.first}__{self.second}".replace("/", "-")
        return Path("second-sweep") / f"{self.trainings:g}" / f"{names}__{self.repetition}.json"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The second sweep of a pair, with and without the first one's store.

    Attributes:
        pair: the tasks and the repetition.
        without: shape ``(n,)``: regret of the best so far after each training step.
        with_store: the same with the store.
        max_step: steps of a full training of the second task.
        facts: commit, versions, machine.
    """

    pair: Pair
    without: FloatArray
    with_store: FloatArray
    max_step: int
    facts: Mapping[str, Any]


def run_second_sweep(
    tasks: str, seeds: int, out: Path, *, pairs: int = 3, trainings: float = 4.0, jobs: int = 1
) -> str:
    """Runs the pairs of all families that have no file yet; writes ``second_sweep.md``, ``.csv`` and ``.png``.

    Args:
        tasks: a selection as for `benchmarks.tasks.load_tasks`.
        seeds: repetitions of each pair.
        out: directory of the results.
        pairs: at most so many pairs of a family.
        trainings: the budget of each sweep, in full trainings' worth of steps.
        jobs: processes.

    Returns:
        the table as Markdown.

    Raises:
        ValueError: a task that does not exist, or none that has a neighbour.
        TaskDataMissingError: the data of the tasks are not beside the project.
    """
    wanted = [
        Pair(first.name, second.name, repetition, trainings)
        for first, second in _pairs(load_tasks(tasks), pairs)
        for repetition in range(seeds)
    ]
    if not wanted:
        raise ValueError(f"{tasks!r} holds no two tasks of one family; name a whole family, e.g. synthetic-plain")
    todo = [pair for pair in wanted if not (out / pair.path).exists()]
    for comparison in with_progress("pairs", compare, todo, jobs):
        _save(comparison, out)
    return _write([_load(pair, out) for pair in wanted], out)


def compare(pair: Pair) -> Comparison:
    """Runs the three sweeps of one pair."""
    first, second = load_task(pair.first), load_task(pair.second)
    with tempfile.TemporaryDirectory() as directory:
        nothing = Past((), Path(directory) / "empty", shipped=untold(second))
        own = history_of(first, _sweep(first, nothing, pair.seed, pair.trainings))
        past = Past((own,), Path(directory) / "one", shipped=untold(second))
        without = _sweep(second, nothing, pair.seed + 1, pair.trainings)
        helped = _sweep(second, past, pair.seed + 1, pair.trainings)
    steps = round(pair.trainings * second.max_step)
    return Comparison(
        pair, _regret(second, without, steps), _regret(second, helped, steps), second.max_step, about_this_run()
    )


def table(results: Sequence[Comparison]) -> list[list[str]]:
    """One row per family and checkpoint, after a row that names the columns."""
    rows = [["family", "full trainings", "empty store", "store of one sweep", "difference [95 %]"]]
    for family, (without, helped, trainings) in curves(results).items():
        for budget in (checkpoint for checkpoint in CHECKPOINTS if checkpoint <= trainings[-1]):
            step = int(np.searchsorted(trainings, budget))
            means = (f"{without[:, :, step].mean():.3f}", f"{helped[:, :, step].mean():.3f}")
            difference = with_interval(helped[:, :, step] - without[:, :, step])
            rows.append([family, f"{budget:g}", *means, difference])
    return rows


def curves(results: Sequence[Comparison]) -> dict[str, tuple[FloatArray, FloatArray, FloatArray]]:
    """Per family: regret without and with the store, each ``(pairs, seeds, n)``, and the ``(n,)`` full trainings."""
    found = {}
    for family in sorted({result.pair.second.partition("/")[0] for result in results}):
        own = sorted(
            (result for result in results if result.pair.second.startswith(f"{family}/")),
            key=lambda result: (result.pair.first, result.pair.repetition),
        )
        shape = (len({result.pair.first for result in own}), -1, len(own[0].without))
        without = np.array([result.without for result in own]).reshape(shape)
        helped = np.array([result.with_store for result in own]).reshape(shape)
        found[family] = (without, helped, np.arange(1, shape[-1] + 1) / own[0].max_step)
    return found


def draw(results: Sequence[Comparison], path: Path) -> None:
    """Mean regret over the budget of a sweep with an empty store and with one sweep's, with 95 % bands."""
    plt = pyplot()
    families = curves(results)
    figure, axes = plt.subplots(1, len(families), figsize=(1.0 + 3.4 * len(families), 3.2), sharey=True, squeeze=False)
    for panel, (family, (without, helped, trainings)) in zip(axes[0], families.items(), strict=True):
        for regret, label, colour in ((without, "empty store", "0.45"), (helped, "after one related sweep", "C0")):
            panel.fill_between(trainings, *band(regret), color=colour, alpha=0.2, linewidth=0)
            panel.plot(trainings, regret.mean(axis=(0, 1)), color=colour, label=label)
        panel.set(xscale="log", xlabel="budget in full trainings", title=family, ylim=(0, None))
        panel.set_xticks([0.1, 0.5, 1, 2, 4], ["0.1", "0.5", "1", "2", "4"])
        panel.set_xlim(trainings[max(len(trainings) // 40 - 1, 0)], trainings[-1])
        panel.minorticks_off()
    axes[0, 0].set_ylabel("normalised regret")
    axes[0, -1].legend(frameon=False, fontsize="small")
    save_figure(figure, path)


def _pairs(tasks: Sequence[Task], most: int) -> list[tuple[Task, Task]]:
    """Neighbours within each family, no task twice."""
    families: dict[str, list[Task]] = {}
    for task in tasks:
        families.setdefault(task.family, []).append(task)
    return [pair for own in families.values() for pair in list(zip(own[::2], own[1::2], strict=False))[:most]]


def _sweep(task: Task, past: Past, seed: int, trainings: float) -> Replay:
    searcher, scheduler = METHODS["meta"].build(Setting(task, past, seed))
    return simulate(task, searcher, scheduler, max_reports=round(trainings * task.max_step), seed=seed)


def _regret(task: Task, replay: Replay, steps: int) -> FloatArray:
    """Of the best so far after each of so many steps; the last value stays where a sweep ended before."""
    regret = task.reference.best_so_far(np.array([event.score for event in replay.reports]))
    return np.concatenate([regret, np.full(steps - len(regret), regret[-1])])


def _save(comparison: Comparison, out: Path) -> None:
    regrets = {name: getattr(comparison, name).round(6).tolist() for name in ("without", "with_store")}
    about = {**asdict(comparison.pair), "max_step": comparison.max_step, **comparison.facts}
    save_json(out / comparison.pair.path, {**about, **regrets})


def _load(pair: Pair, out: Path) -> Comparison:
    about = json.loads((out / pair.path).read_text(encoding="utf-8"))
    return Comparison(pair, np.array(about["without"]), np.array(about["with_store"]), about["max_step"], about)


def _write(results: Sequence[Comparison], out: Path) -> str:
    rows = table(results)
    repetitions = 1 + max(result.pair.repetition for result in results)
    pairs = len({(result.pair.first, result.pair.second) for result in results})
    text = (
        "## The second sweep\n\nNormalised regret of the best so far in a sweep with an empty store, and in the same "
        f"one with a store of one sweep of a related task; {pairs} pairs × {repetitions} seeds.\n\n{markdown(rows)}\n\n"
        f"{line_about(result.facts for result in results)}"
    )
    (out / "second_sweep.md").write_text(text + "\n", encoding="utf-8")
    write_csv(out / "second_sweep.csv", rows)
    draw(results, out / "second_sweep.png")
    return text
