"""`MetaScheduler`: stops the trials that will not win."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ray.tune.experiment import Trial
from ray.tune.result import SHOULD_CHECKPOINT
from ray.tune.schedulers import TrialScheduler

from metahp.errors import RecordError
from metahp.pruning import Pruning
from metahp.store import Store
from metahp.types import Action, TaskValue, check_task, parse_mode
from metahp.types import Trial as KnownTrial
from metahp_searchers.brain import Brain, Settings, new_sweep_id
from metahp_searchers.ray_space import recorded_space
from metahp_searchers.reports import Result
from metahp_searchers.searcher import MetaSearch
from metahp_searchers.tune_run import current_run, request_callback

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController


class MetaScheduler(TrialScheduler):
    """Stops a trial as soon as it is unlikely to beat the best one, or fully trained.

    With ``MetaSearch(pause=True)`` and ``max_concurrent_trials`` it also pauses a trial that promises less than another
    one, if the result at hand came with a checkpoint: Tune would silently begin again from nothing without.

    Args:
        search: the `MetaSearch` of the same run; both then share what they know. Without it the scheduler works with
            any searcher, and takes the arguments below.
        metric: what is optimised; usually given to ``TuneConfig``.
        mode: ``"min"`` or ``"max"``; usually given to ``TuneConfig``.
        time_attr: the key of the step in the results.
        max_t: steps of a full training; by default what Tune's ``stop`` says of ``time_attr``, if anything.
        store: where sweeps are kept: a path, a URI or a `Store`; None learns within this sweep alone.
        task: what is known about the task beforehand.
        seed: makes decisions repeatable, given the same store and the same results.
        name: of the sweep, for people.
        pruning: whether trials are stopped, and how careful that is, e.g. ``Pruning("shadow")``.

    Raises:
        RecordError: arguments beside a ``search`` that has them already.
        StoreError: the store cannot be read, or is of a newer version.
    """

    _supports_buffered_results = False  # a decision about a result that is ten results old stops the wrong trial

    def __init__(
        self,
        search: MetaSearch | None = None,
        *,
        metric: str | None = None,
        mode: str | None = None,
        time_attr: str = "training_iteration",
        max_t: int | None = None,
        store: str | os.PathLike[str] | Store | None = None,
        task: Mapping[str, TaskValue] | None = None,
        seed: int | None = None,
        name: str = "",
        pruning: Pruning | None = None,
    ) -> None:
        super().__init__()
        check_task(task or {})
        given = {"metric": metric, "mode": mode, "max_t": max_t, "store": store, "task": task, "seed": seed}
        doubled = [key for key, value in (given | {"pruning": pruning}).items() if value is not None]
        if search is not None and doubled:
            raise RecordError(f"MetaScheduler(search) takes {doubled} from the searcher; give them to MetaSearch alone")
        self._metric = metric
        self._mode = None if mode is None else str(parse_mode(mode))
        self._shares = search is not None
        self._added: dict[str, int] = {}
        opened = store if store is None or isinstance(store, Store) else Store(store)
        settings = Settings(opened, dict(task or {}), max_t, time_attr, seed, name, pruning or Pruning())
        self.brain = search.brain if search is not None else Brain(settings, new_sweep_id())

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Tune says what is optimised.

        Raises:
            RecordError: neither Tune nor the constructor named metric and mode.
        """
        request_callback()
        if self._shares:
            return True  # the searcher was told
        if self._metric and metric:
            return False  # Tune then says that it was given twice
        self._metric, self._mode = metric or self._metric, mode or self._mode
        if not self._metric or not self._mode:
            raise RecordError(
                f"MetaScheduler needs a metric and a mode, got metric={self._metric!r}, mode={self._mode!r}; "
                "give both to TuneConfig, e.g. TuneConfig(metric='val_accuracy', mode='max', ...)"
            )
        if not self.brain.recall():  # of a restored run the store remembers more than Tune does
            run = current_run()
            space = recorded_space(run.param_space if run is not None else {})
            self.brain.begin(space, self._metric, self._mode, stop=spec.get("stop"))
        return True

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        """A trial is new, came back after a failure, or comes out of a restored run."""
        self._added.setdefault(trial.trial_id, len(self._added))
        self.brain.adopt(trial.trial_id, trial.config)
        finished = self.brain.left_over(trial.trial_id)
        if finished is not None and trial.status == Trial.PENDING:
            self._leave_finished(trial, finished)
        elif trial.status == Trial.TERMINATED:
            self.brain.observe(trial.trial_id, trial.last_result)
            self.brain.end(trial.trial_id)
        else:
            self.brain.prepare()

    def _leave_finished(self, trial: Trial, finished: KnownTrial) -> None:
        """A trial that ended after Tune's last snapshot is not trained again: Tune learns how it ended."""
        trial.set_status(Trial.TERMINATED)
        self.brain.end(trial.trial_id)
        if finished.curve.measurements and self.brain.sweep is not None:
            last = finished.curve.measurements[-1]
            known = {self.brain.sweep.metric: last.value, self.brain.settings.time_attr: last.step, "done": True}
            trial.update_last_result({**trial.last_result, **known})

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: Result) -> str:
        """Goes on, stops or pauses."""
        self.brain.observe(trial.trial_id, result)
        decision = self.brain.decide(trial.trial_id, saved=bool(result.get(SHOULD_CHECKPOINT)))
        if decision.action is Action.PAUSE:
            self.brain.trial_paused(trial.trial_id)
            return str(TrialScheduler.PAUSE)
        if not decision.stops:
            return str(TrialScheduler.CONTINUE)
        self.brain.trial_cut_short(trial.trial_id)
        return str(TrialScheduler.STOP)

    def on_trial_complete(self, tune_controller: TuneController, trial: Trial, result: Result) -> None:
        """A trial is over."""
        self.brain.observe(trial.trial_id, result)
        self.brain.end(trial.trial_id)

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        """A trial failed; whether it is tried again the callback and the searcher will hear."""

    def on_trial_remove(self, tune_controller: TuneController, trial: Trial) -> None:
        """A trial is given up before it ran."""
        self.brain.trial_cut_short(trial.trial_id)
        self.brain.end(trial.trial_id)

    def choose_trial_to_run(self, tune_controller: TuneController) -> Trial | None:
        """The oldest trial that waits; a paused one only when it is its turn."""
        trials = sorted(tune_controller.get_live_trials(), key=lambda trial: self._added.get(trial.trial_id, 0))
        pending = (trial for trial in trials if trial.status == Trial.PENDING)
        return next(pending, None) or self._thawed([trial for trial in trials if trial.status == Trial.PAUSED])

    def _thawed(self, paused: list[Trial]) -> Trial | None:
        """The paused trial that goes on: one that Tune has been told of before, or the next one."""
        if not paused:
            return None
        told = next((trial for trial in paused if not self.brain.is_paused(trial.trial_id)), None)
        if told is not None:
            return told
        chosen = self.brain.thaw()
        return next((trial for trial in paused if trial.trial_id == chosen), None)

    def debug_string(self) -> str:
        """How many trials were stopped early."""
        return f"MetaScheduler: {len(self.brain.stopped)} trials stopped early"
