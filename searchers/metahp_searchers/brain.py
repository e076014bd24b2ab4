"""One running sweep as its searcher, its scheduler and its callback share it.

All three tell the brain what they hear, in any order and twice; it suggests, decides, and hands everything on to the
store. What it knows survives as JSON in Tune's snapshots and in the store, and it needs only one of the two to go on.
"""

from __future__ import annotations

import logging
import weakref
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from metahp import freezing
from metahp.errors import MetaHPError, RecordError, SearchSpaceError
from metahp.gate import past_hits
from metahp.models import up_to_date
from metahp.policy import Policy
from metahp.predictor import Predictor
from metahp.prior_evidence import certified
from metahp.prior_predictor import PRIOR, PriorPredictor
from metahp.pruning import Prune, Pruner, Pruning
from metahp.space import SearchSpace
from metahp.store import Store
from metahp.store.spool import uuid7
from metahp.types import Action, Config, Decision, Forecast, Sweep, TaskValue, Trial, TrialStatus, parse_mode
from metahp_searchers.configs import legal_part, merged
from metahp_searchers.journal import Journal
from metahp_searchers.learning import start_learner
from metahp_searchers.refresh import Refresher
from metahp_searchers.reports import Result, flattened, measurement_of, metrics_of
from metahp_searchers.roster import Roster
from metahp_searchers.snapshot import Snapshot
from metahp_searchers.tune_run import current_run

