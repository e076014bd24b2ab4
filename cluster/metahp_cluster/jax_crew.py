"""Several processes that train one model by JAX: they see each other's devices, and each takes its part of every batch.

Ray's own JaxTrainer joins them on TPUs and on whole GPUs of separate machines alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def join(rank: int, size: int) -> None:
    """Makes this process one of ``size``; before JAX computes anything."""
    import jax
    from ray.train._internal.utils import get_address_and_port  # as Ray's own backends find a meeting place
    from ray.train.collective import broadcast_from_rank_zero

    own = ":".join(map(str, get_address_and_port())) if rank == 0 else None
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(broadcast_from_rank_zero(own), size, rank)


def share_batches() -> None:
    """Models that are made from now on are the same in all processes, which divide each batch of ``fit`` among them.

    Keras leaves it to the user to give each process other data, as what it calls the local batch. Here each process
    has the whole batch, as under TensorFlow, and takes its part of it.
    """
    import keras
    from keras.src.backend.jax import distribution_lib

    distribution_lib.distribute_data_input = _own_part
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


def _own_part(batch: Any, layout: Any, batch_dim_name: str) -> Any:
    """The batch as one array over all processes; one that cannot be divided is computed by each in full."""
    import jax

    sharding = getattr(layout, "backend_layout", layout)
    whole = np.asarray(batch)
    if len(whole) % jax.device_count():
        sharding = jax.sharding.NamedSharding(sharding.mesh, jax.sharding.PartitionSpec())
    return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])
