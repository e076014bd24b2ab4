"""The store's predictor goes on learning beside a sweep, in a process of its own that yields to the trials."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from metahp.store import Store

_PATIENCE_S = 5.0


@contextmanager
def learning(store: Store) -> Iterator[None]:
    """Within, a learner follows the store; what it says goes where this process prints."""
    one_core = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    learner = subprocess.Popen(
        [sys.executable, "-m", "metahp.learner", store.location],
        env=os.environ | one_core | {"CUDA_VISIBLE_DEVICES": ""},  # the GPUs are the trials'
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the sweep, which ends the learner
    )
    try:
        yield
    finally:
        learner.terminate()  # at any moment: what it was about to learn, the next one learns
        try:
            learner.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            learner.kill()
            learner.wait()
