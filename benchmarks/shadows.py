"""Sweeps in which nothing is stopped, with what every rule would have stopped: what certificates are made and tried on.

A sweep is MetaHP's own, in shadow mode: `TRIALS` trials on 4 simulated workers, each decision taken and none carried
out. So it is known when every threshold would have stopped whom, and what would have become of them. Each is kept in a
file of its own, ``certify/HISTORY/TASK__SWEEP.json``.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from benchmarks.cells import Cell
from benchmarks.files import save_json
from benchmarks.history import past_of
from benchmarks.methods.registry import Setting, method_named
from benchmarks.provenance import about_this_run
from benchmarks.simulator import Replay, simulate
from benchmarks.tasks import Task, load_task
from metahp import halving
from metahp.models import load_or_fit
from metahp.policy import Policy
from metahp.sweep_losses import SweepLosses, Watched, losses_of
from metahp.types import Action, FloatArray, LearningCurve, Measurement, Trial, TrialStatus

TRIALS, WORKERS = 40, 4
_ENDS = {"COMPLETE": TrialStatus.COMPLETED, "ERROR": TrialStatus.ERRORED}


@dataclass(frozen=True, slots=True)
class Asked:
    """A shadow sweep that is wanted.

    Attributes:
        task: full name.
        history: one of `benchmarks.history.HISTORIES`.
        repetition: counts from 0.
    """

    task: str
    history: str
    repetition: int = 0

    @property
    def family(self) -> str:
        """Of the task, where all kinds of one origin are one."""
        return self.task.partition("/")[0].partition("-")[0]

    @property
    def seed(self) -> int:
        """As in the other benchmarks."""
        return Cell(self.task, "meta-search", self.history, self.repetition).seed

    @property
    def path(self) -> Path:
        """Its file, relative to the directory of the results."""
        return Path("certify") / self.history / f"{self.task.replace('/', '__')}__{self.repetition}.json"


@dataclass(frozen=True)
class ShadowSweep:
    """A sweep in which nothing was stopped.

    Attributes:
        asked: what it is.
        trials: of the sweep.
        asha_steps: at which ASHA would have stopped each, None where it would not.
    """

    asked: Asked
    trials: tuple[Watched, ...]
    asha_steps: tuple[int | None, ...]

    @cached_property
    def losses(self) -> SweepLosses:
        """As evidence."""
        return SweepLosses(self.asked.task, losses_of(self.trials))


def make_shadow(asked: Asked, out: Path) -> None:
    """Sweeps and writes the file."""
    task = load_task(asked.task)
    with tempfile.TemporaryDirectory() as directory:
        past = past_of(task, asked.history, Path(directory))
        policy = Policy(load_or_fit(past.store))
        searcher, scheduler = method_named("meta-search").build(Setting(task, past, asked.seed))
        replay = simulate(task, searcher, scheduler, workers=WORKERS, num_samples=TRIALS, seed=asked.seed)
        trials = _judged(task, replay, policy)
    save_json(out / asked.path, {"trials": trials, **about_this_run()})


def read_shadow(asked: Asked, out: Path) -> ShadowSweep:
    """What a file says."""
    trials = json.loads((out / asked.path).read_text())["trials"]
    seen = tuple(watched(each["scores"], each["chances"]) for each in trials)
    return ShadowSweep(asked, seen, tuple(each["asha_step"] for each in trials))


def _judged(task: Task, replay: Replay, policy: Policy) -> list[dict[str, object]]:
    """Every report in its order, and what would have been decided at it, from the trials that had begun by then."""
    sweep = task.sweep(task.name)
    trials = [Trial(str(n), config, LearningCurve(), TrialStatus.RUNNING) for n, config in enumerate(replay.configs)]
    chances: list[list[tuple[int, float]]] = [[] for _ in trials]
    asha: list[int | None] = [None] * len(trials)
    newest = WORKERS - 1
    for event in replay.events:
        old, newest = trials[event.trial], max(newest, event.trial)
        if event.decision in _ENDS:
            trials[event.trial] = replace(old, status=_ENDS[event.decision])
            continue
        curve = old.curve.extended(Measurement(event.step, event.score))
        trials[event.trial] = trial = replace(old, curve=curve)
        begun = trials[: newest + 1]
        decision = policy.decide(sweep, begun, trial)
        if decision.is_predicted:
            chances[event.trial].append((event.step, decision.probability))
        if asha[event.trial] is None and halving.decide(sweep, begun, trial).action is Action.STOP:
            asha[event.trial] = event.step
        if event.step >= task.max_step:
            trials[event.trial] = replace(trial, status=TrialStatus.COMPLETED)
    return [
        {"chances": chances[n], "asha_step": asha[n], "scores": signed(task, trial.curve.values)}
        for n, trial in enumerate(trials)
    ]


def signed(task: Task, values: FloatArray) -> list[float | None]:
    """Scores as they are kept: the larger the better, None for what is not finite."""
    return [task.mode.sign * float(value) if math.isfinite(value) else None for value in values]


def watched(scores: Sequence[float | None], chances: Sequence[tuple[int, float]] = ()) -> Watched:
    """A trial whose scores were kept as `signed` gives them."""
    known = (-math.inf if score is None else score for score in scores)
    return Watched(tuple(enumerate(known, 1)), tuple((step, chance) for step, chance in chances))
