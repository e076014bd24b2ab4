"""Wrote ``store_v1_decisions``, of schema version 1: python tests/golden/make_store_v1_decisions.py DIRECTORY

The table of decisions came after ``store_v1`` was written, within the same schema version: readers of both exist.
"""

import sys
import tempfile
from pathlib import Path

from metahp.space import Constant, Float, SearchSpace
from metahp.store import Store, TrialEvent
from metahp.types import (
    Action,
    Decision,
    Forecast,
    LearningCurve,
    MadeDecision,
    Measurement,
    Mode,
    Sweep,
    SweepHistory,
    Trial,
    TrialStatus,
)

SWEEP = Sweep(
    "sweep-two", SearchSpace({"lr": Float(0.0, 1.0), "api_key": Constant("open sesame")}), "loss", Mode.MIN, 9
)
STORED = SearchSpace({"lr": Float(0.0, 1.0), "api_key": Constant("<redacted>")})
FORECAST = Forecast(9, 0.25, 0.125)
START = Decision(Action.START, "the best for 3 past sweeps", forecast=FORECAST, acquisition=0.5)
GO_ON = Decision(Action.CONTINUE, "chance to be the best is 40%", 0.4, 0.05, FORECAST, propensity=1.0)
SPARED = Decision(Action.STOP, "chance to be the best is 1%", 0.01, 0.05, FORECAST, propensity=0.96, carried_out=False)
PAUSED = Decision(Action.PAUSE, "another trial promises more", 0.02, 0.05, FORECAST)
DECISIONS = [
    MadeDecision("a", 0, START, "version-1"),
    MadeDecision("a", 1, GO_ON, "version-1"),
    MadeDecision("b", 0, START, None),
    MadeDecision("b", 1, SPARED, "version-2"),
    MadeDecision("a", 2, PAUSED, "version-2"),
]
HISTORY = SweepHistory(
    Sweep("sweep-two", STORED, "loss", Mode.MIN, 9),
    (
        Trial(
            "a",
            {"lr": 0.5, "api_key": "<redacted>"},
            LearningCurve.of([(1, 0.5, 1.0), (2, 0.25, 2.0)]),
            TrialStatus.PAUSED,
        ),
        Trial("b", {"lr": 0.75, "api_key": "<redacted>"}, LearningCurve.of([(1, 2.0, 1.0)]), TrialStatus.STOPPED),
    ),
)


def write(store: Store) -> None:
    with store.open_sweep(SWEEP, searcher="MetaSearch", scheduler="MetaScheduler") as writer:
        for trial, lr in (("a", 0.5), ("b", 0.75)):
            writer.start_attempt(trial, {"lr": lr, "api_key": "open sesame"})
        for made in DECISIONS:
            writer.record_decision(made)
        writer.record("a", Measurement(1, 0.5, 1.0), {"loss": 0.5})
        writer.record("b", Measurement(1, 2.0, 1.0), {"loss": 2.0})
        writer.record("a", Measurement(2, 0.25, 2.0), {"loss": 0.25})
        writer.record_event("b", TrialEvent.STOPPED)
        writer.record_event("a", TrialEvent.PAUSED)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as spool_dir:
        write(Store(sys.argv[1], spool_dir=Path(spool_dir)))
