"""The networks that are trained, one per kind of data, and what is searched of each.

The names are those that people use, so that what is learned here is of use to their own sweeps: ``learning_rate``,
``batch_size``, ``units``, ``dropout``, … The ranges are as wide as in a first sweep: at their upper ends trainings
diverge.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from benchmarks.keras_tasks.data import TEXT_LENGTH, VOCABULARY, Data
from metahp.space import Categorical, Float, Int, Ordinal, SearchSpace
from metahp.types import Config

_TRAINING = {
    "learning_rate": Float(1e-4, 0.5, log=True),
    "batch_size": Int(8, 128, log=True),
    "optimizer": Categorical(("sgd", "adam", "rmsprop")),
    "weight_decay": Float(1e-6, 0.1, log=True),
    "dropout": Float(0.0, 0.6),
}

SPACES = {
    "tabular": SearchSpace(
        {
            **_TRAINING,
            "units": Int(8, 128, log=True),
            "layers": Int(1, 4),
            "activation": Categorical(("relu", "tanh")),
        }
    ),
    "image": SearchSpace({**_TRAINING, "filters": Int(4, 24, log=True), "units": Int(8, 128, log=True)}),
    "sequence": SearchSpace(
        {**_TRAINING, "filters": Int(4, 32, log=True), "kernel_size": Ordinal((3, 5, 7)), "layers": Int(1, 3)}
    ),
    "text": SearchSpace({**_TRAINING, "embedding": Int(4, 64, log=True), "units": Int(8, 128, log=True)}),
}

EPOCHS = {"tabular": 27, "image": 20, "sequence": 24, "text": 16}
"""Of a full training."""


def build(config: Config, data: Data) -> keras.Model:
    """An untrained network for the data; its outputs are logits, or one number for a regression."""
    shape, dtype = ((TEXT_LENGTH,), "int32") if data.kind == "text" else (data.x.shape[1:], "float32")
    body = {"tabular": _dense, "image": _convolutions, "sequence": _sequence, "text": _words}[data.kind](config)
    return keras.Sequential([layers.Input(shape, dtype=dtype), *body, layers.Dense(data.classes or 1)])


def optimizer(config: Config) -> keras.optimizers.Optimizer:
    """The optimiser with its weight decay; SGD has a momentum of 0.9."""
    settings = {"learning_rate": config["learning_rate"], "weight_decay": config["weight_decay"]}
    if config["optimizer"] == "sgd":
        return keras.optimizers.SGD(momentum=0.9, **settings)
    return {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}[config["optimizer"]](**settings)


def _dense(config: Config) -> list[Any]:
    body: list[Any] = []
    for _ in range(config["layers"]):
        body += [layers.Dense(config["units"], config["activation"]), layers.Dropout(config["dropout"])]
    return body


def _convolutions(config: Config) -> list[Any]:
    return [
        layers.Conv2D(config["filters"], 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(2 * config["filters"], 3, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dense(config["units"], "relu"),
        layers.Dropout(config["dropout"]),
    ]


def _sequence(config: Config) -> list[Any]:
    body: list[Any] = []
    for _ in range(config["layers"]):
        body += [
            layers.Conv1D(config["filters"], config["kernel_size"], padding="same", activation="relu"),
            layers.Dropout(config["dropout"]),
        ]
    return [*body, layers.GlobalAveragePooling1D()]


def _words(config: Config) -> list[Any]:
    return [
        layers.Embedding(VOCABULARY, config["embedding"]),
        layers.GlobalAveragePooling1D(),
        layers.Dense(config["units"], "relu"),
        layers.Dropout(config["dropout"]),
    ]
