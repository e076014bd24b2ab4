"""One running sweep as its searcher, its scheduler and its callback share it.

All of them tell the brain what they hear, in any order and twice; it suggests, decides, and hands everything on to the
store. What it knows survives in three ways: as JSON in Tune's snapshot, in the store, and, should both fail, not at
all, in which case it goes on with what Tune tells it.
"""

from __future__ import annotations

import logging
import weakref
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from metahp.errors import RecordError, SearchSpaceError
from metahp.models import load_or_fit
from metahp.policy import Policy
from metahp.predictor import Predictor
from metahp.prior_predictor import PriorPredictor
from metahp.space import Float, SearchSpace
from metahp.store import Store, TrialEvent
from metahp.store.spool import uuid7
from metahp.types import Action, Config, Decision, Sweep, TaskValue, Trial, TrialStatus
from metahp_searchers.journal import Journal
from metahp_searchers.observations import Observations
from metahp_searchers.recorder import Recorder
from metahp_searchers.reports import Result, flattened, measurement_of, metrics_of
from metahp_searchers.snapshot import Snapshot
from metahp_searchers.tune_run import current_run

__all__ = ["Brain", "Settings", "brain_of", "new_sweep_id"]

_log = logging.getLogger(__name__)
_active: list[weakref.ref[Brain]] = []  # the one that was begun or restored last comes last


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user said.

    Attributes:
        store: where sweeps are kept; None to learn within this sweep alone.
        task: what is known about the task.
        max_t: steps of a full training; None where Tune's ``stop`` says it.
        time_attr: the key of the step in the results.
        seed: makes suggestions repeatable, given the same store.
        name: for people.
    """

    store: Store | None = None
    task: Mapping[str, TaskValue] = field(default_factory=dict)
    max_t: int | None = None
    time_attr: str = "training_iteration"
    seed: int | None = None
    name: str = ""


class Brain:
    """The state of one sweep. Survives pickling and `load` in place, so that those who share it go on sharing it."""

    def __init__(self, settings: Settings, sweep_id: str) -> None:
        self.settings = settings
        self.sweep_id = sweep_id
        self._clear()

    def _clear(self) -> None:
        self.sweep: Sweep | None = None
        self.limit: int | None = None
        self.stopped: set[str] = set()
        self._num_samples: int | None = None
        self._tune_ids: dict[str, str] = {}
        self._live: set[str] = set()
        self._finished_elsewhere: set[str] = set()
        self._waiting: deque[Trial] = deque()
        self._observations = Observations()
        self._rng = np.random.default_rng(self.settings.seed)
        self._policy: Policy | None = None
        self._prepared = False
        self._journal: Journal | None = None
        self._said: set[str] = set()

    # Beginning and coming back

    def begin(
        self, space: SearchSpace, metric: str, mode: str, *, max_step: int | None = None, num_samples: int | None = None
    ) -> None:
        """A sweep begins; one that was begun before and got anywhere makes room for a new one."""
        if self._tune_ids:
            limit, self.sweep_id = self.limit, new_sweep_id()
            self._clear()
            self.limit = limit
        s = self.settings
        self._num_samples = num_samples
        self._set_sweep(Sweep(self.sweep_id, space, metric, mode, s.max_t or max_step, s.task, s.name))  # type: ignore[arg-type]

    def _set_sweep(self, sweep: Sweep) -> None:
        self.sweep, self.sweep_id = sweep, sweep.sweep_id
        self._activate()
        if self.settings.store is not None:
            run = current_run()
            searcher, scheduler = (run.searcher, run.scheduler) if run else ("", "")
            store = self.settings.store
            recorder = Recorder(lambda: store.open_sweep(sweep, searcher=searcher, scheduler=scheduler))
            self._journal = Journal(sweep, recorder, self.settings.time_attr, self._store_id)

    def _activate(self) -> None:
        _active[:] = [ref for ref in _active if ref() not in (None, self)] + [weakref.ref(self)]

    def catch_up(self) -> None:
        """Learns from the store what happened before this process: finished trials count, unfinished ones come again.

        Raises:
            StoreError: the store cannot say.
        """
        if self._journal is None:
            return
        known = set(self._tune_ids.values())
        for trial in self._journal.recorder.writer().history().trials:
            if trial.trial_id in known:
                self._observations.put(trial)
            elif trial.status.is_over:
                self._observations.put(trial)
            elif all(trial.trial_id != waiting.trial_id for waiting in self._waiting):
                self._waiting.append(trial)
        self._finished_elsewhere = {tune_id for tune_id in self._live if self._is_finished(tune_id)}

    def _is_finished(self, tune_id: str) -> bool:
        trial = self._trial(tune_id)
        return trial is not None and trial.status in (TrialStatus.COMPLETED, TrialStatus.STOPPED)

    def recall(self) -> bool:
        """Takes the sweep back from the store when nothing else remembers it; every trial there is Tune's already."""
        store = self.settings.store
        known = [s for s in store.sweeps() if s.sweep_id == self.sweep_id] if store is not None else []
        if not known:
            return False
        self._set_sweep(known[0])
        assert self._journal is not None  # there is a store
        for trial in self._journal.recorder.writer().history().trials:
            self._tune_ids[trial.trial_id] = trial.trial_id
            self._observations.put(trial)
        return True

    # What the searcher asks

    def suggest(self, tune_id: str) -> Config | None:
        """The configuration of a new trial; None while as many as allowed are running."""
        sweep = self._known_sweep()
        if (known := self._trial(tune_id)) is not None:
            return known.config
        if self.limit is not None and len(self._live) >= self.limit:
            return None
        trial = self._next_waiting(sweep.space) or Trial(tune_id, self._new_config(sweep))
        self._tune_ids[tune_id] = trial.trial_id
        self._live.add(tune_id)
        self._observations.put(trial)
        return trial.config

    @property
    def is_complete(self) -> bool:
        """Whether the sweep has all the trials it was asked for."""
        wanted = self._num_samples
        return wanted is not None and not self._waiting and len(self._observations.trials) >= wanted

    def _next_waiting(self, space: SearchSpace) -> Trial | None:
        while self._waiting:
            trial = self._waiting.popleft()
            try:
                return replace(trial, config=legal_part(space, trial.config), status=TrialStatus.PENDING)
            except SearchSpaceError as problem:
                _log.warning("trial %s is not run again: %s", trial.trial_id, problem)
        return None

    def _new_config(self, sweep: Sweep) -> Config:
        policy = self._ready_policy()
        try:
            config = policy.suggest(sweep, self._observations.trials, self._rng)
            if sweep.space.contains(config):
                return config
            self._say_once("the predictor suggested a configuration outside the space; random ones are used instead")
        except Exception:
            self._say_once("the predictor failed to suggest; random configurations are used instead", trace=True)
        return sweep.space.sample(self._rng)

    def prepare(self) -> None:
        """Loads or trains the predictor, which may take minutes; never called while results are processed."""
        self._ready_policy()

    def _ready_policy(self) -> Policy:
        if self._policy is None:
            self._policy = Policy(self._predictor())
        return self._policy

    def _predictor(self) -> Predictor:
        try:
            if self.settings.store is not None:
                return load_or_fit(self.settings.store, self.settings.seed or 0)
        except Exception:
            self._say_once("no predictor could be trained from the store; learning within this sweep alone", trace=True)
        return PriorPredictor()

    # What the scheduler asks

    def decide(self, tune_id: str) -> Decision:
        """Whether a running trial is worth going on with."""
        trial, policy = self._trial(tune_id), self._policy
        if trial is None or policy is None or self.sweep is None:
            return Decision(Action.CONTINUE, "nothing is known about it")
        try:
            return policy.decide(self.sweep, self._observations.trials, trial)
        except Exception:
            self._say_once("the predictor failed to decide; trials go on", trace=True)
            return Decision(Action.CONTINUE, "the predictor failed")

    def adopt(self, tune_id: str, config: Config) -> None:
        """A trial that somebody else suggested; nothing new where it is known."""
        if tune_id not in self._tune_ids:
            self._tune_ids[tune_id] = tune_id
            self._live.add(tune_id)
            if self._observations.get(tune_id) is None:
                self._observations.put(Trial(tune_id, config))

    def finished_elsewhere(self, tune_id: str) -> Trial | None:
        """The trial, if it finished after Tune's last snapshot, so that Tune wants to run it again."""
        return self._trial(tune_id) if tune_id in self._finished_elsewhere else None

    # What everybody tells

    def knows(self, tune_id: str) -> bool:
        """Whether the trial is one of this sweep's."""
        return tune_id in self._tune_ids

    @property
    def records(self) -> bool:
        """Whether what is told reaches a store."""
        return self._journal is not None

    def observe(self, tune_id: str, result: Result | None) -> None:
        """A trial reports."""
        if self.sweep is None or not self.knows(tune_id) or not result:
            return
        measurement = measurement_of(result, self.sweep.metric, self.settings.time_attr)
        if measurement is not None:
            self._observations.report(self._store_id(tune_id), measurement)
        self._check_keys(self.sweep.metric, flattened(result))

    def _check_keys(self, metric: str, flat: Mapping[str, Any]) -> None:
        for what, key in (("metric", metric), ("time_attr", self.settings.time_attr)):
            if key not in flat and metrics_of(flat):
                self._say_once(f"a result lacks the {what} {key!r}; it holds {sorted(metrics_of(flat))}")

    def end(self, tune_id: str, status: TrialStatus) -> None:
        """A trial is over."""
        self._live.discard(tune_id)
        if self.knows(tune_id):
            self._observations.end(self._store_id(tune_id), status)

    def trial_started(self, trial_id: str, config: Config, *, restored: bool) -> None:
        """See `RunLog`; the suggestion wins over what Tune made of it, since it holds names where Tune has objects."""
        suggested = self._trial(trial_id)
        full = merged(config, suggested.config) if suggested is not None else config
        self._observations.start(self._store_id(trial_id), full)
        if self._journal is not None:
            self._journal.trial_started(trial_id, full, restored=restored)

    def trial_reported(self, trial_id: str, result: Result, *, done: bool) -> None:
        """See `RunLog`."""
        self.observe(trial_id, result)
        if self._journal is not None:
            self._journal.trial_reported(trial_id, result, done=done)

    def trial_ended(self, trial_id: str, event: TrialEvent, error: str = "") -> None:
        """See `RunLog`."""
        self.end(trial_id, event.status)
        if self._journal is not None:
            self._journal.trial_ended(trial_id, event, error)

    def retry(self) -> None:
        """See `RunLog`."""
        if self._journal is not None:
            self._journal.retry()

    def close(self) -> None:
        """See `RunLog`."""
        if self._journal is not None:
            self._journal.close()

    # State

    def snapshot(self) -> Snapshot:
        """What must survive a restart."""
        trials = self._observations.trials
        if self._journal is not None:  # the store remembers the rest
            trials = tuple(trial for trial in trials if not trial.status.is_over)
        return Snapshot(
            sweep=self.sweep,
            num_samples=self._num_samples,
            tune_ids=dict(self._tune_ids),
            live=frozenset(self._live),
            trials=trials,
            waiting=tuple(self._waiting),
            rng=self._rng.bit_generator.state,
        )

    def load(self, snapshot: Snapshot) -> None:
        """Becomes what the snapshot says, in place."""
        limit = self.limit
        self._clear()
        self.limit = limit
        if snapshot.sweep is not None:
            self._set_sweep(snapshot.sweep)
        self._num_samples = snapshot.num_samples
        self._tune_ids = dict(snapshot.tune_ids)
        self._live = set(snapshot.live)
        self._observations = Observations(snapshot.trials)
        self._waiting = deque(snapshot.waiting)
        self._rng.bit_generator.state = snapshot.rng

    def __getstate__(self) -> dict[str, Any]:
        return {"settings": self.settings, "sweep_id": self.sweep_id, "limit": self.limit, "snapshot": self.snapshot()}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.settings, self.sweep_id = state["settings"], state["sweep_id"]
        self._clear()
        self.load(state["snapshot"])
        self.limit = state["limit"]

    def _known_sweep(self) -> Sweep:
        if self.sweep is None:
            raise RecordError("the sweep has no search space yet; give param_space to Tuner, or space= to MetaSearch")
        return self.sweep

    def _store_id(self, tune_id: str) -> str:
        return self._tune_ids.get(tune_id, tune_id)

    def _trial(self, tune_id: str) -> Trial | None:
        return self._observations.get(self._tune_ids[tune_id]) if tune_id in self._tune_ids else None

    def _say_once(self, message: str, *, trace: bool = False) -> None:
        if message not in self._said:
            self._said.add(message)
            _log.warning(message, exc_info=trace)


def new_sweep_id() -> str:
    """An id no other sweep has; later ones sort after earlier ones."""
    return str(uuid7())


def brain_of(tune_id: str) -> Brain | None:
    """The brain that writes this trial to a store; of several, the one that came to life last."""
    for ref in reversed(_active):
        brain = ref()
        if brain is not None and brain.records and brain.knows(tune_id):
            return brain
    return None


def legal_part(space: SearchSpace, config: Config) -> Config:
    """The part of a configuration that the space names, its numbers exactly as they were.

    Raises:
        SearchSpaceError: the configuration is not legal.
    """
    units, _ = space.encode([config])
    legal = space.decode(units[0])
    for parameter, value in space.assignments(config):
        if isinstance(parameter.domain, Float):  # the others come back exactly
            _set(legal, parameter.name.split("/"), value)
    return legal


def merged(base: Config, top: Config) -> dict[str, Any]:
    """``base`` with the leaves of ``top`` in place of its own."""
    both = {key: value for key, value in base.items() if key not in top}
    for key, value in top.items():
        below = base.get(key)
        both[key] = merged(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return both


def _set(tree: Any, path: Iterable[str], value: Any) -> None:
    *above, last = path
    for key in above:
        tree = tree[key]
    tree[last] = value
