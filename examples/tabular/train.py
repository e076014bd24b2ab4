"""A small network on a table: is this tumour benign?"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from metahp_cluster.training import Report

EPOCHS = 100

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


def train(config: dict[str, Any]) -> None:
    """Train one network and report ``val_loss`` each epoch."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(config["seed"])
    table, labels = load_breast_cancer(return_X_y=True)
    x, x_val, y, y_val = train_test_split(table, labels, train_size=0.5, stratify=labels, random_state=config["seed"])
    scaler = StandardScaler().fit(x)
    x, x_val = (np.asarray(scaler.transform(rows), np.float32) for rows in (x, x_val))
    model = build(config, columns=x.shape[1])
    model.fit(
        x,
        y,
        batch_size=config["batch_size"],
        epochs=EPOCHS,
        validation_data=(x_val, y_val),
        verbose=0,
        callbacks=[Report(save=False)],
    )


def build(config: dict[str, Any], columns: int) -> keras.Model:
    """As many dense layers as asked for."""
    hidden = [
        keras.layers.Dense(
            config["units"], activation="relu", kernel_regularizer=keras.regularizers.L2(config["weight_decay"])
        )
        for _ in range(config["layers"])
    ]
    model = keras.Sequential([keras.layers.Input((columns,)), *hidden, keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(config["learning_rate"]), loss="binary_crossentropy", metrics=["accuracy"])
    return model
