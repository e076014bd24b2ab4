"""Runs a sweep without training: W simulated workers, simulated time, Ray Tune's own searcher and scheduler objects.

`simulate` makes the calls of Ray 2.60's ``TuneController`` (``ray/tune/execution/tune_controller.py``) in its order:

* While fewer than one trial is PENDING (``max_concurrent`` under a ``ConcurrencyLimiter``) the searcher is asked for
  another: so one trial is always suggested ahead, and starts when a worker becomes free.
* Then ``choose_trial_to_run`` may take up a PAUSED trial, which queues behind what is queued already. As that method
  must be idempotent, it is left out where its answer cannot matter: nothing is paused, everything pending is queued.
* A result goes to the ``stop`` criteria first (then the scheduler is not asked), to the scheduler, to the searcher
  unless the trial is to STOP, and only then becomes ``trial.last_result``. STOP calls ``on_trial_complete`` of both.
* A training that ends by itself repeats its last result with ``done`` (Tune's function trainables): then
  ``on_trial_complete`` of both without ``on_trial_result``. One that dies: ``on_trial_error`` of the scheduler, then
  ``on_trial_complete(error=True)`` of the searcher.
* A searcher that has nothing to suggest is asked again after every event, and every second while nothing runs.

Every training reports a checkpoint with every result, as `PAUSE` needs it; starting, saving and resuming take no time,
and simultaneous events happen in the order in which they were scheduled. Not simulated: retries, buffered results,
reused actors, callbacks. Same task, objects and seed: the same decisions, byte for byte.
"""

from __future__ import annotations

import heapq
import math
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np
from ray.tune.execution.placement_groups import PlacementGroupFactory
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import ConcurrencyLimiter, Searcher

from benchmarks.tasks.task import Curve, Task
from metahp.types import Config
from metahp_searchers.ray_space import to_tune

ONE_CPU = PlacementGroupFactory([{"CPU": 1}])
IDLE_LIMIT_S = 600  # Tune's own patience with a searcher that suggests nothing while nothing runs


