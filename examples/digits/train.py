"""A small convolutional network on handwritten digits; runs on a laptop, downloads nothing.

``train`` is what a user of MetaHP writes: a function of the configuration that reports once per epoch. The keys below
``data`` are constants of the sweep file, so that related tasks share this one script.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from metahp_cluster.training import Report, scope

EPOCHS = 50  # at most; the budget of the sweep ends training long before
Images = NDArray[np.float32]
Labels = NDArray[np.int64]

# One worker, one core: without this every worker would start threads for all cores and slow the others down.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


def train(config: dict[str, Any]) -> None:
    """Train one network and report ``val_accuracy`` each epoch."""
    keras.backend.clear_session()  # the process has trained other networks before
    keras.utils.set_random_seed(config["data"]["seed"])
    x, y, x_val, y_val = load(**config["data"])
    with scope():  # all workers of the trial, where the sweep asks for several
        model = build(config, classes=int(y.max()) + 1)
    model.fit(
        x,
        y,
        batch_size=config["batch_size"],
        epochs=EPOCHS,
        validation_data=(x_val, y_val),
        validation_batch_size=1024,
        verbose=0,
        callbacks=[Report(save=False)],  # an epoch is shorter than writing it down
    )


def load(classes: list[int], examples: int, noise: float, seed: int) -> tuple[Images, Labels, Images, Labels]:
    """Images of 8×8 pixels, shape ``(n, 8, 8, 1)`` float32 in about ``[0, 1]``, and labels ``(n,)``, from 0.

    Args:
        classes: which digits.
        examples: how many images to train with; all others are for validation.
        noise: standard deviation of what is added to each pixel.
        seed: of the noise and the split.
    """
    digits = load_digits()
    chosen = np.isin(digits.target, classes)
    images = (digits.images[chosen] / 16.0).astype(np.float32)[..., None]
    images += np.random.default_rng(seed).normal(0.0, noise, images.shape).astype(np.float32)
    labels = np.searchsorted(sorted(classes), digits.target[chosen])
    x, x_val, y, y_val = train_test_split(images, labels, train_size=examples, stratify=labels, random_state=seed)
    return x, y, x_val, y_val


def build(config: dict[str, Any], classes: int) -> keras.Model:
    """A network of two convolutions and a dense layer."""
    model = keras.Sequential(
        [
            keras.layers.Input((8, 8, 1)),
            keras.layers.Conv2D(config["filters"], 3, padding="same", activation=config["activation"]),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(2 * config["filters"], 3, padding="same", activation=config["activation"]),
            keras.layers.Flatten(),
            keras.layers.Dropout(config["dropout"]),
            keras.layers.Dense(config["units"], activation=config["activation"]),
            keras.layers.Dense(classes, activation="softmax"),
        ]
    )
    model.compile(optimizer(config), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def optimizer(config: dict[str, Any]) -> keras.optimizers.Optimizer:
    """Adam, or stochastic gradient descent with momentum."""
    if config["optimizer"]["name"] == "sgd":
        return keras.optimizers.SGD(config["learning_rate"], momentum=config["optimizer"]["momentum"])
    return keras.optimizers.Adam(config["learning_rate"])
