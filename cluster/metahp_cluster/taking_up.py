"""A resumed sweep takes its trials up where they were: from the newest checkpoint that an earlier run of it has saved.

Tune keeps apart what two runs have saved. So each trial has the same folder in every run, by its id in the store, and
in it a note of its newest checkpoint; a trial that starts without one is given what the note of an earlier run names.
The note is written after Tune has all of a checkpoint: half a one, saved by a worker as it died, is never taken up.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from ray.train._internal.session import _TrainingResult
from ray.tune import Callback, Checkpoint
from ray.tune.experiment import Trial
from ray.tune.result import TIME_TOTAL_S, TRAINING_ITERATION

from metahp_searchers.brain import brain_of

_log = logging.getLogger(__name__)
_NOTE = "newest_checkpoint.json"
_COUNTED_ON = (TRAINING_ITERATION, TIME_TOTAL_S)  # what Tune goes on from


def lasting_name(trial: Trial) -> str:
    """A trial's id in the store, which it keeps over all runs of a sweep."""
    brain = brain_of(trial.trial_id)
    return trial.trial_id if brain is None else brain.store_id(trial.trial_id)


class TakeUp(Callback):
    """Gives trials that start without a checkpoint the newest one that an earlier run has saved.

    Args:
        folder: of this run of the sweep; those of the runs before lie beside it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Tune then restores it."""
        if trial.checkpoint is not None:
            return
        notes = sorted(self._folder.parent.glob(f"*/{lasting_name(trial)}/{_NOTE}"), key=_age)
        found = next((result for note in notes if (result := _noted(note)) is not None), None)
        if found is not None:
            trial.on_checkpoint(found)

    def on_trial_save(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Notes the checkpoint."""
        saved = trial.latest_checkpoint_result
        if saved is None or saved.checkpoint is None:
            return
        counted = {name: saved.metrics[name] for name in _COUNTED_ON if name in saved.metrics}
        note = self._folder / lasting_name(trial) / _NOTE
        try:
            note.parent.mkdir(parents=True, exist_ok=True)
            temporary = note.with_suffix(".tmp")
            temporary.write_text(json.dumps({"checkpoint": saved.checkpoint.path, "metrics": counted}))
            temporary.replace(note)
        except OSError as problem:  # the sweep goes on; after a resume the trial would begin again
            _log.warning("%s could not be written: %s", note, problem)


def _age(note: Path) -> float:
    return -note.stat().st_mtime


def _noted(note: Path) -> _TrainingResult | None:
    """The checkpoint that a note names, None where there is none any more."""
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
        checkpoint, metrics = Path(told["checkpoint"]), dict(told["metrics"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return _TrainingResult(Checkpoint(str(checkpoint)), metrics) if checkpoint.is_dir() else None
