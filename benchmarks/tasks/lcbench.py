"""LCBench: dense networks on tabular data, 7 hyperparameters, 52 epochs (Zimmer, Lindauer, Hutter 2021).

The curves come from the surrogate of YAHPO Gym v1 (Pfisterer et al. 2022): one network fitted to all recorded runs, as
an ONNX file. It is smooth (noise is not modelled) and shares structure over tasks, so that transfer looks easier here
than on the raw table. Anyone gets the complete surrogate of 34 tasks from https://github.com/slds-lmu/yahpo_data
(directory ``lcbench``; Apache License 2.0): put ``model.onnx``, ``encoding.json`` and ``config_space.json`` into
``../shared/data/lcbench`` beside the project. Needs the extra ``bench`` (onnxruntime).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from benchmarks.tasks.task import Curve, Task, data_directory
from metahp.space import Float, Int, SearchSpace
from metahp.types import Config, FloatArray, Mode

MAX_EPOCH = 52
INPUTS = ("batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units", "max_dropout")
"""The order in which the surrogate takes them, after the epoch."""

TIME, BALANCED_ACCURACY = 0, 3  # columns of its output
SHORTEST_EPOCH_S = 1e-3  # the surrogate's time is not quite monotone

SPACE = SearchSpace(
    {
        "batch_size": Int(16, 512, log=True),
        "learning_rate": Float(1e-4, 0.1, log=True),
        "momentum": Float(0.1, 0.99),
        "weight_decay": Float(1e-5, 0.1),
        "num_layers": Int(1, 5),
        "max_units": Int(64, 1024, log=True),
        "max_dropout": Float(0.0, 1.0),
    }
)


def lcbench_tasks() -> tuple[Task, ...]:
    """One task per OpenML task that the surrogate knows; the metric is the balanced validation accuracy.

    Raises:
        TaskDataMissingError: the surrogate is not there.
    """
    codes: dict[str, int] = json.loads((data_directory("lcbench") / "encoding.json").read_text())["OpenML_task_id"]
    return tuple(
        Task(
            name=f"lcbench/{openml}",
            family="lcbench",
            space=SPACE,
            metric="val_balanced_accuracy",
            mode=Mode.MAX,
            max_step=MAX_EPOCH,
            source=partial(_curves, code),
            meta={"kind": "tabular"},
        )
        for openml, code in codes.items()
    )


def _curves(code: int, configs: Sequence[Config]) -> list[Curve]:
    outputs = _surrogate().run(None, {"x_cat": _codes(code, len(configs)), "x_cont": _inputs(configs)})[0]
    by_config = np.asarray(outputs, np.float64).reshape(len(configs), MAX_EPOCH, -1)
    return [Curve(rows[:, BALANCED_ACCURACY], _increasing(rows[:, TIME])) for rows in by_config]


def _codes(code: int, count: int) -> np.ndarray[Any, np.dtype[np.int32]]:
    return np.full((count * MAX_EPOCH, 1), code, np.int32)


def _inputs(configs: Sequence[Config]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Shape ``(n * 52, 8)``: every epoch of every configuration."""
    fixed = np.repeat([[config[name] for name in INPUTS] for config in configs], MAX_EPOCH, axis=0)
    epochs = np.tile(np.arange(1, MAX_EPOCH + 1), len(configs))
    return np.column_stack([epochs, fixed]).astype(np.float32)


def _increasing(seconds: FloatArray) -> FloatArray:
    return np.cumsum(np.maximum(np.diff(seconds, prepend=0.0), SHORTEST_EPOCH_S))


@cache
def _surrogate() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the processes of a replay share the cores
    path = data_directory("lcbench") / "model.onnx"
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
