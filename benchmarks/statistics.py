"""From outcomes to numbers: means with their errors, ranks, paired intervals, speed-ups.

The task is the unit: seeds are averaged first, and a standard error is one over tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.cells import Outcome
from metahp.types import FloatArray

BUDGETS = (0.5, 1.0, 2.0, 4.0, 10.0, 20.0)
BOOTSTRAPS = 2000
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Study:
    """The outcomes of several methods on the same tasks with the same seeds.

    Attributes:
        labels: of k methods.
        tasks: names of t tasks.
        outcomes: ``outcomes[label][task]`` holds s outcomes, one per seed, in the same order for every label.
        left_out: cells that not every method has.
    """

    labels: tuple[str, ...]
    tasks: tuple[str, ...]
    outcomes: dict[str, dict[str, list[Outcome]]]
    left_out: int

    def regrets(self, label: str, trainings: float) -> FloatArray:
        """Shape ``(t, s)``: normalised regret after so many full trainings' worth of steps."""
        return np.array([[own.at(trainings) for own in self.outcomes[label][task]] for task in self.tasks])

    def over_time(self, label: str, grid: FloatArray) -> FloatArray:
        """Shape ``(t, s, len(grid))``: normalised regret at simulated times, in median full trainings."""
        return np.array([[own.over_time(grid) for own in self.outcomes[label][task]] for task in self.tasks])

    def anytime(self, label: str, grid: FloatArray) -> FloatArray:
        """Shape ``(t, len(grid))``: regret over the budget, seeds averaged."""
        return np.array(
            [np.mean([[own.at(b) for b in grid] for own in self.outcomes[label][task]], axis=0) for task in self.tasks]
        )

    def of(self, label: str) -> list[Outcome]:
        """All outcomes of a method."""
        return [own for task in self.tasks for own in self.outcomes[label][task]]

    @property
    def budgets(self) -> list[float]:
        """Those of `BUDGETS` that the sweeps had."""
        return [budget for budget in BUDGETS if budget <= self.trainings]

    @property
    def trainings(self) -> float:
        """The budget in full trainings' worth of steps."""
        return self._first.cell.trainings

    @property
    def workers(self) -> int:
        """How many trials trained at once."""
        return self._first.cell.workers

    @property
    def max_step(self) -> int:
        """Steps of a full training."""
        return self._first.max_step

    @property
    def seeds(self) -> int:
        """Repetitions of each task."""
        return len(self.outcomes[self.labels[0]][self.tasks[0]])

    @property
    def _first(self) -> Outcome:
        return self.outcomes[self.labels[0]][self.tasks[0]][0]


def label_of(outcome: Outcome) -> str:
    """How a method is called in tables: with its history, if it had one."""
    cell = outcome.cell
    return cell.method if cell.history == "none" else f"{cell.method} ({cell.history})"


def studies(outcomes: Sequence[Outcome]) -> list[Study]:
    """One study for each family of tasks, number of workers and budget."""
    groups: dict[tuple[str, int, float], list[Outcome]] = {}
    for outcome in outcomes:
        cell = outcome.cell
        groups.setdefault((cell.task.partition("/")[0], cell.workers, cell.trainings), []).append(outcome)
    return [paired_study(group) for group in groups.values()]


def paired_study(outcomes: Sequence[Outcome]) -> Study:
    """The (task, seed) pairs that every method has."""
    found: dict[str, dict[tuple[str, int], Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(label_of(outcome), {})[outcome.cell.task, outcome.cell.repetition] = outcome
    shared = sorted(set.intersection(*(set(own) for own in found.values())))
    tasks = tuple(dict.fromkeys(task for task, _ in shared))
    per_task = {task: [seed for name, seed in shared if name == task] for task in tasks}
    seeds = min((len(own) for own in per_task.values()), default=0)
    by_label = {
        label: {task: [own[task, seed] for seed in per_task[task][:seeds]] for task in tasks}
        for label, own in found.items()
    }
    return Study(tuple(found), tasks, by_label, len(outcomes) - len(found) * seeds * len(tasks))


def standard_error(by_task: FloatArray) -> float:
    """Of the mean over tasks; NaN for a single one."""
    return float(np.std(by_task, ddof=1) / len(by_task) ** 0.5) if len(by_task) > 1 else float("nan")


def paired_interval(differences: FloatArray) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of paired differences ``(t, s)``."""
    low, high = band(differences[:, :, None])
    return float(low[0]), float(high[0])


def band(curves: FloatArray) -> tuple[FloatArray, FloatArray]:
    """95 % bootstrap band ``(n,), (n,)`` of the mean of curves ``(t, s, n)``; tasks are drawn, then seeds in them."""
    rng = np.random.default_rng(0)
    t, s, n = curves.shape
    tasks = rng.integers(t, size=(BOOTSTRAPS, t, 1))
    drawn = (tasks * s + rng.integers(s, size=(BOOTSTRAPS, t, s))).reshape(BOOTSTRAPS, t * s)
    weights = np.zeros((BOOTSTRAPS, t * s))
    np.add.at(weights, (np.arange(BOOTSTRAPS)[:, None], drawn), 1.0 / (t * s))
    low, high = np.quantile(weights @ curves.reshape(t * s, n), (0.025, 0.975), axis=0)
    return low, high


def mean_ranks(study: Study, trainings: float) -> dict[str, float]:
    """The mean over tasks of each method's rank, 1 for the best; ties share."""
    table = np.array([study.regrets(label, trainings).mean(axis=1) for label in study.labels])
    better = (table[None] < table[:, None]).sum(axis=1)
    equal = (table[None] == table[:, None]).sum(axis=1)
    ranks = (better + (equal + 1) / 2).mean(axis=1)
    return dict(zip(study.labels, (float(rank) for rank in ranks), strict=True))


def critical_difference(methods: int, tasks: int) -> float:
    """Mean ranks closer than this do not differ at the 5 % level (Nemenyi; Demšar 2006)."""
    from scipy.stats import studentized_range  # type: ignore[import-untyped]

    q = studentized_range.ppf(0.95, methods, np.inf) / 2**0.5
    return float(q * (methods * (methods + 1) / (6.0 * tasks)) ** 0.5)


def area(study: Study, label: str) -> float:
    """Mean regret over the budget, from the first step to the last."""
    return float(np.mean([np.mean(outcome.regret) for outcome in study.of(label)]))


def speed_up(study: Study, label: str, baseline: str) -> float:
    """How many times fewer steps than the baseline until its final mean regret is reached; 0 where it never is."""
    return _times_fewer(*(_every_step(study, name).mean(axis=0) for name in (label, baseline)))


def speed_up_by_task(study: Study, label: str, baseline: str) -> FloatArray:
    """Shape ``(t,)``: the same for each task alone, seeds averaged."""
    own, theirs = _every_step(study, label), _every_step(study, baseline)
    return np.array([_times_fewer(*pair) for pair in zip(own, theirs, strict=True)])


def _every_step(study: Study, label: str) -> FloatArray:
    """Regret after each step, shape ``(t, n)``."""
    return study.anytime(label, np.arange(1, round(study.trainings * study.max_step) + 1) / study.max_step)


def _times_fewer(own: FloatArray, baseline: FloatArray) -> float:
    """The last step over that at which ``own`` is as good as the baseline is at the last one; 0 if it never is."""
    reached = np.flatnonzero(own <= baseline[-1] + _ROUNDING)
    return len(baseline) / (reached[0] + 1) if reached.size else 0.0
