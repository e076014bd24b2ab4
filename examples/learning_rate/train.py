"""The simplest sweep: one network, one hyperparameter. See docs/learning_rate.md."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from sklearn.datasets import load_digits

from metahp_cluster.training import Report

EXAMPLES = 300

tf.config.threading.set_intra_op_parallelism_threads(1)  # one worker, one core
tf.config.threading.set_inter_op_parallelism_threads(1)


def train(config: dict[str, Any]) -> None:
    """Train a small network on 300 handwritten digits and report ``val_accuracy`` each epoch."""
    keras.backend.clear_session()  # the process has trained other networks before
    keras.utils.set_random_seed(0)
    digits = load_digits()
    images, labels = digits.data.astype("float32") / 16.0, digits.target
    model = keras.Sequential([keras.layers.Dense(64, "relu"), keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(config["learning_rate"]), loss, metrics=["accuracy"])
    model.fit(
        images[:EXAMPLES],
        labels[:EXAMPLES],
        batch_size=32,
        epochs=10,
        validation_data=(images[EXAMPLES:], labels[EXAMPLES:]),
        verbose=0,
        callbacks=[Report(save=False)],  # an epoch is shorter than writing it down
    )