_log = logging.getLogger(__name__)
_news = logging.getLogger("ray.metahp")  # of Ray's loggers a script shows INFO, of others only warnings
_active: list[weakref.ref[Brain]] = []  # the one that came to life last comes last


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
        pruning: whether decisions to stop trials are carried out, and how careful they are.
        pause: whether trials that save checkpoints may be paused for others that promise more.
        learn: whether the store's predictor goes on learning while the sweep runs.
    """

    store: Store | None = None
    task: Mapping[str, TaskValue] = field(default_factory=dict)
    max_t: int | None = None
    time_attr: str = "training_iteration"
    seed: int | None = None
    name: str = ""
    pruning: Pruning = field(default_factory=Pruning)
    pause: bool = False
    learn: bool = False


class Brain:
    """The state of one sweep; `load` works in place, so that those who share the brain go on sharing it.

    Attributes:
        settings: what the user said.
        sweep_id: of the sweep in the store.
        sweep: what is searched; None before Tune said it.
        limit: how many trials may run at once, None for any number.
        stopped: Tune's ids of the trials that were cut short.
    """

    def __init__(self, settings: Settings, sweep_id: str) -> None:
        self.settings = settings
        self.sweep_id = sweep_id
        self.limit: int | None = None
        self._clear()

    def _clear(self) -> None:
        self.sweep: Sweep | None = None
        self.stopped: set[str] = set()
        self._num_samples: int | None = None
        self._roster = Roster()
        self._rng = np.random.default_rng(self.settings.seed)
        self._policy: Policy | None = None
        self._proposed: dict[str, Decision] = {}
        self._newest: Forecast | None = None
        self._pruner = Pruner(self.settings.pruning, self._audit_seed())
        self._refresher: Refresher | None = None
        self._journal: Journal | None = None
        self._said: set[str] = set()
        self._end_learner: Callable[[], None] | None = None
        self._may_learn = self.settings.learn and self.settings.store is not None

    # Coming to life

    def begin(
        self,
        space: SearchSpace,
        metric: str,
        mode: str,
        *,
        stop: object = None,
        num_samples: int | None = None,
    ) -> None:
        """A sweep begins; one that had begun before makes room for a new one.

        Args:
            space: what is searched.
            metric: what is optimised.
            mode: ``"min"`` or ``"max"``.
            stop: Tune's stopping criteria, which may say how long a full training is.
            num_samples: how many trials are wanted, None for any number.
        """
        if self._roster.tune_ids:
            self.sweep_id = new_sweep_id()
        self._clear()
        own = self.settings
        max_step = own.max_t or full_training(stop, own.time_attr)
        self._num_samples = num_samples
        self._live_on(Sweep(self.sweep_id, space, metric, parse_mode(mode), max_step, own.task, own.name))

    def _audit_seed(self) -> int:
        return zlib.crc32(self.sweep_id.encode()) if self.settings.seed is None else self.settings.seed

    def _live_on(self, sweep: Sweep) -> None:
        self.sweep, self.sweep_id = sweep, sweep.sweep_id
        _active[:] = [ref for ref in _active if ref() not in (None, self)] + [weakref.ref(self)]
        store, run = self.settings.store, current_run()
        if store is not None:
            searcher, scheduler = (run.searcher, run.scheduler) if run is not None else ("", "")
            self._journal = Journal(
                sweep,
                lambda: store.open_sweep(sweep, searcher=searcher, scheduler=scheduler),
                self.settings.time_attr,
                self.store_id,
            )

    def catch_up(self) -> None:
        """Learns from the store what it has seen of the sweep.

        Raises:
            StoreError: the store cannot say.
        """
        if self._journal is None:
            return
        for trial in self._journal.recorder.writer().history().trials:
            if self._is_full(trial) and not trial.status.is_over:  # the driver died between last report and end
                self._journal.trial_completed(trial.trial_id)
        self._roster.catch_up(self._journal.recorder.writer().history().trials)

    def resume(self) -> None:
        """Goes on with a sweep of the store, by other draws than those that began it.

        Raises:
            StoreError: the store cannot say.
        """
        self.catch_up()
        if self.settings.store is not None:
            self._pruner.recall(self.settings.store.decisions(self.sweep_id))
        if self.settings.seed is not None:
            begun = len(self._roster.trials) + len(self._roster.waiting)
            self._rng = np.random.default_rng([self.settings.seed, begun])

    def recall(self) -> bool:
        """Takes the sweep back from the store where nothing else remembers it; its trials are Tune's already.

        Returns:
            False if the store does not know it.

        Raises:
            StoreError: the store cannot say.
        """
        store = self.settings.store
        sweep = next((s for s in store.sweeps() if s.sweep_id == self.sweep_id), None) if store is not None else None
        if sweep is None:
            return False
        self._live_on(sweep)
        assert self._journal is not None  # there is a store
        for trial in self._journal.recorder.writer().history().trials:
            self._roster.admit(trial.trial_id, trial)
        return True

    # What the searcher asks

    @property
    def is_complete(self) -> bool:
        """Whether the sweep has all the trials it was asked for."""
        wanted = self._num_samples
        return wanted is not None and not self._roster.waiting and len(self._roster.trials) >= wanted

    def suggest(self, tune_id: str) -> Config | None:
        """The configuration of a trial; None while as many as allowed are running."""
        sweep = self._known_sweep()
        if (known := self._roster.get(tune_id)) is not None:
            return known.config
        if not self._has_room or self._next_up() is not None:
            return None
        trial = self._next_waiting(sweep.space) or Trial(tune_id, self._new_config(sweep, tune_id))
        self._roster.admit(tune_id, trial)
        return trial.config

    def _next_waiting(self, space: SearchSpace) -> Trial | None:
        while (trial := self._roster.next_waiting()) is not None:
            try:
                return replace(trial, config=legal_part(space, trial.config), status=TrialStatus.PENDING)
            except SearchSpaceError as problem:
                _log.warning("trial %s is not run again: %s", trial.trial_id, problem)
        return None

    def _new_config(self, sweep: Sweep, tune_id: str) -> Config:
        try:
            proposal = self._ready_policy().suggest(sweep, self._roster.in_view(sweep.mode), self._rng)
            if sweep.space.contains(proposal.config):
                self._proposed[tune_id] = proposal.decision
                self._newest = proposal.decision.forecast
                return proposal.config
            self._say_once("the predictor suggested a configuration outside the space; random ones are used instead")
        except Exception:  # whatever a predictor does, the sweep goes on
            self._say_once("the predictor failed to suggest; random configurations are used instead", trace=True)
        return sweep.space.sample(self._rng)

    def prepare(self) -> None:
        """Loads or trains the predictor, which may take minutes; never called while a result is processed."""
        self._ready_policy()

    def _ready_policy(self) -> Policy:
        if self._policy is None:
            pruning = self.settings.pruning
            predictor, version = self._predictor()
            self._policy = Policy(predictor, pruning.max_false_prunes, self._certified(pruning), version=version)
            if self.settings.store is not None and self.sweep is not None:
                self._refresher = Refresher(self.settings.store, self.sweep)
                self._remember_forecasts(self.settings.store, self.sweep)
        return self._renewed(self._policy)

    def _renewed(self, policy: Policy) -> Policy:
        """The policy with the newest version that is ready; returns at once."""
        if self._refresher is None or self.sweep is None:
            return policy
        mode = self.sweep.mode
        newer = self._refresher.newer(policy, lambda: self._roster.in_view(mode))
        if newer is None:
            return policy
        _news.info("the sweep %s goes on with model %s in place of %s", self.sweep_id, newer.version, policy.version)
        self._policy = newer
        return newer

    def _predictor(self) -> tuple[Predictor, str]:
        """The store's predictor, and what it is called."""
        try:
            if self.settings.store is not None:
                model = up_to_date(self.settings.store, exclude={self.sweep_id})
                return model.predictor, model.version
        except Exception:  # whatever training does, the sweep goes on
            self._say_once("no predictor came out of the store; learning within this sweep alone", trace=True)
        return PriorPredictor(), PRIOR

    def _remember_forecasts(self, store: Store, sweep: Sweep) -> None:
        try:
            self._pruner.remember(past_hits(store, sweep))
        except MetaHPError as problem:
            _log.warning("nothing can be learned from the store about how often forecasts came true: %s", problem)

    def _certified(self, pruning: Pruning) -> float | None:
        """The threshold that past sweeps vouch for, if that was asked for; a shadow sweep is itself to be evidence."""
        if pruning.guarantee is None or not pruning.max_false_prunes or pruning.mode is Prune.SHADOW:
            return None
        try:
            found = certified(self.settings.store, self.sweep, pruning.max_false_prunes, pruning.guarantee)
        except MetaHPError as problem:
            _log.warning("nothing can be learned from the store about how often stopping was right: %s", problem)
            found = certified(None, self.sweep, pruning.max_false_prunes, pruning.guarantee)
        self._say_once(str(found))
        return found.threshold

    # What the scheduler asks

    def decide(self, tune_id: str, *, saved: bool = False) -> Decision:
        """Whether a trial is worth going on with, now that it has reported.

        Args:
            tune_id: of the trial.
            saved: whether it has saved a checkpoint with that report; only then it may be paused.
        """
        trial = self._roster.get(tune_id)
        if trial is None or self._policy is None or self.sweep is None:
            return Decision(Action.CONTINUE, "nothing is known about it")
        if self._is_full(trial):
            return Decision(Action.STOP, "fully trained")
        decision = self._decided(self.sweep, self._renewed(self._policy), trial, saved=saved)
        if decision.action is not Action.CONTINUE or decision.forecast is not None:
            self.write_down(tune_id, trial.curve.last_step, decision)
        return decision

    def write_down(self, tune_id: str, step: int, decision: Decision) -> None:
        """A decision goes to the store before anybody knows whether it was right; takes well below a millisecond."""
        if self._journal is not None:
            self._journal.trial_decided(tune_id, step, decision)

    @property
    def version(self) -> str | None:
        """What the predictor in use is called in decisions, None before the first suggestion."""
        return self._policy.version if self._policy is not None else None

    def _decided(self, sweep: Sweep, policy: Policy, trial: Trial, *, saved: bool) -> Decision:
        try:
            trials = self._roster.in_view(sweep.mode)
            decision = self._pruner.decide(policy, sweep, trials, trial)
            # Without a limit Tune always has a new trial queued, which takes every place that becomes free.
            if saved and self.settings.pause and self.limit is not None and self._pruner.is_open:
                decision = freezing.decide(policy, sweep, trials, trial, decision, self._next_forecast)
        except Exception:  # whatever a predictor does, the sweep goes on
            self._say_once("the predictor failed to decide; trials go on", trace=True)
            return Decision(Action.CONTINUE, "the predictor failed")
        self._say_who_decides()
        return decision

    def _say_who_decides(self) -> None:
        instead = "ASHA decides" if self.settings.pruning.guarantee is None else "none is stopped"
        closed = f"too many trials ended other than predicted; {instead} until predictions hold again"
        if not self._pruner.is_open:
            self._say_once(closed)
        elif closed in self._said:
            self._say_once("trials end as predicted again; predictions decide")

    @property
    def _next_forecast(self) -> Forecast | None:
        return None if self.is_complete else self._newest

    @property
    def _has_room(self) -> bool:
        return self.limit is None or self._roster.at_work < self.limit

    def is_paused(self, tune_id: str) -> bool:
        """Whether the trial is paused and not yet to go on."""
        return self._roster.is_paused(tune_id)

    def thaw(self) -> str | None:
        """Lets the paused trial go on that has the next free worker; Tune's id of it, None if there is none."""
        trial = self._next_up() if self._has_room else None
        return None if trial is None else self._roster.thaw(trial)

    def _next_up(self) -> Trial | None:
        if self.sweep is None or self._policy is None or self._roster.at_work == len(self._roster.live):
            return None
        try:
            trials = self._roster.in_view(self.sweep.mode)
            return freezing.next_up(self._policy, self.sweep, trials, self._next_forecast)
        except Exception:  # whatever a predictor does, no trial stays paused for good
            self._say_once("the predictor failed to choose among paused trials; the oldest one goes on", trace=True)
            return next(trial for trial in self._roster.trials if trial.status is TrialStatus.PAUSED)

    def _is_full(self, trial: Trial) -> bool:
        return self.max_step is not None and trial.curve.last_step >= self.max_step

    def adopt(self, tune_id: str, config: Config) -> None:
        """Takes in a trial that somebody else suggested, or that was lost with a snapshot."""
        if not self._roster.knows(tune_id):
            self._roster.admit(tune_id, Trial(tune_id, config))

    def left_over(self, tune_id: str) -> Trial | None:
        """The trial, if it finished after the snapshot that Tune came back from, so that Tune wants to run it again."""
        return self._roster.left_over(tune_id)

    # What everybody tells

    def knows(self, tune_id: str) -> bool:
        """Whether the trial is one of this sweep's."""
        return self._roster.knows(tune_id)

    def store_id(self, tune_id: str) -> str:
        """The trial's id in the store, which it keeps over all runs of the sweep."""
        return self._roster.store_id(tune_id)

    @property
    def records(self) -> bool:
        """Whether what is told reaches a store."""
        return self._journal is not None

    @property
    def max_step(self) -> int | None:
        """Steps of a full training, if known."""
        return self.sweep.max_step if self.sweep is not None else None

    def observe(self, tune_id: str, result: Result | None) -> None:
        """A trial reports, to whoever hears it first."""
        if self.sweep is None or not result or not self.knows(tune_id):
            return
        measurement = measurement_of(result, self.sweep.metric, self.settings.time_attr)
        if measurement is not None:
            self._roster.report(tune_id, measurement)
        self._check_keys(self.sweep.metric, flattened(result))

    def _check_keys(self, metric: str, flat: Mapping[str, Any]) -> None:
        for what, key in (("metric", metric), ("time_attr", self.settings.time_attr)):
            if key not in flat and metrics_of(flat):
                self._say_once(f"a result lacks the {what} {key!r}; it holds {sorted(metrics_of(flat))}")

    def end(self, tune_id: str, *, failed: bool = False) -> None:
        """A trial is over."""
        finished = TrialStatus.STOPPED if tune_id in self.stopped else TrialStatus.COMPLETED
        self._roster.end(tune_id, TrialStatus.ERRORED if failed else finished)

    def trial_started(self, trial_id: str, config: Config, *, restored: bool) -> None:
        """See `RunLog`."""
        # The suggestion wins over what Tune made of it, since it holds names where Tune has put objects.
        suggested = self._roster.get(trial_id)
        full = merged(config, suggested.config) if suggested is not None else config
        self.stopped.discard(trial_id)
        self._roster.start(trial_id, full)
        if self._journal is not None:
            self._journal.trial_started(trial_id, full, restored=restored)
            if (proposed := self._proposed.pop(trial_id, None)) is not None:
                self.write_down(trial_id, 0, proposed)

    def trial_reported(self, trial_id: str, result: Result, *, done: bool) -> None:
        """See `RunLog`."""
        self.observe(trial_id, result)
        if self._journal is not None:
            self._journal.trial_reported(trial_id, result, done=done)
        if self._may_learn and self.settings.store is not None:  # before there is nothing to learn
            self._may_learn = False
            self._start_learner(self.settings.store)

    def _start_learner(self, store: Store) -> None:
        try:
            self._end_learner = start_learner(store)
        except Exception:  # it is a service to the next trials, the sweep goes on
            self._say_once("no learner could be started; what this sweep shows is learned after it", trace=True)

    def trial_cut_short(self, trial_id: str) -> None:
        """See `RunLog`; a trial that is fully trained is not cut short."""
        trial = self._roster.get(trial_id)
        if trial is None or self._is_full(trial):
            return
        self.stopped.add(trial_id)
        if self._journal is not None:
            self._journal.trial_cut_short(trial_id)

    def trial_paused(self, trial_id: str) -> None:
        """A trial gives up its worker; it will be started again, from its checkpoint."""
        self._roster.pause(trial_id)
        if self._journal is not None:
            self._journal.trial_paused(trial_id)

    def trial_ended(self, trial_id: str, *, error: str | None = None) -> None:
        """See `RunLog`."""
        self.end(trial_id, failed=error is not None)
        if self._journal is not None:
            self._journal.trial_ended(trial_id, error=error)

    def retry(self) -> None:
        """See `RunLog`."""
        if self._journal is not None:
            self._journal.retry()

    def close(self) -> None:
        """See `RunLog`."""
        try:
            if self._journal is not None:
                self._journal.close()
        finally:
            if self._end_learner is not None:
                self._end_learner()
                self._end_learner = None

    # What survives

    def snapshot(self) -> Snapshot:
        """What must survive a restart, without the trials that the store remembers."""
        kept = self._journal.complete if self._journal is not None else frozenset()
        return Snapshot(
            sweep=self.sweep,
            num_samples=self._num_samples,
            tune_ids=self._roster.tune_ids,
            live=self._roster.live,
            trials=tuple(trial for trial in self._roster.trials if trial.trial_id not in kept),
            waiting=self._roster.waiting,
            rng=self._rng.bit_generator.state,
        )

    def load(self, snapshot: Snapshot) -> None:
        """Becomes what the snapshot says."""
        self._clear()
        self._num_samples = snapshot.num_samples
        self._roster = Roster(snapshot.trials, snapshot.tune_ids, snapshot.live, snapshot.waiting)
        self._rng.bit_generator.state = snapshot.rng
        if snapshot.sweep is not None:
            self._live_on(snapshot.sweep)

    def __getstate__(self) -> dict[str, Any]:
        return {"settings": self.settings, "sweep_id": self.sweep_id, "limit": self.limit, "snapshot": self.snapshot()}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.settings, self.sweep_id, self.limit = state["settings"], state["sweep_id"], state["limit"]
        self.load(state["snapshot"])

    def _known_sweep(self) -> Sweep:
        if self.sweep is None:
            raise RecordError("the sweep has no search space yet; give param_space to Tuner, or space= to MetaSearch")
        return self.sweep

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


def full_training(stop: object, time_attr: str) -> int | None:
    """How many steps a full training has, if Tune's stopping criteria say it."""
    steps = stop.get(time_attr) if isinstance(stop, Mapping) else None
    return int(steps) if isinstance(steps, int | float) and steps >= 1 else None
