import logging
import pickle
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pyarrow.compute as pc
import pytest

from metahp.errors import RecordError, StoreConflictError, StoreError
from metahp.space import Float, SearchSpace
from metahp.store import Store, TrialEvent
from metahp.types import LearningCurve, Measurement, TrialStatus

CONFIG = {"lr": 0.1, "kernel": (3, 3)}


def steps(store, trial="t", sweep_id="sweep-1"):
    (found,) = [t for t in store.history(sweep_id).trials if t.trial_id == trial]
    return list(found.curve.steps)


def test_what_was_written_is_read(store, sweep):
    with store.open_sweep(sweep, searcher="MetaSearch") as writer:
        assert writer.start_attempt("t", CONFIG) == 1
        assert writer.record("t", Measurement(1, 0.5, 2.0), {"loss": 1.5, "note": "warm-up"})
        writer.record_event("t", TrialEvent.COMPLETED)
        own = writer.history()
    read = Store(store.path).history("sweep-1")
    assert read == own
    assert read.sweep == sweep
    (trial,) = read.trials
    assert (trial.config, trial.status) == (CONFIG, TrialStatus.COMPLETED)
    assert trial.curve == LearningCurve((Measurement(1, 0.5, 2.0),))


def test_columns_for_other_tools(store, sweep):
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", {**CONFIG, "nested": {"big": 2**70, "name": "x", "on": True}})
        writer.record("t", Measurement(1, 0.5), {"accuracy": 0.5, "loss": 1.5, "tags": ["a"]}, done=True)
    (result,) = [row for batch in store.scan() for row in batch.to_pylist()]
    assert dict(result["metrics"]) == {"accuracy": 0.5, "loss": 1.5}
    assert result["extras_json"] == '{"tags":["a"]}'
    assert result["done"]
    assert result["objective_state"] == "ok"
    (event,) = [row for batch in store.scan("trials") for row in batch.to_pylist()]
    assert dict(event["config_num"]) == {"lr": 0.1}
    assert dict(event["config_cat"])["nested/big"] == str(2**70)
    assert dict(event["config_cat"])["nested/name"] == "x"


def test_a_known_step_changes_nothing(store, sweep, caplog):
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG)
        assert writer.record("t", Measurement(1, 0.5))
        assert not writer.record("t", Measurement(1, 0.5))
        assert writer.conflicts == 0
        assert not writer.record("t", Measurement(1, 0.7))
        assert not writer.record("t", Measurement(1, 0.8))
        assert writer.conflicts == 2
    assert "0.5 and then 0.7" in caplog.text
    assert len(caplog.records) == 1
    assert store.history("sweep-1").trials[0].curve.values == [0.5]


def test_nan_is_the_same_as_nan(store, sweep):
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG)
        assert writer.record("t", Measurement(1, float("nan")))
        assert not writer.record("t", Measurement(1, float("nan")))
        assert writer.conflicts == 0


def test_a_restart_from_nothing_hides_the_first_attempt(store, sweep):
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG)
        for step in (1, 2, 3):
            writer.record("t", Measurement(step, 0.1))
        assert writer.start_attempt("t", CONFIG) == 2
        assert steps_of(writer) == [1, 2, 3]  # nothing reported yet: nothing hidden
        writer.record("t", Measurement(1, 0.2))
        assert steps_of(writer) == [1]
    assert steps(store) == [1]


def steps_of(writer):
    return list(writer.history().trials[0].curve.steps)


def test_a_resumed_sweep_goes_on_where_it_was(store, sweep):
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG)
        writer.record("t", Measurement(1, 0.1))
        writer.record("t", Measurement(2, 0.2))
    with Store(store.path, spool_dir=store._spool_root).open_sweep(sweep) as writer:
        assert steps_of(writer) == [1, 2]
        assert not writer.record("t", Measurement(2, 0.2))  # delivered again: known
        assert writer.start_attempt("t", CONFIG, restored=True) == 2
        writer.record("t", Measurement(2, 0.3))
        writer.record("t", Measurement(3, 0.3))
    (trial,) = store.history("sweep-1").trials
    assert [(m.step, m.value) for m in trial.curve.measurements] == [(1, 0.1), (2, 0.3), (3, 0.3)]
    assert sum(batch.num_rows for batch in store.scan()) == 4
    assert len(store.sweeps()) == 1


