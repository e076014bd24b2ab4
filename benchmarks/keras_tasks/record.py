"""Trains every network of `metahp.starter` again, and writes the curves as the file that ships.

Command: ``OMP_NUM_THREADS=1 python -m benchmarks record-keras --out results``; then copy what it wrote,
``results/keras/curves.parquet``, to ``metahp/starter/``. It took 50 minutes on one core that others used too, says how
far it is, and goes on where it was interrupted: each finished task has a file of its own.

Each of 27 tasks trains 48 random configurations, each with a seed of its own, to its end; the curves of those that
diverge are kept as they are. A curve is the metric on the validation examples after every epoch, and the seconds of
training until then, measured, without the time in which TensorFlow builds its graph. The same seeds give the same
curves on the same machine and versions; elsewhere, floating point being what it is, they are alike but not equal.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from benchmarks.keras_tasks.data import Data, load
from benchmarks.keras_tasks.models import EPOCHS, SPACES, build, optimizer
from metahp.starter import METADATA, SCHEMA
from metahp.types import Config

BY_LOSS = (
    "tabular/breast-cancer-noisy",
    "tabular/diabetes",
    "tabular/hastie",
    "image/digits-turned",
    "sequence/control-charts",
    "text/web-or-mail",
    "text/concurrency",
)
"""The tasks whose metric is ``val_loss``, to be minimised; that of the others is ``val_accuracy``."""

Row = dict[str, Any]


def record(out: Path, *, configs: int, names: tuple[str, ...], facts: dict[str, Any]) -> Iterator[str]:
    """Trains what has no file yet; yields the name of each task when it is done; packs the whole at the end.

    Args:
        out: directory of the results; gets ``keras/<task>.parquet`` and ``keras/curves.parquet``.
        configs: how many configurations of each task.
        names: of the data sets.
        facts: what is written beside the curves: commit, versions, machine.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    directory = out / "keras"
    directory.mkdir(parents=True, exist_ok=True)
    parts = {name: directory / f"{name.replace('/', '__')}.parquet" for name in names}
    for name, path in parts.items():
        if not path.exists():
            _record_task(name, path, configs, facts)
        yield name
    _pack(list(parts.values()), directory / "curves.parquet")


def _record_task(name: str, path: Path, configs: int, facts: dict[str, Any]) -> None:
    data, began = load(name), perf_counter()
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    rows = [_trained(name, number, SPACES[data.kind].sample(rng), data) for number in range(configs)]
    _write(path, rows, {name: facts | {"seconds": round(perf_counter() - began)}})


def _metric(name: str) -> str:
    return "val_loss" if name in BY_LOSS else "val_accuracy"


def _about(name: str, recorded: Any) -> dict[str, Any]:
    """The sweep in JSON, as `metahp.starter` reads it, and how it was recorded."""
    data, metric = load(name), _metric(name)
    return {
        "recorded": recorded,
        "space": SPACES[data.kind].to_json(),
        "metric": metric,
        "mode": "min" if metric == "val_loss" else "max",
        "max_step": EPOCHS[data.kind],
        "task": {
            "kind": data.kind,
            "data": data.source,
            "examples": len(data.x),
            "classes": data.classes,
            "inputs": int(np.prod(data.x.shape[1:])),
        },
    }


def _trained(name: str, number: int, config: Config, data: Data) -> Row:
    keras.utils.clear_session()
    keras.utils.set_random_seed(zlib.crc32(f"{name}:{number}".encode()))
    epoch = epoch_of(config, data)
    scores, seconds, began = [], [], perf_counter()
    for _ in range(EPOCHS[data.kind]):
        measured = epoch()
        scores.append(float(measured[_metric(name)]))
        seconds.append(perf_counter() - began)
    return {"task": name, "config": json.dumps(dict(config)), "scores": scores, "seconds": seconds}


def epoch_of(config: Config, data: Data) -> Callable[[], dict[str, tf.Tensor]]:
    """Trains one epoch in random order, in one call of TensorFlow, and measures; ``fit`` would take thrice as long."""
    model, own = build(config, data), optimizer(config)
    own.build(model.trainable_variables)
    x, y = tf.constant(data.x), tf.constant(data.y)
    x_val, y_val = tf.constant(data.x_val), tf.constant(data.y_val)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if data.classes else _squared_error

    @tf.function  # type: ignore[untyped-decorator]
    def epoch() -> dict[str, tf.Tensor]:
        order = tf.random.shuffle(tf.range(len(data.x)))
        for start in tf.range(0, len(data.x), config["batch_size"]):
            rows = order[start : start + config["batch_size"]]
            with tf.GradientTape() as tape:
                error = loss(tf.gather(y, rows), model(tf.gather(x, rows), training=True))
            own.apply(tape.gradient(error, model.trainable_variables), model.trainable_variables)
        outputs = model(x_val, training=False)
        right = tf.argmax(outputs, axis=1, output_type=tf.int32) == tf.cast(y_val, tf.int32)
        return {"val_loss": loss(y_val, outputs), "val_accuracy": tf.reduce_mean(tf.cast(right, tf.float32))}

    epoch.get_concrete_function()
    return epoch


def _squared_error(y: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.square(y - outputs[:, 0]))


def _pack(parts: list[Path], path: Path) -> None:
    """All tasks in one file."""
    tables = [pq.read_table(part) for part in parts]
    recorded = [json.loads(table.schema.metadata[METADATA]) for table in tables]
    about = {name: _about(name, facts) for part in recorded for name, facts in part.items()}
    _write(path, [row for table in tables for row in table.to_pylist()], about)


def _write(path: Path, rows: list[Row], about: dict[str, Any]) -> None:
    table = pa.Table.from_pylist(rows, schema=SCHEMA).replace_schema_metadata({METADATA: json.dumps(about)})
    temporary = path.with_suffix(".tmp")
    pq.write_table(table, temporary, compression="zstd")
    temporary.replace(path)