class SimulatedTrial:
    """What searchers and schedulers see of ``ray.tune.experiment.Trial``."""

    PENDING, RUNNING, PAUSED = TuneTrial.PENDING, TuneTrial.RUNNING, TuneTrial.PAUSED
    TERMINATED, ERROR = TuneTrial.TERMINATED, TuneTrial.ERROR

    def __init__(self, number: int, config: dict[str, Any], curve: Curve) -> None:
        self.number = number
        self.trial_id = f"{number:08x}"
        self.config = config
        self.evaluated_params = config
        self.experiment_tag = str(number)
        self.status = self.PENDING
        self.last_result: dict[str, Any] = {"trial_id": self.trial_id}
        self.latest_checkpoint_result: Any = None
        self.placement_group_factory = ONE_CPU
        self.is_saving = False  # saving takes no time
        self.run = 0  # counts starts and stops; an event of an earlier run is void
        self.steps_done = 0
        self.scores: list[float] = curve.scores.tolist()
        self.seconds: list[float] = curve.seconds.tolist()
        self.fails = curve.fails

    def __hash__(self) -> int:
        return self.number  # sets of trials iterate in the same order in every process

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return f"trial_{self.trial_id}"

    @property
    def checkpoint(self) -> Any:
        """The newest checkpoint, or None."""
        return self.latest_checkpoint_result and self.latest_checkpoint_result.checkpoint

    def is_finished(self) -> bool:
        """Whether it is over."""
        return self.status in (self.TERMINATED, self.ERROR)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a simulated sweep.

    Attributes:
        time_s: simulated seconds since the start.
        trial: the trial's number, in the order of suggestion.
        step: training steps that the trial has done.
        score: what it reported; NaN also for the end of a training.
        decision: CONTINUE, PAUSE, STOP or NOOP for a report; COMPLETE or ERROR for the end of a training.
        overhead_s: real seconds spent in the searcher and the scheduler so far.
    """

    time_s: float
    trial: int
    step: int
    score: float
    decision: str
    overhead_s: float


@dataclass(frozen=True, slots=True)
class Replay:
    """A simulated sweep from beginning to end.

    Attributes:
        task: the full name of the task.
        configs: of every trial, in the order of suggestion.
        statuses: Tune's word for how each trial stood at the end.
        events: in order.
        stalled: whether it ended because nothing ran and nothing was suggested.
    """

    task: str
    configs: tuple[Config, ...]
    statuses: tuple[str, ...]
    events: tuple[Event, ...]
    stalled: bool

    @property
    def reports(self) -> tuple[Event, ...]:
        """The events that cost one step of training."""
        return tuple(event for event in self.events if event.decision not in ("COMPLETE", "ERROR"))

    @property
    def decisions(self) -> tuple[tuple[int, int, str], ...]:
        """``(trial, step, decision)`` of every event: what must not change from one run to the next."""
        return tuple((event.trial, event.step, event.decision) for event in self.events)


def simulate(
    task: Task,
    searcher: Searcher,
    scheduler: TrialScheduler,
    *,
    workers: int = 4,
    max_reports: int | None = None,
    num_samples: int | None = None,
    stop: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Replay:
    """Runs a sweep until its budget is used up, or the searcher has no more.

    Args:
        task: gives the space and the curves.
        searcher: fresh; gets space, metric and mode as ``Tuner`` would give them.
        scheduler: fresh; gets metric and mode as ``Tuner`` would give them.
        workers: how many trials train at once.
        max_reports: the budget in training steps over all trials.
        num_samples: the number of trials.
        stop: as ``RunConfig.stop``: the value of a result's key at which a trial stops.
        seed: of the global generators of ``random`` and NumPy, from which some of Ray's schedulers draw.

    Raises:
        ValueError: neither budget is given, or the scheduler has a metric of its own.
    """
    if max_reports is None and num_samples is None:
        raise ValueError("simulate needs max_reports or num_samples; without either the sweep never ends")
    param_space = to_tune(task.space)
    spec = {"num_samples": num_samples or sys.maxsize, "stop": dict(stop or {})}
    if not searcher.set_search_properties(task.metric, task.mode.value, param_space, **spec):
        param_space = {}  # it brings a space of its own, so the user gives Tuner none
    if not scheduler.set_search_properties(task.metric, task.mode.value, **spec):
        raise ValueError(f"{type(scheduler).__name__} has a metric and a mode already; leave both to Tune")
    with _global_seed(seed):
        controller = Controller(task, searcher, scheduler, param_space, workers, num_samples, stop or {})
        return controller.run(max_reports)


class Controller:
    """The simulated ``TuneController``; public names are those that Tune lets a scheduler use."""

    def __init__(
        self,
        task: Task,
        searcher: Searcher,
        scheduler: TrialScheduler,
        param_space: dict[str, Any],
        workers: int,
        num_samples: int | None,
        stop: Mapping[str, float],
    ) -> None:
        self.search_alg = SimpleNamespace(searcher=searcher, metric=task.metric)  # as Tune's SearchGenerator
        self._task = task
        self._searcher = searcher
        self._scheduler = scheduler
        self._param_space = param_space
        self._free = workers
        self._left = float("inf") if num_samples is None else num_samples
        self._stop = stop
        self._max_pending = _max_pending(searcher)
        self._trials: list[SimulatedTrial] = []
        self._live: set[SimulatedTrial] = set()
        self._pending: dict[SimulatedTrial, None] = {}  # in the order in which they became so
        self._paused: dict[SimulatedTrial, None] = {}
        self._queue: list[SimulatedTrial] = []  # pending trials that wait for a worker
        self._heap: list[tuple[float, int, SimulatedTrial, int]] = []
        self._scheduled = 0
        self._now = 0.0
        self._overhead_s = 0.0
        self._reports = 0
        self._events: list[Event] = []

    # What a scheduler may call

    def get_trials(self) -> list[SimulatedTrial]:
        """Every trial, in the order of suggestion."""
        return self._trials

    def get_live_trials(self) -> set[SimulatedTrial]:
        """Every trial that is not over."""
        return self._live

    def stop_trial(self, trial: SimulatedTrial) -> None:
        """Ends a trial, whatever its status."""
        if trial.is_finished():
            return
        if trial.status == trial.RUNNING:
            result = dict(trial.last_result)
            self._scheduler.on_trial_complete(self, trial, result)
            self._searcher.on_trial_complete(trial_id=trial.trial_id, result=dict(result), error=False)
        else:
            self._scheduler.on_trial_remove(self, trial)
            self._searcher.on_trial_complete(trial_id=trial.trial_id, result=None, error=False)
        self._leave_worker(trial)
        self._set_trial_status(trial, trial.TERMINATED)

    def pause_trial(self, trial: SimulatedTrial, should_checkpoint: bool = True) -> None:
        """Takes a running trial from its worker; it goes on from its newest checkpoint when it is chosen again."""
        if trial.status == trial.RUNNING:
            self._leave_worker(trial)
            self._set_trial_status(trial, trial.PAUSED)

    def _set_trial_status(self, trial: SimulatedTrial, status: str) -> None:
        self._pending.pop(trial, None)
        self._paused.pop(trial, None)
        trial.status = status
        if status == trial.PENDING:
            self._pending[trial] = None
        elif status == trial.PAUSED:
            self._paused[trial] = None
        elif trial.is_finished():
            self._live.discard(trial)
            if trial in self._queue:
                self._queue.remove(trial)

    # The loop

    def run(self, max_reports: int | None) -> Replay:
        """Steps until the budget is used up or everything is over."""
        stalled = False
        while not stalled and self._reports != max_reports:
            self._ask_for_trials()
            self._queue_trials()
            if self._queue and self._free:
                self._start(self._queue.pop(0))
            elif self._heap:
                self._handle_event()
            elif self._left <= 0 and not self._live:
                break
            else:
                stalled = not self._wait_for_trials()
        configs = tuple(trial.config for trial in self._trials)
        statuses = tuple(trial.status for trial in self._trials)
        return Replay(self._task.name, configs, statuses, tuple(self._events), stalled)

    def _ask_for_trials(self) -> None:
        while self._left > 0 and len(self._pending) < self._max_pending:
            if not self._add_trial():
                break

    def _add_trial(self) -> bool:
        """Adds the searcher's next trial; False where it has none now."""
        number = len(self._trials)
        began = perf_counter()
        suggestion = self._searcher.suggest(f"{number:08x}")
        self._overhead_s += perf_counter() - began
        if suggestion is None:
            return False
        if suggestion == Searcher.FINISHED:
            self._left = 0
            return False
        self._left -= 1
        config = _merged(self._param_space, suggestion)
        trial = SimulatedTrial(number, config, self._task.curve(config))
        self._trials.append(trial)
        self._live.add(trial)
        self._scheduler.on_trial_add(self, trial)
        self._pending[trial] = None
        return True

    def _queue_trials(self) -> None:
        if self._paused or len(self._queue) < len(self._pending):
            chosen = self._scheduler.choose_trial_to_run(self)
            if chosen is not None and chosen not in self._queue and chosen.status != chosen.RUNNING:
                self._set_trial_status(chosen, chosen.PENDING)
                self._queue.append(chosen)
        for trial in self._pending:
            if len(self._queue) >= self._max_pending:
                break
            if trial not in self._queue:
                self._queue.append(trial)

    def _wait_for_trials(self) -> bool:
        """Nothing runs: lets time pass until the searcher suggests something; False when patience is over."""
        for _ in range(IDLE_LIMIT_S):
            self._now += 1.0
            if self._left <= 0 or self._pending or self._add_trial():
                return bool(self._pending)
            if self._scheduler.choose_trial_to_run(self) is not None:
                return True
        return False

    def _start(self, trial: SimulatedTrial) -> None:
        self._free -= 1
        trial.run += 1
        if trial.latest_checkpoint_result is not None:
            trial.last_result = trial.latest_checkpoint_result.metrics
        self._set_trial_status(trial, trial.RUNNING)
        self._train(trial)

    def _leave_worker(self, trial: SimulatedTrial) -> None:
        if trial.status == trial.RUNNING:
            self._free += 1
            trial.run += 1

    def _train(self, trial: SimulatedTrial) -> None:
        """Schedules the next report, or the end where there is none."""
        step, seconds = trial.steps_done, trial.seconds
        duration = 0.0 if step >= len(seconds) else seconds[step] - (seconds[step - 1] if step else 0.0)
        self._scheduled += 1
        heapq.heappush(self._heap, (self._now + duration, self._scheduled, trial, trial.run))

    def _handle_event(self) -> None:
        time_s, _, trial, run = heapq.heappop(self._heap)
        if run != trial.run:
            return
        self._now = time_s
        if trial.steps_done < len(trial.scores):
            self._report(trial)
        else:
            self._end(trial)

    def _report(self, trial: SimulatedTrial) -> None:
        step = trial.steps_done
        score, seconds = trial.scores[step], trial.seconds[step]
        trial.steps_done = step = step + 1
        result: dict[str, Any] = {
            self._task.metric: score,
            "training_iteration": step,
            "time_this_iter_s": seconds - (trial.seconds[step - 2] if step > 1 else 0.0),
            "time_total_s": seconds,
            "timestamp": int(self._now),
            "should_checkpoint": True,
            "done": False,
            "trial_id": trial.trial_id,
        }
        began = perf_counter()
        if self._stop and any(result[key] >= limit for key, limit in self._stop.items()):
            decision = TrialScheduler.STOP
        else:
            decision = self._scheduler.on_trial_result(self, trial, result)
        if decision == TrialScheduler.STOP:
            result = {**result, "done": True}
        else:
            self._searcher.on_trial_result(trial.trial_id, result)
        trial.last_result = result
        trial.latest_checkpoint_result = SimpleNamespace(checkpoint="simulated", metrics=result)
        self._act(trial, decision)
        self._overhead_s += perf_counter() - began
        self._reports += 1
        self._events.append(Event(self._now, trial.number, step, score, decision, self._overhead_s))

    def _act(self, trial: SimulatedTrial, decision: str) -> None:
        if trial.status != trial.RUNNING:  # the scheduler stopped or paused it itself
            return
        if decision == TrialScheduler.CONTINUE:
            self._train(trial)
        elif decision == TrialScheduler.PAUSE:
            self.pause_trial(trial)
        elif decision == TrialScheduler.STOP:
            self.stop_trial(trial)
        elif decision != TrialScheduler.NOOP:
            raise ValueError(f"{type(self._scheduler).__name__} decided {decision!r}, which Tune does not know")

    def _end(self, trial: SimulatedTrial) -> None:
        """The training function returned, or died."""
        began = perf_counter()
        if trial.fails:
            self._scheduler.on_trial_error(self, trial)
            self._searcher.on_trial_complete(trial_id=trial.trial_id, result=None, error=True)
            self._leave_worker(trial)
            self._set_trial_status(trial, trial.ERROR)
        else:
            trial.last_result = {**trial.last_result, "done": True}
            self.stop_trial(trial)
        self._overhead_s += perf_counter() - began
        how = "ERROR" if trial.fails else "COMPLETE"
        self._events.append(Event(self._now, trial.number, trial.steps_done, math.nan, how, self._overhead_s))


def _max_pending(searcher: Searcher) -> int:
    """How many trials Tune keeps pending, see ``_get_max_pending_trials``."""
    wrapped: Any = searcher
    while wrapped is not None:
        if isinstance(wrapped, ConcurrencyLimiter):
            return int(wrapped.max_concurrent)
        wrapped = getattr(wrapped, "searcher", None)
    return 1


def _merged(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """The suggestion over the constants of the space, nested dicts merged: Tune's ``merge_dicts`` without its copy."""
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


@contextmanager
def _global_seed(seed: int) -> Iterator[None]:
    """Seeds the global generators and gives them back as they were."""
    states = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
