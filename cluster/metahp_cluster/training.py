"""What a training function may use: `Report` tells how each epoch went and saves it, `scope` shares the training.

::

    def train(config):
        with scope():
            model = build(config)
        report = Report()
        model.fit(x, y, epochs=50, initial_epoch=report.resume(model), callbacks=[report])

The same function then trains alone, or with ``resources: {workers: 4}`` as one of four; and a trial whose machine went
away goes on where it was.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import keras

from metahp_cluster import jax_crew, saved_state
from metahp_cluster.checkpoints import FAILED
from metahp_cluster.workers import place

_log = logging.getLogger(__name__)
EPOCH = "epoch"  # in each report: epochs that the model has seen, also over restarts
TRAINING_ITERATION = "training_iteration"  # in each report, Tune's own count of them


class Report(keras.callbacks.Callback):
    """Reports what Keras has measured after each epoch, with a checkpoint of model and optimiser.

    Of several workers the first one reports for all. A checkpoint for which there is no room is left out, and said.

    Args:
        save: whether to save; without it a trial that is interrupted begins anew.
    """

    def __init__(self, *, save: bool = True) -> None:
        super().__init__()
        self._save = save
        self._begun_anew = False

    def resume(self, model: keras.Model) -> int:
        """Loads the newest checkpoint of this trial into a compiled model, if there is one and it is whole.

        Returns:
            how many epochs it has been trained: the ``initial_epoch`` of ``fit``.
        """
        checkpoint = _session().get_checkpoint()
        if checkpoint is None:
            return 0
        with checkpoint.as_directory() as folder:
            damage = saved_state.damage(Path(folder))
            if not damage:
                return saved_state.load(Path(folder), model)
        _log.warning("the checkpoint %s is damaged, %s: the trial begins anew", checkpoint.path, damage)
        self._begun_anew = True
        return 0

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Reports."""
        metrics = {name: float(value) for name, value in (logs or {}).items()} | {EPOCH: epoch + 1}
        if self._begun_anew:
            metrics[TRAINING_ITERATION] = epoch + 1  # Tune would count on from the damaged checkpoint
        if not self._save or not _saves():
            _session().report(metrics)
            return
        with tempfile.TemporaryDirectory() as folder:
            try:
                saved_state.save(Path(folder), self.model, epoch + 1)
            except OSError as problem:
                _without_checkpoint(metrics, problem)
            else:
                _with_checkpoint(metrics, folder)


def _saves() -> bool:
    """The first of a crew; under JAX all of them, since what a model is made of is read by all processes together."""
    return place().rank == 0 or keras.backend.backend() == "jax"


def _with_checkpoint(metrics: dict[str, Any], folder: str) -> None:
    if place().rank > 0:
        _session().report(metrics)
        return
    try:
        _session().report(metrics, checkpoint=_session().Checkpoint.from_directory(folder))
    except OSError as problem:
        if place().size > 1:
            raise  # the others wait until this one has reported as they have: Ray Train begins again with all
        _drop_half_a_checkpoint()
        _without_checkpoint(metrics, problem)


def _without_checkpoint(metrics: dict[str, Any], problem: OSError) -> None:
    """What was measured is told all the same: the disk may be full of checkpoints, the store is elsewhere."""
    _log.warning("the checkpoint of epoch %d cannot be saved, its report goes on: %s", metrics[EPOCH], problem)
    _session().report(metrics | {FAILED: str(problem)})


def _drop_half_a_checkpoint() -> None:
    """It is of no use, and takes room."""
    from ray.train._internal.session import get_session

    storage = get_session().storage
    with suppress(OSError):
        storage.storage_filesystem.delete_dir(storage.checkpoint_fs_path)


@contextmanager
def scope() -> Iterator[None]:
    """Models made within are trained by all workers of the trial together; does nothing where there is one.

    Each worker hands the same data to ``fit``: every batch is divided among them, and the gradients are added up.
    """
    if place().size == 1:
        yield
        return
    if keras.backend.backend() == "jax":
        jax_crew.share_batches()
        yield
        return
    import tensorflow as tf

    _repair_fit(tf)
    with tf.distribute.MultiWorkerMirroredStrategy().scope():
        yield


def _session() -> Any:
    """Where to report: Ray Train, where several workers train a trial, else Ray Tune."""
    if place().size > 1:
        from ray import train

        return train
    from ray import tune

    return tune


def _repair_fit(tf: Any) -> None:
    """Two steps of ``fit`` in Keras 3.15 cannot work under this strategy (keras-team/keras#20585).

    It builds the model by a reduction over replicas that is not needed where the model is built, and takes the mean
    over replicas of values that the strategy has reduced already.
    """
    from keras.src.backend.tensorflow import trainer

    def first_replica(values: Any, strategy: Any, reduction: object = None) -> Any:
        return tf.nest.map_structure(lambda value: strategy.experimental_local_results(value)[0], values)

    trainer.reduce_per_replica = first_replica
    trainer.TensorFlowTrainer._maybe_symbolic_build = lambda self, *args, **kwargs: None
