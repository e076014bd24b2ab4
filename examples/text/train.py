"""A small text classifier: from which package of Python's standard library is this docstring?

Real text of this very Python, no download. Words become numbers in `keras.layers.TextVectorization`.
"""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from metahp_cluster.training import Report

EPOCHS = 50
WORDS = 4000
LENGTH = 32
Tokens = NDArray[np.int64]
Labels = NDArray[np.int64]

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


def train(config: dict[str, Any]) -> None:
    """Train one network and report ``val_accuracy`` each epoch."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(config["data"]["seed"])
    x, y, x_val, y_val = load(**config["data"])
    model = build(config, classes=int(y.max()) + 1)
    model.fit(
        x,
        y,
        batch_size=config["batch_size"],
        epochs=EPOCHS,
        validation_data=(x_val, y_val),
        verbose=0,
        callbacks=[Report(save=False)],
    )


def load(packages: list[str], examples: int, seed: int) -> tuple[Tokens, Labels, Tokens, Labels]:
    """Sequences of ``LENGTH`` word numbers, 0 where there is no word, and labels, from 0.

    Args:
        packages: names of packages of the standard library, one class each.
        examples: how many docstrings to train with; all others are for validation.
        seed: of the split.
    """
    texts = [(text, label) for label, package in enumerate(packages) for text in docstrings(package)]
    words, labels = zip(*texts, strict=True)
    told, held, y, y_val = train_test_split(
        list(words), np.array(labels), train_size=examples, stratify=labels, random_state=seed
    )
    vectorize = keras.layers.TextVectorization(WORDS, output_sequence_length=LENGTH)
    vectorize.adapt(told)
    return vectorize(told).numpy(), y, vectorize(held).numpy(), y_val


def docstrings(package: str) -> list[str]:
    """The first paragraphs of a package's docstrings, without its own name, which would give it away."""
    found: list[str] = []
    for path in sorted((Path(sysconfig.get_path("stdlib")) / package).rglob("*.py")):
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8", errors="replace")))
        found += [ast.get_docstring(node) or "" for node in nodes if isinstance(node, documented)]
    paragraphs = {text.split("\n\n")[0].lower().replace(package, "") for text in found}
    return sorted(text for text in paragraphs if len(text.split()) > 3)


def build(config: dict[str, Any], classes: int) -> keras.Model:
    """Word vectors, their mean or a recurrent layer over them, a dense layer."""
    model = keras.Sequential(
        [
            keras.layers.Input((LENGTH,), dtype="int64"),
            keras.layers.Embedding(WORDS, config["embedding"]),
            reader(config["reader"]),
            keras.layers.Dropout(config["dropout"]),
            keras.layers.Dense(classes, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(config["learning_rate"]), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def reader(choice: dict[str, Any]) -> keras.layers.Layer:
    """What turns word vectors into one vector."""
    if choice["kind"] == "gru":
        return keras.layers.GRU(choice["units"])
    return keras.layers.GlobalAveragePooling1D()
