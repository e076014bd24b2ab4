"""Who has a part of a GPU stays within that part of its memory: Ray counts fractions, and limits nothing.

JAX is told by a variable when it starts. TensorFlow takes what it needs (see `environment`), up to a limit that has to
be set before it first uses the GPU. A worker keeps its fence: it has the same part of the same GPU for all its trials.
"""

from __future__ import annotations

import functools
import logging
import os
from typing import Any

from metahp_cluster import environment
from metahp_cluster.workers import place

_log = logging.getLogger(__name__)
_USABLE = 0.9  # of a GPU's memory: the rest is CUDA's own


def fence(gpu: float) -> None:
    """Holds this process to its part of a GPU; done before anything uses the GPU.

    Args:
        gpu: what the sweep asks for; 0 and whole GPUs need no fence.
    """
    if not 0.0 < gpu < 1.0:
        return
    usable = _USABLE * _share(gpu)
    os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", f"{usable:.3f}")
    if environment.keras_backend() == "tensorflow":
        _fence_tensorflow(usable)


def _share(gpu: float) -> float:
    """What this process has: a trial that ran out of memory has more than it asked for."""
    if place().size > 1:
        return gpu  # Tune knows nothing of a crew's processes
    from ray import tune

    return float(tune.get_context().get_trial_resources().required_resources.get("GPU", gpu))


@functools.cache  # TensorFlow takes it once
def _fence_tensorflow(usable: float) -> None:
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        limit = tf.config.LogicalDeviceConfiguration(memory_limit=int(usable * _megabytes()))
        try:
            tf.config.set_logical_device_configuration(gpu, [limit])
        except RuntimeError as problem:  # the worker has used it already
            _log.warning("trials on one GPU are not fenced off from each other: %s", problem)


def _megabytes() -> float:
    """Memory of the GPU that Ray has given to this process."""
    from ray._private.thirdparty import pynvml  # what Ray itself counts GPUs by

    pynvml.nvmlInit()
    try:
        return float(pynvml.nvmlDeviceGetMemoryInfo(_handle(pynvml)).total) / 2**20
    finally:
        pynvml.nvmlShutdown()


def _handle(pynvml: Any) -> Any:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    if visible.isdigit():
        return pynvml.nvmlDeviceGetHandleByIndex(int(visible))
    return pynvml.nvmlDeviceGetHandleByUUID(visible)
