"""Wrote ``store_v1``, a store of schema version 1: python tests/golden/make_store_v1.py DIRECTORY

A change of the schema adds a script and a store; these are never edited. The sweep was resumed once, so it has two
spools; one trial was restarted from a checkpoint and one from nothing.
"""

import math
import sys
import tempfile
from pathlib import Path

from metahp.space import Categorical, Conditional, Constant, Float, Int, SearchSpace
from metahp.store import Store, TrialEvent
from metahp.types import LearningCurve, Measurement, Mode, Sweep, SweepHistory, Trial, TrialStatus

SPACE = SearchSpace(
    {
        "lr": Float(1e-4, 1e-1, log=True),
        "kernel": Categorical(((3, 3), (5, 5))),
        "optimizer": Conditional(({"name": "adam"}, {"name": "sgd", "momentum": Float(0.0, 0.99)})),
        "units": Int(16, 256, log=True),
        "seed": Constant(2**70),
    }
)
SWEEP = Sweep("sweep-one", SPACE, "val_accuracy", Mode.MAX, 10, {"kind": "image", "classes": 10, "ratio": 0.5}, "ünï")
ADAM = {"lr": 0.01, "kernel": (3, 3), "optimizer": {"name": "adam"}, "units": 32, "seed": 2**70}
SGD = {**ADAM, "optimizer": {"name": "sgd", "momentum": 0.9}, "extra": {"clip": math.inf, "label": "日本"}}


def points(*steps: int, attempt: int) -> tuple[Measurement, ...]:
    return tuple(Measurement(step, attempt + step / 10, step * 1.5) for step in steps)


HISTORY = SweepHistory(
    SWEEP,
    (
        Trial("a", ADAM, LearningCurve(points(1, 2, attempt=1) + points(3, 4, attempt=2)), TrialStatus.COMPLETED),
        Trial("b", SGD, LearningCurve(points(1, attempt=2)), TrialStatus.RUNNING),
        Trial("c", ADAM, LearningCurve((Measurement(1, -math.inf, 0.0),)), TrialStatus.ERRORED),
    ),
)


def write(store: Store) -> None:
    with store.open_sweep(SWEEP, searcher="MetaSearch", scheduler="MetaScheduler") as writer:
        for trial, config in (("a", ADAM), ("b", SGD)):
            writer.start_attempt(trial, config)
            for measurement in points(1, 2, 3, attempt=1):
                writer.record(trial, measurement, {"val_accuracy": measurement.value, "note": "x"})
        writer.start_attempt("c", ADAM)
        writer.record("c", Measurement(1, -math.inf, 0.0))
        writer.record_event("c", TrialEvent.ERRORED, error="ValueError: boom")
    with store.open_sweep(SWEEP) as writer:
        writer.start_attempt("a", ADAM, restored=True)
        for measurement in points(3, 4, attempt=2):
            writer.record("a", measurement, {"val_accuracy": measurement.value}, done=measurement.step == 4)
        writer.record_event("a", TrialEvent.COMPLETED)
        writer.start_attempt("b", SGD)
        writer.record("b", points(1, attempt=2)[0])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as spool_dir:
        write(Store(sys.argv[1], spool_dir=Path(spool_dir)))