def test_resuming_with_another_space_is_refused(store, sweep):
    store.open_sweep(sweep).close()
    with pytest.raises(StoreConflictError, match=r"'sweep-1' is known with another space .* use the same"):
        store.open_sweep(replace(sweep, space=SearchSpace({"lr": Float(0.0, 1.0)})))
    with pytest.raises(StoreConflictError, match="another mode"):
        store.open_sweep(replace(sweep, mode="min"))


def test_the_newest_description_counts(store, sweep):
    store.open_sweep(sweep).close()
    store.open_sweep(replace(sweep, sweep_id="later")).close()
    store.open_sweep(replace(sweep, max_step=99, task={"kind": "text"})).close()
    assert [s.sweep_id for s in store.sweeps()] == ["sweep-1", "later"]
    assert store.sweeps()[0].max_step == 99
    assert store.sweeps()[0].task == {"kind": "text"}


def test_status_is_the_last_event(store, sweep):
    with store.open_sweep(sweep) as writer:
        for trial, event in enumerate(TrialEvent):
            writer.start_attempt(str(trial), CONFIG)
            writer.record_event(str(trial), event, error="boom")
        writer.start_attempt("running", CONFIG)
        writer.record_event("never started", TrialEvent.CREATED)
    status = {trial.trial_id: trial.status for trial in store.history("sweep-1").trials}
    assert status == {str(i): event.status for i, event in enumerate(TrialEvent)} | {"running": TrialStatus.RUNNING}


