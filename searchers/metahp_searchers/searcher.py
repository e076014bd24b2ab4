"""`MetaSearch`: Ray Tune asks, the brain answers."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from metahp.errors import RecordError, SearchSpaceError
from metahp.pruning import Pruning
from metahp.space import SearchSpace
from metahp.store import Store
from metahp.types import TaskValue, check_task, parse_mode
from metahp_searchers.brain import Brain, Settings, new_sweep_id
from metahp_searchers.ray_space import from_tune, holds_domain
from metahp_searchers.reports import Result
from metahp_searchers.snapshot import Snapshot
from metahp_searchers.tune_run import request_callback

_log = logging.getLogger(__name__)


class MetaSearch(Searcher):
    """Suggests configurations by what every sweep of the store has taught, and by what this one shows.

    Use it as any searcher of Tune, with any scheduler; results reach the store without further ado.

    Args:
        store: where sweeps are kept: a path, a URI or a `Store`. None learns within this sweep alone and keeps nothing.
        task: what is known about the task beforehand, e.g. ``{"kind": "image", "classes": 10}``.
        metric: what is optimised; usually given to ``TuneConfig``.
        mode: ``"min"`` or ``"max"``; usually given to ``TuneConfig``.
        space: the search space, in place of Tune's ``param_space``.
        max_t: steps of a full training; by default what Tune's ``stop`` says of ``time_attr``, if anything.
        time_attr: the key of the step in the results.
        seed: makes the suggestions repeatable, given the same store and the same results.
        name: of the sweep, for people.
        pruning: whether `MetaScheduler` stops trials, and how careful it is, e.g. ``Pruning("shadow")``.
        pause: whether `MetaScheduler` may pause trials that save checkpoints, for others that promise more; only with
            ``max_concurrent_trials``.
        learn: whether the store's predictor goes on learning while the sweep runs: beside it, in a process that yields
            to the trials; see `metahp_searchers.learning`. ``METAHP_LEARN=0`` in the environment says no as well.
        sweep_id: a sweep of the store to go on with: its finished trials count, its unfinished ones come first. Tune's
            ``num_samples`` then is that of the whole sweep; without a ``param_space``, where Tune does not tell the
            searcher, it is the number of trials still to be run.

    Raises:
        StoreError: the store cannot be read, or is of a newer version.
        RecordError: a task or mode that cannot be right.
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | Store | None = "~/sweeps",
        task: Mapping[str, TaskValue] | None = None,
        *,
        metric: str | None = None,
        mode: str | None = None,
        space: SearchSpace | None = None,
        max_t: int | None = None,
        time_attr: str = "training_iteration",
        seed: int | None = None,
        name: str = "",
        pruning: Pruning | None = None,
        pause: bool = False,
        learn: bool = True,
        sweep_id: str | None = None,
    ) -> None:
        super().__init__()
        self._metric: str | None = metric
        self._mode: str | None = None if mode is None else str(parse_mode(mode))
        check_task(task or {})
        opened = store if store is None or isinstance(store, Store) else Store(store)
        if sweep_id is not None and opened is None:
            raise RecordError(f"MetaSearch can only go on with the sweep {sweep_id!r} of a store, got store=None")
        own_pruning = pruning or Pruning()
        settings = Settings(opened, dict(task or {}), max_t, time_attr, seed, name, own_pruning, pause, learn)
        self.brain = Brain(settings, sweep_id or new_sweep_id())
        self._space = space
        self._resumes = sweep_id is not None
        if space is not None:
            request_callback()  # without a param_space Tune tells the searcher nothing before it makes the callbacks

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: Mapping[str, Any], **spec: Any
    ) -> bool:
        """Tune says what is searched.

        Raises:
            SearchSpaceError: a domain that cannot be searched.
            RecordError: neither Tune nor the constructor named metric and mode.
            StoreError: the sweep to go on with is another one, or cannot be read.
        """
        if self._space is not None and holds_domain(config):
            return False  # Tune then says that there are two search spaces
        self._metric, self._mode = metric or self._metric, mode or self._mode
        self._begin(self._space or from_tune(config), spec)
        return True

    def _begin(self, space: SearchSpace, spec: Mapping[str, Any]) -> None:
        if not self._metric or not self._mode:
            raise RecordError(
                f"MetaSearch needs a metric and a mode, got metric={self._metric!r}, mode={self._mode!r}; "
                "give both to TuneConfig, e.g. TuneConfig(metric='val_accuracy', mode='max', ...)"
            )
        self.brain.begin(
            space, self._metric, self._mode, stop=spec.get("stop"), num_samples=spec.get("num_samples") or None
        )
        request_callback()
        if self._resumes:
            self.brain.resume()

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next configuration, None while enough trials run, ``FINISHED`` when there are enough in all."""
        if self.brain.sweep is None:  # Tune has nothing to say without a param_space
            if self._space is None:
                raise SearchSpaceError("MetaSearch has nothing to search; give Tuner a param_space with domains")
            self._begin(self._space, {})
        if self.brain.is_complete and not self.brain.knows(trial_id):
            return str(Searcher.FINISHED)
        config = self.brain.suggest(trial_id)
        return None if config is None else dict(config)

    def on_trial_result(self, trial_id: str, result: Result) -> None:
        """A trial reports."""
        self.brain.observe(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: Result | None = None, error: bool = False) -> None:
        """A trial is over; the result that a scheduler stopped it for comes only here."""
        self.brain.observe(trial_id, result)
        self.brain.end(trial_id, failed=error)

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Takes over the counting from `ConcurrencyLimiter`, which counts paused trials as running."""
        self.brain.limit = max_concurrent
        return True

    def save(self, checkpoint_path: str) -> None:
        """Writes what must survive a restart: pointers into the store, no model."""
        Path(checkpoint_path).write_text(self.brain.snapshot().to_json(), encoding="utf-8")

    def restore(self, checkpoint_path: str) -> None:
        """Comes back from `save`, and adds what the store has seen since; goes on as well as it can without either."""
        # An exception here would make Tune start a new run of one trial, and say that all is well.
        try:
            self.brain.load(Snapshot.from_json(Path(checkpoint_path).read_text(encoding="utf-8")))
            self.brain.catch_up()
        except Exception as problem:
            _log.error("the searcher's state could not be restored from %s: %s", checkpoint_path, problem)
            self._recall()
        if self.brain.sweep is not None:
            self._metric, self._mode = self.brain.sweep.metric, str(self.brain.sweep.mode)

    def _recall(self) -> None:
        try:
            if self.brain.sweep is None and self.brain.recall():
                _log.warning("the sweep was taken back from the store instead")
        except Exception as problem:
            _log.error("nor from the store: %s", problem)

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        request_callback()  # of a restored run Tune tells the searcher nothing before it makes the callbacks
