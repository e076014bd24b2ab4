"""Question: how long does a method think, per suggestion and per result, as a sweep grows?

Command: ``python -m benchmarks overhead --methods random,tpe,meta --out results``.

One long sweep per method on a synthetic task: the seconds inside ``suggest``, ``on_trial_result`` (searcher and
scheduler together) and ``on_trial_complete`` are taken apart at every call and reported by the number of results seen
before, as medians and as multiples of random search with FIFO in the same run. Ray's driver is one thread: while it
thinks, finished workers wait.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from benchmarks.history import past_of
from benchmarks.methods.registry import Setting, method_named
from benchmarks.replay import about_this_run
from benchmarks.report import markdown, write_csv
from benchmarks.simulator import simulate
from benchmarks.tasks import load_task

TASK = "synthetic-plain/0"
BASELINE = "random"


@dataclass
class Stopwatch:
    """Notes how long calls take, and after how many results.

    Attributes:
        suggestions: ``(results seen, seconds)`` of each.
        results: the same, for what searcher and scheduler make of one result.
    """

    suggestions: list[tuple[int, float]] = field(default_factory=list)
    results: list[tuple[int, float]] = field(default_factory=list)

    def watch(self, searcher: Searcher, scheduler: TrialScheduler) -> None:
        """Times these two from now on."""
        searcher.suggest = self._timed(searcher.suggest, self._note_suggestion)
        searcher.on_trial_result = self._timed(searcher.on_trial_result, self._add_to_result)
        scheduler.on_trial_result = self._timed(scheduler.on_trial_result, self._note_result)

    def _timed(self, call: Callable[..., Any], note: Callable[[float], None]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            began = perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                note(perf_counter() - began)

        return timed

    def _note_suggestion(self, seconds: float) -> None:
        self.suggestions.append((len(self.results), seconds))

    def _note_result(self, seconds: float) -> None:
        self.results.append((len(self.results), seconds))

    def _add_to_result(self, seconds: float) -> None:
        """The scheduler hears of a result first, then the searcher."""
        seen, scheduler_s = self.results[-1]
        self.results[-1] = (seen, scheduler_s + seconds)


def run_overhead(methods: Sequence[str], out: Path, *, results: int = 1000, history: str = "other-tasks") -> str:
    """Times one sweep per method; writes ``overhead.md`` and ``.csv`` into ``out``.

    Args:
        methods: names in the registry; the baseline is run in any case.
        out: directory of the results.
        results: how many a sweep has.
        history: one of `benchmarks.history.HISTORIES`.

    Returns:
        the table as Markdown.

    Raises:
        ValueError: a method or a history that does not exist.
    """
    watches = {name: _watched(name, results, history) for name in dict.fromkeys([BASELINE, *methods])}
    rows = [
        ["method", "results seen", "ms per suggestion", "ms per result", "p95 result", "× random: suggestion", "result"]
    ]
    for name, watch in watches.items():
        rows += [_row(name, watch, watches[BASELINE], low, high) for low, high in _ranges(results)]
    out.mkdir(parents=True, exist_ok=True)
    facts = about_this_run()
    text = (
        f"## Overhead\n\nMedians within a sweep of {results} results on {TASK}, history {history}.\n\n{markdown(rows)}"
        f"\n\nCommit {facts['commit'][:10]}{'+' * facts['changed']}; {facts['machine']}."
    )
    (out / "overhead.md").write_text(text + "\n", encoding="utf-8")
    write_csv(out / "overhead.csv", rows)
    return text


def _watched(name: str, results: int, history: str) -> Stopwatch:
    method, task = method_named(name), load_task(TASK)
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as directory:
        past = past_of(task, history if method.learns else "none", Path(directory))
        if method.trains and past.sweeps:
            past.train()  # now, so that the first suggestion does not
        searcher, scheduler = method.build(Setting(task, past, seed=0))
        watch.watch(searcher, scheduler)
        simulate(task, searcher, scheduler, max_reports=results)
    return watch


def _ranges(results: int) -> list[tuple[int, int]]:
    """From 0, 100, 300, 1000, … results to the next."""
    edges = [edge for edge in (0, 100, 300, 1000, 3000, 10_000, 30_000) if edge < results]
    return list(zip(edges, [*edges[1:], results], strict=True))


def _row(name: str, watch: Stopwatch, baseline: Stopwatch, low: int, high: int) -> list[str]:
    suggest, result = _median(watch.suggestions, low, high), _median(watch.results, low, high)
    p95 = np.quantile([seconds for seen, seconds in watch.results if low <= seen < high], 0.95)
    ratios = (
        suggest / _median(baseline.suggestions, 0, high),
        result / _median(baseline.results, 0, high),
    )
    times = [f"{1000 * seconds:.3f}" for seconds in (suggest, result, float(p95))]
    return [name, f"{low}–{high}", *times, *(f"{ratio:.0f}" for ratio in ratios)]


def _median(calls: Sequence[tuple[int, float]], low: int, high: int) -> float:
    """NaN where nothing was called in the range."""
    return float(np.median([seconds for seen, seconds in calls if low <= seen < high] or [np.nan]))
