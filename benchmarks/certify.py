"""Question: does a certified threshold keep its word, and what does it cost?

Command: ``python -m benchmarks certify --tasks lcbench,taskset --seeds 2 --out results``; about ten minutes.

Every task is swept by MetaHP with the other tasks' history and `TRIALS` trials, in shadow mode: each decision is taken
and none carried out, so that it is known what every threshold would have stopped, when, and whether it would have won.
Then, 200 times: half of the tasks, by lot, give evidence (the trials that would have been stopped below a chance
of ``3 * max_false_prunes``: one of each sweep, as in `metahp.certificate`, or all of them), a threshold is certified
on it, and the other half of the tasks are swept with it. Reported are how often there was a certificate, the share of
the stopped trials that would have won, how often that came to more than was allowed where it was certified, in how many
sweeps a winner was lost, and the epochs that were trained; beside the same without a certificate, and for ASHA on the
same trials. The share of all tasks together is what a certificate speaks of: where half of the tasks look better than
all, the other half must look worse.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.cells import Cell
from benchmarks.files import save_json
from benchmarks.history import past_of
from benchmarks.methods.registry import Setting, method_named
from benchmarks.processes import with_progress
from benchmarks.provenance import about_this_run, line_about
from benchmarks.report import Rows, markdown, write_csv
from benchmarks.simulator import Replay, simulate
from benchmarks.tasks import Task, load_task, load_tasks
from metahp import halving
from metahp.certificate import Certificate, Evidence, certificate
from metahp.models import load_or_fit
from metahp.policy import MAX_FALSE_PRUNES, Policy
from metahp.types import Action, LearningCurve, Measurement, Trial, TrialStatus

TRIALS, SPLITS, CONFIDENCE = 40, 200, 0.9
USUAL = 3.0 * MAX_FALSE_PRUNES


@dataclass(frozen=True, slots=True)
class Shadow:
    """A trial of a sweep in which nothing was stopped.

    Attributes:
        task: of the sweep.
        sweep: the sweep's number among those of the task.
        chances: ``(step, chance)`` of each decision that was predicted.
        asha_step: at which ASHA would have stopped it, None where it would not.
        steps: to which it came.
        won: whether it was the best of its sweep.
    """

    task: str
    sweep: int
    chances: tuple[tuple[int, float], ...]
    asha_step: int | None
    steps: int
    won: bool

    def stopped_at(self, threshold: float) -> int | None:
        """The step at which a threshold would have stopped it, None where it would not have."""
        return next((step for step, chance in self.chances if chance < threshold), None)

    @property
    def lowest(self) -> float:
        """The smallest chance that it was ever given, infinite where none was."""
        return min((chance for _, chance in self.chances), default=math.inf)


def run_certify(tasks: str, seeds: int, out: Path, *, jobs: int = 1) -> str:
    """Sweeps every task that has no file yet, then certifies; writes ``certify.md`` and ``.csv``.

    Args:
        tasks: a selection as for `benchmarks.tasks.load_tasks`.
        seeds: sweeps of each task.
        out: directory of the results.
        jobs: processes.

    Returns:
        the table as Markdown.

    Raises:
        ValueError: a task that does not exist.
        TaskDataMissingError: the data of the tasks are not beside the project.
    """
    paths = {task.name: out / "certify" / f"{task.name.replace('/', '__')}.json" for task in load_tasks(tasks)}
    todo = [name for name, path in paths.items() if not path.exists()]
    for name, data in with_progress("tasks", partial(shadows, seeds=seeds), todo, jobs):
        save_json(paths[name], {"trials": data, **about_this_run()})
    trials = [_shadow(each) for path in paths.values() for each in json.loads(path.read_text())["trials"]]
    rows = table(trials)
    text = (
        f"## Certified thresholds\n\n{len(paths)} tasks × {seeds} sweeps of {TRIALS} trials; {SPLITS} times, half "
        f"of the tasks give the evidence and the others are swept; `max_false_prunes` {MAX_FALSE_PRUNES:g}, confidence "
        f"{CONFIDENCE:g}.\n\n{markdown(rows)}\n\n{line_about([about_this_run()])}"
    )
    (out / "certify.md").write_text(text + "\n", encoding="utf-8")
    write_csv(out / "certify.csv", rows)
    return text


def shadows(name: str, seeds: int) -> tuple[str, list[dict[str, object]]]:
    """The task's name and the trials of its sweeps, as JSON."""
    task, found = load_task(name), []
    with tempfile.TemporaryDirectory() as directory:
        past = past_of(task, "other-tasks", Path(directory))
        policy = Policy(load_or_fit(past.store))
        for repetition in range(seeds):
            seed = Cell(name, "meta-search", "other-tasks", repetition).seed
            searcher, scheduler = method_named("meta-search").build(Setting(task, past, seed))
            replay = simulate(task, searcher, scheduler, workers=4, num_samples=TRIALS, seed=seed)
            found += _judged(task, repetition, replay, policy)
    return name, found


