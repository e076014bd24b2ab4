"""A reader that goes on reading."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from metahp.errors import StoreError
from metahp.space import Float, SearchSpace
from metahp.store import Store, SweepWriter, TrialEvent, segments
from metahp.store.follow import MOST_BOOKS
from metahp.store.schema import Table
from metahp.types import Action, Decision, MadeDecision, Measurement, Mode, Sweep

GO_ON = Decision(Action.CONTINUE, probability=0.5, threshold=0.1)


def sweep(sweep_id: str = "s1") -> Sweep:
    return Sweep(sweep_id, SearchSpace({"x": Float(0, 1)}), "acc", Mode.MAX, 8, {}, f"sweep {sweep_id}")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", spool_dir=tmp_path / "spool")


def write(writer: SweepWriter, trial_id: str, steps: range) -> None:
    if steps.start == 1:
        writer.start_attempt(trial_id, {"x": 0.5})
    for step in steps:
        writer.record(trial_id, Measurement(step, step / 10, float(step)))
    writer.seal()


def test_what_it_knows_is_what_the_store_says_at_any_time(store: Store) -> None:
    follower = store.follow()
    assert follower.poll() == []
    with store.open_sweep(sweep()) as writer:
        for steps in (range(1, 4), range(4, 6), range(6, 9)):
            write(writer, "a", steps)
            writer.record_decision(MadeDecision("a", steps.stop - 1, GO_ON))
            writer.seal()
            assert follower.poll() == ["s1"]
            assert follower.history("s1") == store.history("s1")
            assert follower.decisions("s1") == store.decisions("s1")
            assert follower.poll() == []
        assert follower.log("s1").state == "running"
        writer.record_event("a", TrialEvent.COMPLETED)
    assert follower.poll() == ["s1"]
    assert follower.history("s1") == store.history("s1")
    log = follower.log("s1")
    assert log.state == "completed"
    assert log.began <= log.latest


def test_rows_are_read_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[int] = []
    load = segments.parquet.load

    def counted(path: Path, table: Table, *rest: Any) -> list[pa.RecordBatch] | None:
        batches = load(path, table, *rest)
        if table == "results":
            loaded.append(sum(batch.num_rows for batch in batches or []))
        return batches

    follower = store.follow()
    with store.open_sweep(sweep()) as writer:
        for steps in (range(1, 4), range(4, 6), range(6, 8)):
            write(writer, "a", steps)
            follower.poll()
            with monkeypatch.context() as patch:  # the writer itself reads what it merges
                patch.setattr(segments.parquet, "load", counted)
                follower.history("s1")
                follower.decisions("s1")
    assert loaded == [3, 2, 2]


def test_a_second_driver_and_a_deleted_sweep(store: Store) -> None:
    follower = store.follow()
    for steps in (range(1, 4), range(4, 6)):
        with store.open_sweep(sweep()) as writer:
            write(writer, "a", steps)
        follower.poll()
        assert follower.history("s1") == store.history("s1")
    assert follower.history("s1").trials[0].curve.last_step == 5
    assert store.prune("0d")
    follower.poll()
    assert not follower.sweeps
    with pytest.raises(StoreError, match="holds no sweep 's1'"):
        follower.history("s1")


def test_a_hole_hides_no_other_rows_and_is_filled_when_the_file_is_back(store: Store) -> None:
    with store.open_sweep(sweep()) as writer:
        write(writer, "a", range(1, 4))
        write(writer, "b", range(1, 4))
        first = sorted((store.path / "results").rglob("seg-*"))[0]
        content, whole = first.read_bytes(), store.history("s1")
        first.unlink()
        follower = Store(store.path).follow()
        follower.poll()
        assert [len(trial.curve) for trial in follower.history("s1").trials] == [0, 3]
        first.write_bytes(content)
        assert follower.poll() == ["s1"]
        assert follower.history("s1") == whole


def test_few_sweeps_are_kept_in_memory(store: Store) -> None:
    for number in range(MOST_BOOKS + 3):
        with store.open_sweep(sweep(f"s{number}")) as writer:
            write(writer, "a", range(1, 3))
    follower = store.follow()
    assert len(follower.poll()) == MOST_BOOKS + 3
    for _ in range(2):
        assert [len(follower.history(own.sweep_id).trials) for own in follower.sweeps] == [1] * (MOST_BOOKS + 3)
    assert len(follower._pages) == MOST_BOOKS
