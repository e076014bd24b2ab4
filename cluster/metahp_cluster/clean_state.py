"""A process that has trained other trials begins the next one as a fresh process would.

Workers are kept, since to start one and import TensorFlow takes ten seconds. What a trial leaves behind in Keras is
dropped, and all generators are seeded anew, by the sweep's seed and the trial's configuration: a trial trains to the
same curve wherever and whenever it runs. Keras is seeded where it has been imported: by the file of the training
function, at its top. A function that sets its own seed overrides this one.
"""

from __future__ import annotations

import functools
import gc
import json
import random
import sys
from collections.abc import Mapping
from hashlib import blake2b
from types import ModuleType
from typing import Any

import numpy as np


def seed_of(sweep_seed: int, config: Mapping[str, Any]) -> int:
    """Of the trial with this configuration: the same in all workers that train it, and when it is tried again."""
    named = json.dumps([sweep_seed, config], sort_keys=True, default=repr)
    return int.from_bytes(blake2b(named.encode(), digest_size=4).digest(), "big")


def begin(seed: int) -> None:
    """Drops what the last trial has left, and seeds Python, NumPy and Keras."""
    keras = sys.modules.get("keras")  # who does not use it shall not wait for it
    if keras is None:
        random.seed(seed)
        np.random.seed(seed)
        return
    policy = _policy_of_the_file(keras)
    keras.utils.clear_session()  # collects garbage, too: models refer to themselves in circles, and hold GPU memory
    _spare_what_stays()
    if policy is not None:
        keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(seed)  # Python and NumPy too


@functools.cache  # asked before the first trial, which may set another; Keras keeps it by thread, not by process
def _policy_of_the_file(keras: ModuleType) -> Any:
    """The dtype policy that the user's file has set at its top, e.g. ``mixed_float16``; None if it has set none."""
    policy = keras.config.dtype_policy()
    return None if policy.name == keras.config.floatx() else policy


@functools.cache  # once: what a later trial has left may be garbage one day
def _spare_what_stays() -> None:
    """The half a million objects of TensorFlow are not looked through again, which took .3 s of each collection."""
    gc.freeze()