def _judged(task: Task, repetition: int, replay: Replay, policy: Policy) -> list[dict[str, object]]:
    """Every report in its order, and what would have been decided at it."""
    sweep = task.sweep(f"{task.name} {repetition}")
    trials = [Trial(str(n), config, LearningCurve(), TrialStatus.RUNNING) for n, config in enumerate(replay.configs)]
    chances: list[list[tuple[int, float]]] = [[] for _ in trials]
    asha: list[int | None] = [None] * len(trials)
    for event in replay.reports:
        old = trials[event.trial]
        curve = old.curve.extended(Measurement(event.step, event.score))
        trials[event.trial] = trial = Trial(old.trial_id, old.config, curve, old.status)
        decision = policy.decide(sweep, trials, trial)
        if decision.is_predicted:
            chances[event.trial].append((event.step, decision.probability))
        if asha[event.trial] is None and halving.decide(sweep, trials, trial).action is Action.STOP:
            asha[event.trial] = event.step
    best = [trial.curve.best(sweep.mode) for trial in trials]
    scores = np.array([-math.inf if score is None else sweep.mode.sign * score for score in best])
    return [
        {
            "task": task.name,
            "sweep": repetition,
            "chances": chances[n],
            "asha_step": asha[n],
            "steps": trial.curve.last_step,
            "won": bool(scores[n] == scores.max()),
        }
        for n, trial in enumerate(trials)
    ]


def _shadow(data: dict[str, object]) -> Shadow:
    return Shadow(**{**data, "chances": tuple(tuple(pair) for pair in data["chances"])})  # type: ignore[arg-type, attr-defined]


def table(trials: Sequence[Shadow]) -> Rows:
    """One row per rule, after a row that names the columns."""
    head = [
        "rule",
        "certified",
        "threshold",
        "false prunes",
        "more than allowed",
        "sweeps that lose their winner",
        "epochs",
    ]
    return [
        head,
        _row("certified, one trial of a sweep", trials, _one_of_each),
        _row("certified by all condemned trials", trials, _all),
        _row("the usual threshold, no certificate", trials, None),
        _row("ASHA", trials, None, asha=True),
    ]


Choice = Callable[[Sequence[Shadow], np.random.Generator], Sequence[Shadow]]


def _all(condemned: Sequence[Shadow], rng: np.random.Generator) -> Sequence[Shadow]:
    return condemned


def _one_of_each(condemned: Sequence[Shadow], rng: np.random.Generator) -> Sequence[Shadow]:
    shuffled = [condemned[place] for place in rng.permutation(len(condemned))]
    return list({(trial.task, trial.sweep): trial for trial in shuffled}.values())


def _row(name: str, trials: Sequence[Shadow], choice: Choice | None, *, asha: bool = False) -> list[str]:
    rng = np.random.default_rng(0)
    tasks = np.array(sorted({trial.task for trial in trials}))
    seen = []
    for _ in range(SPLITS):
        giving = set(rng.permutation(tasks)[: len(tasks) // 2])
        found = None if choice is None else _certified([t for t in trials if t.task in giving], choice, rng)
        threshold = USUAL if found is None else found.threshold
        promised = found is not None and found.is_certified
        swept = [trial for trial in trials if trial.task not in giving]
        seen.append((promised, threshold, *_outcome(swept, None if asha else threshold)))
    promises, thresholds, false, lost, epochs = np.array(seen).T
    judged = false if choice is None else false[promises > 0]
    shown = "–" if asha else f"{thresholds.mean():.3f} ({thresholds.min():.3f} to {thresholds.max():.3f})"
    above = f"{np.mean(judged > MAX_FALSE_PRUNES):.0%} of {len(judged)}" if len(judged) else "–"
    certified = "–" if choice is None else f"{promises.mean():.0%} of splits"
    return [name, certified, shown, f"{false.mean():.1%}", above, f"{lost.mean():.0%}", f"{epochs.mean():.0%}"]


def _certified(trials: Sequence[Shadow], choice: Choice, rng: np.random.Generator) -> Certificate:
    chosen = choice([trial for trial in trials if trial.lowest < USUAL], rng)
    return certificate([Evidence(t.lowest, USUAL, t.won) for t in chosen], MAX_FALSE_PRUNES, CONFIDENCE)


def _outcome(trials: Sequence[Shadow], threshold: float | None) -> tuple[float, float, float]:
    """Share of the stopped trials that would have won, of the sweeps that lose their winner, of the epochs trained."""
    stops = [trial.asha_step if threshold is None else trial.stopped_at(threshold) for trial in trials]
    stopped = [trial for trial, stop in zip(trials, stops, strict=True) if stop is not None and stop < trial.steps]
    lost = {(trial.task, trial.sweep) for trial in stopped if trial.won}
    sweeps = {(trial.task, trial.sweep) for trial in trials}
    trained = sum(trial.steps if stop is None else stop for trial, stop in zip(trials, stops, strict=True))
    false = sum(trial.won for trial in stopped) / max(len(stopped), 1)
    return false, len(lost) / len(sweeps), trained / sum(trial.steps for trial in trials)
