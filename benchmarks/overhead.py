"""Question: how long does a method think, per suggestion and per result, as a sweep grows, and as the store grows?

Command: ``python -m benchmarks overhead --methods random,asha,tpe,meta --results 10000 --out results``;
five minutes on two cores.

One long sweep per method on a synthetic task: the seconds inside ``suggest`` and ``on_trial_result`` (searcher and
scheduler together) are taken apart at every call and reported by the number of results seen before, as medians and as
multiples of random search with FIFO in the same run. A method that has thought for two minutes starts no more trials,
so its rows end sooner. Ray's driver is one thread: while it thinks, finished workers wait.

The second table is about the store: seconds to train a predictor on so many past sweeps of several kinds, to teach it
one more, and what a suggestion and a result take then, in a sweep of 300 results.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from benchmarks.history import Past, past_of, past_sweep
from benchmarks.methods.registry import Setting, method_named
from benchmarks.provenance import about_this_run, line_about
from benchmarks.report import Rows, markdown, write_csv
from benchmarks.simulator import simulate
from benchmarks.tasks import Task, load_task, load_tasks
from metahp.keras_predictor import KerasPredictor
from metahp.types import SweepHistory

TASK = "synthetic-plain/0"
BASELINE = "random"
EDGES = (0, 100, 300, 1000, 3000, 10_000, 30_000, 100_000)
PATIENCE_S = 120.0
RESULTS_PER_STORE = 300


@dataclass
class Stopwatch:
    """Notes how long calls take, and after how many results.

    Attributes:
        suggestions: ``(results seen, seconds)`` of each.
        results: the same, for what searcher and scheduler make of one result.
        spent_s: seconds of all of them.
    """

    suggestions: list[tuple[int, float]] = field(default_factory=list)
    results: list[tuple[int, float]] = field(default_factory=list)
    spent_s: float = 0.0

    def watch(self, searcher: Searcher, scheduler: TrialScheduler) -> None:
        """Times these two from now on, and has the searcher finish when they have spent too long."""
        suggest = self._timed(searcher.suggest, self._note_suggestion)
        searcher.suggest = lambda trial: Searcher.FINISHED if self.spent_s > PATIENCE_S else suggest(trial)
        searcher.on_trial_result = self._timed(searcher.on_trial_result, self._add_to_result)
        scheduler.on_trial_result = self._timed(scheduler.on_trial_result, self._note_result)

    def _timed(self, call: Callable[..., Any], note: Callable[[float], None]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            began = perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                seconds = perf_counter() - began
                self.spent_s += seconds
                note(seconds)

        return timed

    def _note_suggestion(self, seconds: float) -> None:
        self.suggestions.append((len(self.results), seconds))

    def _note_result(self, seconds: float) -> None:
        self.results.append((len(self.results), seconds))

    def _add_to_result(self, seconds: float) -> None:
        """The scheduler hears of a result first, then the searcher."""
        seen, scheduler_s = self.results[-1]
        self.results[-1] = (seen, scheduler_s + seconds)


def run_overhead(
    methods: Sequence[str],
    out: Path,
    *,
    results: int = 1000,
    history: str = "other-tasks",
    sweeps: Sequence[int] = (1, 5, 15, 30),
) -> str:
    """Times one sweep per method, and learning from stores; writes ``overhead.md``, two ``.csv``.

    Args:
        methods: names in the registry; the baseline is run in any case.
        out: directory of the results.
        results: how many a sweep has.
        history: one of `benchmarks.history.HISTORIES`.
        sweeps: how many past sweeps the stores of the second table hold; none for no such table.

    Returns:
        the tables as Markdown.

    Raises:
        ValueError: a method or a history that does not exist.
    """
    watches = {name: _watched(name, results, history) for name in dict.fromkeys([BASELINE, *methods])}
    by_results, by_sweeps = table(watches, results), store_table(sweeps)
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / "overhead.csv", by_results)
    write_csv(out / "overhead-stores.csv", by_sweeps)
    text = (
        f"## Overhead\n\nMedians within a sweep of {results} results on {TASK}, history {history}.\n\n"
        f"{markdown(by_results)}\n\nBy the number of past sweeps in the store.\n\n{markdown(by_sweeps)}\n\n"
        f"{line_about([about_this_run()])}"
    )
    (out / "overhead.md").write_text(text + "\n", encoding="utf-8")
    return text


def table(watches: dict[str, Stopwatch], results: int) -> Rows:
    """One row per method and number of results seen, after a row that names the columns."""
    head = ["method", "results seen", "ms per suggestion", "ms per result", "p99 result"]
    rows = [[*head, "× random: suggestion", "result"]]
    edges = [edge for edge in EDGES if edge < results] + [results]
    for name, watch in watches.items():
        for low, high in pairwise(edges):
            if len(watch.results) > low:
                rows.append([name, f"{low}–{high}", *_numbers(watch, watches[BASELINE], low, high)])
    return rows


def _numbers(watch: Stopwatch, baseline: Stopwatch, low: int, high: int) -> list[str]:
    suggest, result = _median(watch.suggestions, low, high), _median(watch.results, low, high)
    p99 = np.quantile([seconds for seen, seconds in watch.results if low <= seen < high], 0.99)
    ratios = (
        suggest / _median(baseline.suggestions, 0, high),
        result / _median(baseline.results, 0, high),
    )
    return [*(f"{1000 * seconds:.3f}" for seconds in (suggest, result, float(p99))), *(f"{r:.0f}" for r in ratios)]


def _median(calls: Sequence[tuple[int, float]], low: int, high: int) -> float:
    """NaN where nothing was called in the range."""
    return float(np.median([seconds for seen, seconds in calls if low <= seen < high] or [np.nan]))


def _watched(name: str, results: int, history: str) -> Stopwatch:
    method, task = method_named(name), load_task(TASK)
    with tempfile.TemporaryDirectory() as directory:
        past = past_of(task, history if method.learns else "none", Path(directory))
        return _timed_sweep(name, task, past, results)


def _timed_sweep(name: str, task: Task, past: Past, results: int) -> Stopwatch:
    method, watch = method_named(name), Stopwatch()
    if method.trains and past.sweeps:
        past.train()  # now, so that the first suggestion does not
    searcher, scheduler = method.build(Setting(task, past, seed=0))
    watch.watch(searcher, scheduler)
    simulate(task, searcher, scheduler, max_reports=results)
    return watch


def store_table(sizes: Sequence[int]) -> Rows:
    """One row per number of past sweeps, after a row that names the columns."""
    rows = [["past sweeps", "trials", "s to train", "s to learn one more", "ms per suggestion", "ms per result"]]
    task = load_task(TASK)
    names = [other.name for other in load_tasks("synthetic") if other.name != task.name]
    return rows + [_store_row(task, [past_sweep(name) for name in names[: size + 1]]) for size in sizes]


def _store_row(task: Task, sweeps: Sequence[SweepHistory]) -> list[str]:
    """What all but the last sweep cost as a store; the last is the one more."""
    past, one_more, predictor = sweeps[:-1], sweeps[-1:], KerasPredictor()
    learning_s = [_seconds(predictor.fit, past), _seconds(predictor.update, one_more)]
    with tempfile.TemporaryDirectory() as directory:
        watch = _timed_sweep("meta", task, Past(tuple(past), Path(directory)), RESULTS_PER_STORE)
    medians = [_median(calls, 0, RESULTS_PER_STORE) for calls in (watch.suggestions, watch.results)]
    counts = [len(past), sum(len(history.trials) for history in past)]
    return [*map(str, counts), *(f"{s:.1f}" for s in learning_s), *(f"{1000 * s:.2f}" for s in medians)]


def _seconds(call: Callable[[Sequence[SweepHistory]], None], sweeps: Sequence[SweepHistory]) -> float:
    began = perf_counter()
    call(sweeps)
    return perf_counter() - began
