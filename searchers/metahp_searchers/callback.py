"""`StoreCallback`: from Tune's loop into the store."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from metahp.errors import MetaHPError
from metahp.store import Store
from metahp.types import Sweep, TaskValue, check_task, parse_mode
from metahp_searchers.brain import brain_of, full_training, new_sweep_id
from metahp_searchers.journal import Journal, RunLog
from metahp_searchers.ray_space import recorded_space
from metahp_searchers.reports import Result, flattened, step_of
from metahp_searchers.snapshot import sweep_from_data, sweep_to_data
from metahp_searchers.tune_run import callback_made, current_run

LONGEST_ERROR = 4_000  # characters, as many as the store keeps

_log = logging.getLogger(__name__)
_owners: weakref.WeakKeyDictionary[Trial, StoreCallback] = weakref.WeakKeyDictionary()


class StoreCallback(Callback):
    """Records every trial of a Tune run, and never disturbs it: whatever goes wrong here is a message in the log.

    A run with a `MetaSearch` or `MetaScheduler` has one already. Any other run gets one in two ways:

    * ``RunConfig(callbacks=[StoreCallback("~/sweeps")])``, or
    * without touching the script: ``RAY_TUNE_CALLBACKS=metahp_searchers.StoreCallback METAHP_STORE=~/sweeps``.

    Metric, mode and search space are those that Tune was given. Where it was given none, ``METAHP_METRIC`` and
    ``METAHP_MODE`` are asked. The recorded space leaves out what only Tune understands (``randn``, ``sample_from``),
    and is empty where the searcher brings a space of its own; the configurations are recorded whole in any case.

    Args:
        store: a path, a URI or a `Store`; by default what ``METAHP_STORE`` says. With neither nothing is recorded.
        task: what is known about the task.
        metric: what is optimised.
        mode: ``"min"`` or ``"max"``.
        max_t: steps of a full training; by default what Tune's ``stop`` says of ``time_attr``, if anything.
        time_attr: the key of the step in the results.
        name: of the sweep, for people; by default Tune's name of the experiment.
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | Store | None = None,
        *,
        task: Mapping[str, TaskValue] | None = None,
        metric: str | None = None,
        mode: str | None = None,
        max_t: int | None = None,
        time_attr: str = "training_iteration",
        name: str = "",
    ) -> None:
        callback_made()
        check_task(task or {})
        self._store = store
        self._task = dict(task or {})
        self._metric = metric
        self._mode = None if mode is None else str(parse_mode(mode))
        self._max_t = max_t
        self._time_attr = time_attr
        self._name = name
        self._sweep: Sweep | None = None
        self._forget()

    def _forget(self) -> None:
        self._sink: RunLog | None = None
        self._looked = False
        self._stop: Any = None

    # Tune's hooks

    def setup(
        self, stop: Any = None, num_samples: int | None = None, total_num_samples: int | None = None, **info: Any
    ) -> None:
        """A run begins; of a restored one `set_state` has been called before."""
        self._forget()
        self._stop = stop

    def on_trial_start(self, iteration: int, trials: Sequence[Trial], trial: Trial, **info: Any) -> None:
        """An attempt begins."""
        restored = trial.latest_checkpoint_result is not None
        self._tell(trial, lambda sink: sink.trial_started(trial.trial_id, trial.config, restored=restored))

    def on_trial_result(
        self, iteration: int, trials: Sequence[Trial], trial: Trial, result: Result, **info: Any
    ) -> None:
        """A report."""
        self._tell(trial, lambda sink: _report(sink, trial, flattened(result), self._time_attr))

    def on_trial_complete(self, iteration: int, trials: Sequence[Trial], trial: Trial, **info: Any) -> None:
        """A trial ended, by itself or by a decision."""
        self._tell(trial, lambda sink: sink.trial_ended(trial.trial_id))

    def on_trial_error(self, iteration: int, trials: Sequence[Trial], trial: Trial, **info: Any) -> None:
        """A trial failed and is not tried again."""
        self._tell(trial, lambda sink: sink.trial_ended(trial.trial_id, error=_last_error(trial)))

    def on_step_end(self, iteration: int, trials: Sequence[Trial], **info: Any) -> None:
        """Some time has passed."""
        if (sink := self._sink) is not None:
            _guarded(sink.retry)

    def on_experiment_end(self, trials: Sequence[Trial], **info: Any) -> None:
        """The run is over."""
        if (sink := self._sink) is not None:
            _guarded(sink.close)
        self._sweep = None  # the next run of a callback that is used again is another sweep

    def get_state(self) -> dict[str, Any] | None:
        """Which sweep it was, for a restored run; one with a brain is remembered there."""
        return None if self._sweep is None else {"sweep": sweep_to_data(self._sweep)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on with that sweep."""
        _guarded(lambda: setattr(self, "_sweep", sweep_from_data(state["sweep"])))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_sink": None, "_looked": False, "_stop": None}

    # Finding out what is recorded

    def _tell(self, trial: Trial, tell: Callable[[RunLog], None]) -> None:
        """Tells where this trial is recorded; nobody if another callback of the run does so already."""
        if _owners.setdefault(trial, self) is not self:
            return
        if not self._looked:
            self._looked = True
            _guarded(lambda: self._look(trial))
        if (sink := self._sink) is not None:
            _guarded(lambda: tell(sink))

    def _look(self, trial: Trial) -> None:
        self._sink = brain_of(trial.trial_id)
        store = self._store or os.environ.get("METAHP_STORE")
        if self._sink is None and store:
            self._sink = self._own_journal(store if isinstance(store, Store) else Store(store), trial)

    def _own_journal(self, store: Store, trial: Trial) -> Journal | None:
        run = current_run()
        sweep = self._sweep = self._sweep or self._new_sweep(trial)
        if sweep is None:
            return None
        searcher, scheduler = (run.searcher, run.scheduler) if run is not None else ("", "")
        return Journal(sweep, lambda: store.open_sweep(sweep, searcher=searcher, scheduler=scheduler), self._time_attr)

    def _new_sweep(self, trial: Trial) -> Sweep | None:
        run = current_run()
        metric = self._metric or (run and run.metric) or os.environ.get("METAHP_METRIC")
        mode = self._mode or (run and run.mode) or os.environ.get("METAHP_MODE")
        if not metric or not mode:
            _log.error(
                "this Tune run is not recorded: it names no metric and mode (got metric=%r, mode=%r); "
                "set METAHP_METRIC and METAHP_MODE, or give them to TuneConfig",
                metric,
                mode,
            )
            return None
        space = recorded_space(run.param_space if run else {})
        name = self._name or trial.experiment_dir_name
        max_step = self._max_t or full_training(self._stop, self._time_attr)
        return Sweep(new_sweep_id(), space, metric, parse_mode(mode), max_step, self._task, name)


def _report(sink: RunLog, trial: Trial, result: Result, time_attr: str) -> None:
    done = bool(result.get("done", False))
    # Tune says "done" here when somebody has decided so; a function that returns says it in no report.
    if done and not _is_full(sink, trial, result, time_attr):
        sink.trial_cut_short(trial.trial_id)
    sink.trial_reported(trial.trial_id, result, done=done)


def _is_full(sink: RunLog, trial: Trial, result: Result, time_attr: str) -> bool:
    """Whether a trial went as far as it was meant to."""
    step = step_of(result, time_attr)
    if sink.max_step is not None and step is not None and step >= sink.max_step:
        return True
    return any(key in result and result[key] >= limit for key, limit in trial.stopping_criterion.items())


def _last_error(trial: Trial) -> str:
    """The end of the newest traceback in Tune's error file, where the reason stands; the file holds all failures."""
    try:
        *_, newest = Path(trial.error_file).read_text(encoding="utf-8", errors="replace").split("Failure # ")
        return newest.strip()[-LONGEST_ERROR:]
    except Exception:  # the end of the trial is recorded in any case
        return "unknown"


def _guarded(act: Callable[[], None]) -> None:
    """An exception in a callback would end the user's sweep."""
    try:
        act()
    except MetaHPError as problem:
        _log.error("not recorded: %s", problem)
    except Exception:
        _log.exception("not recorded")
