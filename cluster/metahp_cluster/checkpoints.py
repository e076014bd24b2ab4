"""Checkpoints are kept where they can win, and deleted where they cannot: a sweep's disk does not fill up with losers.

A trial that runs or is paused needs its newest checkpoint, and no other. One that was stopped or has failed needs
none. Of those that were trained to the end, the best ones are kept, as many as there is room for, and the best one of
all in any case.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from pyarrow.fs import FileSelector
from ray.tune import Callback, Checkpoint
from ray.tune.experiment import Trial

from metahp.types import Mode
from metahp_searchers.reports import measurement_of

_log = logging.getLogger(__name__)
FAILED = "checkpoint_failed"  # in a report: why the checkpoint that belongs to it could not be saved


@dataclass(frozen=True, slots=True)
class _Kept:
    """The checkpoint of a trial that was trained to the end; ``score`` is the larger, the better."""

    score: float
    size: int
    checkpoint: Checkpoint


class Tidy(Callback):
    """Deletes the checkpoints of trials that are over, except for the best ones.

    Args:
        metric: what is optimised; the best value that a trial has reported counts.
        mode: in which direction.
        time_attr: the key of the step in the results.
        full: steps of a full training; a trial that ends before was stopped.
        keep_bytes: room for the checkpoints that are kept.
    """

    def __init__(self, metric: str, mode: Mode, time_attr: str, full: int, keep_bytes: float) -> None:
        self._metric, self._mode, self._time_attr, self._full = metric, mode, time_attr, full
        self._keep_bytes = keep_bytes
        self._best: dict[str, float] = {}
        self._stopped: set[str] = set()
        self._kept: list[_Kept] = []
        self._failure_told = False

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Of this trial Tune keeps the newest checkpoint alone.

        Told the same of the whole run, by ``RunConfig``, Tune writes down all trials of the sweep at each checkpoint.
        """
        trial.run_metadata.checkpoint_manager.checkpoint_config.num_to_keep = 1

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Remembers how good the trial is; says, once, that checkpoints cannot be saved."""
        self._tell_failure(result)
        measurement = measurement_of(result, self._metric, self._time_attr)
        if measurement is None:
            return
        score = self._mode.sign * measurement.value
        if score > self._best.get(trial.trial_id, -float("inf")):  # NaN is not
            self._best[trial.trial_id] = score
        if result.get("done") and measurement.step < self._full:
            self._stopped.add(trial.trial_id)

    def _tell_failure(self, result: dict[str, Any]) -> None:
        if FAILED not in result or self._failure_told:
            return
        self._failure_told = True
        _log.warning(
            "checkpoints cannot be saved: %s; results are kept, and trials that are interrupted will begin anew: make "
            "room where output is",
            result[FAILED],
        )

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Keeps the checkpoint if it is among the best."""
        score = self._best.pop(trial.trial_id, None)
        if trial.trial_id in self._stopped or score is None or trial.checkpoint is None:
            self._delete(trial.checkpoint)
            return
        self._kept.append(_Kept(score, size_of(trial.checkpoint), trial.checkpoint))
        self._make_room()

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Nobody goes on from there."""
        self._best.pop(trial.trial_id, None)
        self._delete(trial.checkpoint)

    def _make_room(self) -> None:
        self._kept.sort(key=lambda kept: -kept.score)
        while len(self._kept) > 1 and sum(kept.size for kept in self._kept) > self._keep_bytes:
            self._delete(self._kept.pop().checkpoint)

    def _delete(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is None:
            return
        try:
            checkpoint.filesystem.delete_dir(checkpoint.path)
        except FileNotFoundError:
            pass
        except OSError as problem:  # the sweep goes on, with less room
            _log.warning("the checkpoint %s could not be deleted: %s", checkpoint.path, problem)


def size_of(checkpoint: Checkpoint) -> int:
    """Bytes of a checkpoint, wherever it is; 0 where that cannot be said."""
    try:
        files = checkpoint.filesystem.get_file_info(FileSelector(checkpoint.path, recursive=True))
    except OSError:
        return 0
    return sum(file.size or 0 for file in files)