def test_rows_are_published_while_the_driver_runs(store, sweep, monkeypatch):
    monkeypatch.setattr("metahp.store.sealing.SEAL_S", 0.5)
    writer = store.open_sweep(sweep)
    writer.start_attempt("t", CONFIG)
    writer.record("t", Measurement(1, 0.1))
    deadline = time.monotonic() + 20
    while not sum(batch.num_rows for batch in store.scan()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    writer.close()


def test_many_rows_are_published_at_once(store, sweep, monkeypatch):
    monkeypatch.setattr("metahp.store.sealing.SEAL_ROWS", 50)
    writer = store.open_sweep(sweep)
    writer.start_attempt("t", CONFIG)
    time.sleep(0.1)
    for step in range(1, 120):
        writer.record("t", Measurement(step, 0.1))
    writer.close()
    assert steps(store) == list(range(1, 120))


def test_a_writer_nobody_closed_ends_with_python(tmp_path, sweep):
    script = f"""
from pathlib import Path
from metahp.space import Categorical, Float, SearchSpace
from metahp.store import Store
from metahp.types import Measurement, Sweep
space = SearchSpace({{"lr": Float(1e-5, 1.0, log=True), "kernel": Categorical(((3, 3), (5, 5)))}})
writer = Store({str(tmp_path / "s")!r}, spool_dir=Path({str(tmp_path / "p")!r})).open_sweep(
    Sweep("sweep-1", space, "accuracy", "max"))
writer.start_attempt("t", {CONFIG!r})
writer.record("t", Measurement(1, 0.5))
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    store = Store(tmp_path / "s", spool_dir=tmp_path / "p")
    assert steps(store) == [1]
    assert store.history("sweep-1").trials[0].status is TrialStatus.RUNNING
    store.open_sweep(replace(sweep, sweep_id="next")).close()
    assert not [path for path in (tmp_path / "p").rglob("*") if path.is_file()]


def test_threads_may_share_a_writer(store, sweep):
    with store.open_sweep(sweep) as writer:

        def work(trial):
            writer.start_attempt(trial, CONFIG)
            for step in range(1, 51):
                writer.record(trial, Measurement(step, 0.1))
                writer.record("shared", Measurement(step, 0.1))

        writer.start_attempt("shared", CONFIG)
        threads = [threading.Thread(target=work, args=(f"t{i}",)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {len(trial.curve) for trial in store.history("sweep-1").trials} == {50}
    assert sum(batch.num_rows for batch in store.scan()) == 7 * 50
    assert store.holes() == []


def test_misuse_gets_a_sentence(store, sweep):
    writer = store.open_sweep(sweep)
    with pytest.raises(StoreError, match="'ghost' was never started; call start_attempt"):
        writer.record("ghost", Measurement(1, 0.5))
    with pytest.raises(StoreError, match="cannot be pickled; pickle the Store and the Sweep"):
        pickle.dumps(writer)
    with pytest.raises(RecordError, match="at most 256,000 can be recorded; pass big objects"):
        writer.start_attempt("t", {"blob": "x" * 300_000})
    for name in ("", "x" * 300, "\ud800", "nul\0"):
        with pytest.raises(RecordError, match="trial_id must be a text of 1 to 256 characters"):
            writer.start_attempt(name, CONFIG)
    writer.start_attempt("t", CONFIG)
    for step in (2**70, 1.5):
        with pytest.raises(RecordError, match="whole number from 1 below 2"):
            writer.record("t", Measurement(step, 0.5))
    with pytest.raises(RecordError, match="must be a number, got 'high'"):
        writer.record("t", Measurement(1, "high"))
    writer.close()
    writer.close()
    with pytest.raises(StoreError, match="'sweep-1' is closed; open the sweep again"):
        writer.record("t", Measurement(1, 0.5))
    assert [t.trial_id for t in store.history("sweep-1").trials] == ["t"]
    with pytest.raises(StoreError, match="no sweep 'nope'"):
        store.history("nope")
    with pytest.raises(StoreError, match="the store has no 'nope'; its tables are sweeps"):
        store.scan(columns=["nope"])
    with pytest.raises(StoreError, match="with these columns and filter"):
        list(store.scan("trials", filter=pc.field("nope") > 1))


def test_a_store_travels_by_pickle(store):
    copy = pickle.loads(pickle.dumps(store))
    assert (copy.path, copy.store_id, copy._spool_directory) == (store.path, store.store_id, store._spool_directory)


def test_a_batch_is_one_unit(store, sweep):
    writer = store.open_sweep(sweep)
    writer.start_attempt("t", CONFIG)

    def batch():
        with writer.batch():
            writer.record("t", Measurement(1, 0.1))
            raise KeyError("stop")

    with pytest.raises(KeyError):
        batch()
    writer.close()
    assert steps(store) == []


def test_two_drivers_of_one_sweep_do_not_share_an_attempt(store, sweep):
    first = store.open_sweep(sweep)
    assert first.start_attempt("t", CONFIG) == 1
    with store.open_sweep(sweep) as second:
        assert second.start_attempt("t", CONFIG) == 2
    first.close()


def test_oversized_reports_keep_their_numbers(store, sweep, caplog):
    caplog.set_level(logging.WARNING)
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG)
        writer.record("t", Measurement(1, 0.5), {"accuracy": 0.5, "dump": "x" * 300_000})
        writer.record("t", Measurement(2, 0.5), {f"m{i}": i for i in range(3000)})
    first, second = [row for batch in store.scan() for row in batch.to_pylist()]
    assert (dict(first["metrics"]), first["extras_json"]) == ({"accuracy": 0.5}, None)
    assert len(second["metrics"]) == 2000
    assert "300,0" in caplog.text or "3000" in caplog.text


def test_a_row_costs_under_a_millisecond(store, sweep):
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG)
        report = {"accuracy": 0.5, "loss": 1.0, "epoch": 3, "hostname": "node"}
        seconds = []
        for step in range(1, 301):
            begin = time.perf_counter()
            writer.record("t", Measurement(step, 0.5, 1.0), report)
            seconds.append(time.perf_counter() - begin)
    median = sorted(seconds)[150]
    assert median < 0.005, f"p50 {median * 1e3:.2f} ms; under 1 ms on a quiet machine"
