"""Any sequence of starts, reports, seals, crashes and reopenings against a plain dictionary."""

import math
import os
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from metahp.space import Float, SearchSpace
from metahp.store import Store, TrialEvent
from metahp.types import Measurement, Sweep

SWEEP = Sweep("s", SearchSpace({"lr": Float(0.0, 1.0)}), "m", "min")
TRIALS = st.sampled_from(["a", "b"])
VALUES = st.floats(allow_nan=False)


class StoreMachine(RuleBasedStateMachine):
    @initialize()
    def create(self):
        self.directory = tempfile.TemporaryDirectory()
        self.place = Path(self.directory.name)
        self.rows: dict[tuple[str, int, int], float] = {}  # the model: (trial, attempt, step) to value
        self.attempts: dict[str, int] = {}
        self.status: dict[str, str] = {}
        self.imports = 0
        self.open()

    def store(self) -> Store:
        return Store(self.place / "store", spool_dir=self.place / "spool")

    def open(self) -> None:
        self.writer = self.store().open_sweep(SWEEP)
        self.writer._sealer._period_s = 3600  # publishing is a rule of its own

    @rule(trial=TRIALS, restored=st.booleans())
    def start(self, trial, restored):
        self.attempts[trial] = self.attempts.get(trial, 0) + 1
        self.status[trial] = "running"
        assert self.writer.start_attempt(trial, {"lr": 0.5}, restored=restored) == self.attempts[trial]

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), step=st.integers(1, 6), value=VALUES)
    def report(self, data, step, value):
        trial = data.draw(st.sampled_from(sorted(self.attempts)))
        key = (trial, self.attempts[trial], step)
        assert self.writer.record(trial, Measurement(step, value, float(step))) == (key not in self.rows)
        self.rows.setdefault(key, value)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), event=st.sampled_from([TrialEvent.PAUSED, TrialEvent.COMPLETED, TrialEvent.ERRORED]))
    def end(self, data, event):
        trial = data.draw(st.sampled_from(sorted(self.attempts)))
        self.writer.record_event(trial, event)
        self.status[trial] = event.status

    @rule()
    def publish(self):
        self.writer.seal()
        assert self.published() == self.rows

    @rule()
    def reopen(self):
        self.writer.close()
        assert self.published() == self.rows
        self.open()

    @rule()
    def crash(self):
        self.writer._sealer._waiting = 0  # nothing more is published
        self.writer._end()
        self.open()
        assert self.published() == self.rows

    @rule(kind=st.sampled_from(["torn", "deleted", "garbage"]))
    def crash_and_damage_what_its_driver_wrote(self, kind):
        spool = self.writer._spool.spool_id
        self.writer._sealer._waiting = 0
        self.writer._end()
        for path in sorted((self.place / "store").glob(f"results/spool={spool}/seg-*"))[-1:]:
            path.unlink() if kind == "deleted" else path.write_bytes(b"" if kind == "torn" else b"x" * 500)
        self.open()  # the spool still had the rows
        assert self.published() == self.rows

    def published(self) -> dict[tuple[str, int, int], float]:
        rows = [row for batch in self.store().scan() for row in batch.to_pylist()]
        found = {(row["trial_id"], row["attempt"], row["step"]): row["objective"] for row in rows}
        assert len(found) == len(rows)
        return found

    @invariant()
    def the_driver_sees_the_effective_curves(self):
        seen = {trial.trial_id: trial for trial in self.writer.history().trials}
        assert {name: trial.status for name, trial in seen.items()} == self.status
        for name, trial in seen.items():
            assert [(m.step, m.value) for m in trial.curve.measurements] == self.effective(name)

    def effective(self, trial) -> list[tuple[int, float]]:
        mine = {(a, s): v for (t, a, s), v in self.rows.items() if t == trial}
        begin = {a: min((s for b, s in mine if b == a), default=math.inf) for a in range(1, self.attempts[trial] + 1)}
        kept = [(s, v) for (a, s), v in mine.items() if all(begin[later] > s for later in begin if later > a)]
        return sorted(kept)

    def teardown(self):
        self.writer.close()
        assert self.store().curves() == [self.writer.history()]
        assert self.store().holes() == []
        assert not [path for path in (self.place / "spool").rglob("*") if path.is_file()]
        self.directory.cleanup()


TestStore = StoreMachine.TestCase
EXAMPLES = int(os.environ.get("METAHP_STATEFUL_EXAMPLES", "15"))
TestStore.settings = settings(max_examples=EXAMPLES, stateful_step_count=25, deadline=None)
