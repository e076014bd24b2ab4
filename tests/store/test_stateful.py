"""Any sequence of starts, reports, seals, merges, crashes, losses and imports against a plain dictionary."""

import math
import os
import tempfile
from pathlib import Path
from unittest import mock

import pyarrow.parquet as pq
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from metahp.space import Float, SearchSpace
from metahp.store import Hole, Store, TrialEvent, sealing
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
        self.imported: dict[str, list[list[float]]] = {}  # values of the trials, by sweep_id
        # Small files, so that a driver run has several and a loss can be in the middle.
        self.small = mock.patch.object(sealing, "MAX_ROWS", 4)
        self.small.start()
        self.open()

    def store(self) -> Store:
        return Store(self.place / "store", spool_dir=self.place / "spool")

    def open(self) -> None:
        self.writer = self.store().open_sweep(SWEEP)

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

    @rule()
    def compact(self):
        before = self.published()
        self.store().compact()
        assert self.published() == before

    @rule(data=st.data(), kind=st.sampled_from(["torn", "garbage", "deleted"]))
    def lose_a_file_of_a_run_that_is_over(self, data, kind):
        """Nobody has its rows any more: they are missing, all others are there, and cursors stop before them."""
        self.writer.close()
        files = sorted((self.place / "store").glob("results/*/seg-*"))
        files = [path for path in files if pq.read_table(path, columns=["sweep_id"])["sweep_id"][0].as_py() == "s"]
        if files:
            path = data.draw(st.sampled_from(files))
            rows = pq.read_table(path).to_pylist()
            path.unlink() if kind == "deleted" else path.write_bytes(b"" if kind == "torn" else b"x" * 500)
            for row in rows:
                del self.rows[row["trial_id"], row["attempt"], row["step"]]
            assert self.published() == self.rows
            self.check_hole(Hole("results", rows[0]["spool_id"], rows[0]["spool_seq"], rows[-1]["spool_seq"]))
        self.open()

    def check_hole(self, lost: Hole) -> None:
        holes = [hole for hole in self.store().holes() if hole.spool_id == lost.spool_id]
        assert [hole for hole in holes if hole.first <= lost.first and lost.last <= hole.last]
        assert self.store().cursor().at("results", lost.spool_id) < lost.first
        assert not self.store().check().is_whole

    @rule()
    def accept_the_losses(self):
        store = self.store()
        assert store.accept_holes() == store.holes() or store.holes() == []
        assert store.check().is_whole
        ends = {spool: cover[-1].last for spool, cover in self.covers(store).items() if cover}
        assert {spool: store.cursor().at("results", spool) for spool in ends} == ends

    def covers(self, store):
        segments = store._tables["results"]
        return {spool: segments.cover(spool) for spool in segments.spools()}

    @rule(values=st.lists(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6), min_size=1, max_size=3))
    def import_twice(self, values):
        trials = [
            {"config": {"lr": 0.5}, "curve": list(enumerate(own, 1)), "trial_id": str(n)}
            for n, own in enumerate(values)
        ]
        for known in (False, True):
            done = self.store().import_sweep(
                name=f"old {len(self.imported) + 1 - known}", space=SWEEP.space, metric="m", mode="min", trials=trials
            )
            assert (done.trials, done.known) == ((0, sum(map(len, values))) if known else (len(values), 0))
            self.imported[done.sweep_id] = values

    def published(self) -> dict[tuple[str, int, int], float]:
        rows = [row for b in self.store().scan() for row in b.to_pylist() if row["sweep_id"] == SWEEP.sweep_id]
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
        self.small.stop()
        first, *others = self.store().curves()
        assert first == self.writer.history()
        assert {own.sweep.sweep_id: [list(t.curve.values) for t in own.trials] for own in others} == self.imported
        self.store().accept_holes()
        assert self.store().check().is_whole
        assert not [path for path in (self.place / "spool").rglob("*") if path.is_file()]
        self.directory.cleanup()


TestStore = StoreMachine.TestCase
EXAMPLES = int(os.environ.get("METAHP_STATEFUL_EXAMPLES", "15"))
TestStore.settings = settings(max_examples=EXAMPLES, stateful_step_count=25, deadline=None)
