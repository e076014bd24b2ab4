"""Other people's experiment trackers, by Ray Tune's own callbacks: TensorBoard, MLflow, Weights & Biases.

Everything is written to the sweep's own folder, and nothing is sent anywhere: MLflow gets a sqlite file, Weights &
Biases its offline mode (``wandb sync`` sends it later). Outside of sweep files the same callbacks go into
``tune.RunConfig(callbacks=[...])``, beside `metahp_searchers.StoreCallback`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from metahp.errors import SweepSpecError


class Logger(StrEnum):
    """A tracker that a sweep file can name under ``loggers``."""

    TENSORBOARD = "tensorboard"
    MLFLOW = "mlflow"
    WANDB = "wandb"


_MODULES = {Logger.TENSORBOARD: "tensorboardX", Logger.MLFLOW: "mlflow", Logger.WANDB: "wandb"}


def check(loggers: Sequence[Logger]) -> None:
    """Refuse trackers that are not installed.

    Raises:
        SweepSpecError: the package of one is missing; says how to install it.
    """
    missing = [logger for logger in loggers if find_spec(_MODULES[logger]) is None]
    if missing:
        packages = " ".join(_MODULES[logger] for logger in missing)
        raise SweepSpecError(
            f"loggers: {', '.join(missing)} cannot be used, the package is not installed; pip install {packages}"
        )


def callbacks(loggers: Sequence[Logger], name: str, folder: Path) -> list[Any]:
    """Ray Tune's callback for each of the trackers.

    Args:
        loggers: which.
        name: of the sweep; the trackers call it an experiment or a project.
        folder: below it everything is written, except TensorBoard's files: these lie beside each trial's results.
    """
    return [_callback(logger, name, folder) for logger in dict.fromkeys(loggers)]


def _callback(logger: Logger, name: str, folder: Path) -> Any:
    if logger is Logger.TENSORBOARD:
        from ray.tune.logger import TBXLoggerCallback

        return TBXLoggerCallback()
    if logger is Logger.MLFLOW:
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        return MLflowLoggerCallback(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}", experiment_name=name)
    from ray.air.integrations.wandb import WandbLoggerCallback

    mode = os.environ.setdefault("WANDB_MODE", "offline")  # who sets it to online has said so
    return WandbLoggerCallback(project=name, dir=str(folder), mode=mode)  # its actors do not see our environment
