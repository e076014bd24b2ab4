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

import json
import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from metahp_cluster.workers import place

_STATE = "state.weights.h5"  # the model with its optimiser
_CHANCE = "chance.json"
EPOCH = "epoch"  # in each report: epochs that the model has seen, also over restarts


class Report(keras.callbacks.Callback):
    """Reports what Keras has measured after each epoch, with a checkpoint of model and optimiser.

    Of several workers the first one reports for all.

    Args:
        save: whether to save; without it a trial that is interrupted begins anew.
    """

    def __init__(self, *, save: bool = True) -> None:
        super().__init__()
        self._save = save

    def resume(self, model: keras.Model) -> int:
        """Loads the newest checkpoint of this trial into a compiled model, if there is one.

        Returns:
            how many epochs it has been trained: the ``initial_epoch`` of ``fit``.
        """
        checkpoint = _session().get_checkpoint()
        if checkpoint is None:
            return 0
        model.optimizer.build(model.trainable_variables)  # its state can be loaded only into variables that exist
        with checkpoint.as_directory() as folder:
            model.load_weights(Path(folder) / _STATE)
            _restore_chance(Path(folder) / _CHANCE, model)
            return int((Path(folder) / EPOCH).read_text())

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Reports."""
        metrics = {name: float(value) for name, value in (logs or {}).items()} | {EPOCH: epoch + 1}
        if not self._save or place().rank > 0:
            _session().report(metrics)
            return
        with tempfile.TemporaryDirectory() as folder:
            self.model.save_weights(Path(folder) / _STATE)
            _save_chance(Path(folder) / _CHANCE, self.model)
            (Path(folder) / EPOCH).write_text(str(epoch + 1))
            _session().report(metrics, checkpoint=_session().Checkpoint.from_directory(folder))


@contextmanager
def scope() -> Iterator[None]:
    """Models made within are trained by all workers of the trial together; does nothing where there is one.

    Each worker hands the same data to ``fit``: TensorFlow divides every batch among them, and adds up the gradients.
    """
    if place().size == 1:
        yield
        return
    import tensorflow as tf

    _repair_fit(tf)
    with tf.distribute.MultiWorkerMirroredStrategy().scope():
        yield


def _save_chance(path: Path, model: keras.Model) -> None:
    """What draws at random: Python's generator, NumPy's, and those of layers such as Dropout, which are no weights."""
    name, keys, *rest = np.random.get_state(legacy=True)
    layers = [keras.ops.convert_to_numpy(seed).tolist() for seed in _seeds(model)]
    path.write_text(json.dumps([random.getstate(), [name, np.asarray(keys).tolist(), *rest], layers]))


def _restore_chance(path: Path, model: keras.Model) -> None:
    (version, state, gauss), generator, layers = json.loads(path.read_text())
    random.setstate((version, tuple(state), gauss))
    np.random.set_state(tuple(generator))
    for seed, value in zip(_seeds(model), layers, strict=True):
        seed.assign(np.array(value, seed.dtype))


def _seeds(model: keras.Model) -> list[Any]:
    weights = {id(weight) for weight in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights and "seed" in variable.path]


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
