import math
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest

from metahp.errors import RecordError
from metahp.store import Cursor, Store
from metahp.types import Measurement, TrialStatus

CONFIG = {"lr": 0.1, "kernel": (3, 3)}
TRIALS = [
    {"config": CONFIG, "curve": [(1, 0.5, 1.0), (2, 0.6, 2.0)], "status": "stopped"},
    {"config": CONFIG, "curve": np.array([[1, 0.4], [2, np.nan]])},
    {"config": {"lr": np.float32(0.01), "kernel": (5, 5)}, "curve": [], "status": TrialStatus.ERRORED},
]


@pytest.fixture
def arguments(space):
    return {"name": "old", "space": space, "metric": "accuracy", "mode": "max", "task": {"classes": 10}}


def rows(store):
    return {t: [row for batch in store.scan(t) for row in batch.to_pylist()] for t in ("sweeps", "trials", "results")}


def write(store, sweep, *steps):
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG)
        for step in steps:
            writer.record("t", Measurement(step, step / 10))


def test_curves_since_a_cursor_are_those_that_grew(store, sweep):
    write(store, sweep, 1, 2)
    write(store, replace(sweep, sweep_id="b"), 1)
    cursor = Cursor.from_json(store.cursor().to_json())
    assert [h.sweep.sweep_id for h in store.curves()] == ["sweep-1", "b"]
    assert [h.sweep.sweep_id for h in store.curves(exclude={"b"})] == ["sweep-1"]
    assert store.curves(since=cursor) == []
    write(store, replace(sweep, sweep_id="b"), 1, 2)
    write(store, replace(sweep, sweep_id="c"), 1)
    grown, new = store.curves(since=cursor)
    assert (grown.sweep.sweep_id, new.sweep.sweep_id) == ("b", "c")
    assert list(grown.trials[0].curve.steps) == [1, 2]
    assert len(store.curves(since=Cursor())) == 3


def test_a_sweep_that_grows_unpublished_is_not_yet_new(store, sweep):
    writer = store.open_sweep(sweep)
    writer.seal()
    cursor = store.cursor()
    writer.start_attempt("t", CONFIG)
    assert [h for h in store.curves(since=cursor) if h.trials] == []
    writer.close()
    assert len(store.curves(since=cursor)) == 1


def test_scan_takes_columns_and_filters(store, sweep):
    write(store, sweep, *range(1, 21))
    batches = list(store.scan(columns=["step", "objective"], filter=pc.field("step") > 15))
    assert [batch.schema.names for batch in batches] == [["step", "objective"]]
    assert batches[0]["step"].to_pylist() == [16, 17, 18, 19, 20]


def test_import(store, arguments):
    report = store.import_sweep(trials=TRIALS, max_step=20, **arguments)
    assert (report.trials, report.measurements, report.known, report.refused) == (3, 4, 0, ())
    history = store.history(report.sweep_id)
    assert (history.sweep.name, history.sweep.max_step, history.sweep.task) == ("old", 20, {"classes": 10})
    assert [trial.status for trial in history.trials] == ["stopped", "completed", "errored"]
    assert list(history.trials[0].curve.elapsed_s) == [1.0, 2.0]
    assert math.isnan(history.trials[1].curve.values[1])
    history.sweep.space.encode([trial.config for trial in history.trials])


def test_importing_again_changes_nothing(store, arguments):
    first = store.import_sweep(trials=TRIALS, **arguments)
    before, files = rows(store), sorted(store.path.rglob("*"))
    second = Store(store.path, spool_dir=store._spool_root).import_sweep(trials=TRIALS, **arguments)
    assert (second.sweep_id, second.trials, second.measurements, second.known) == (first.sweep_id, 0, 0, 4)
    assert sorted(store.path.rglob("*")) == files
    assert repr(rows(store)) == repr(before)


def test_importing_more_adds_the_rest(store, arguments):
    store.import_sweep(trials=TRIALS[:1], **arguments)
    longer = [{**TRIALS[0], "curve": [(1, 9.9), (2, 0.6), (3, 0.7)]}, *TRIALS[1:]]
    report = store.import_sweep(trials=longer, **arguments)
    assert (report.trials, report.measurements, report.known) == (2, 3, 2)
    (trial, *_) = store.history(report.sweep_id).trials
    assert list(trial.curve.values) == [0.5, 0.6, 0.7]
    assert trial.status is TrialStatus.STOPPED


def test_another_task_is_another_sweep(store, arguments):
    first = store.import_sweep(trials=TRIALS, **arguments)
    second = store.import_sweep(trials=TRIALS, **arguments | {"task": {"classes": 11}})
    assert first.sweep_id != second.sweep_id
    assert len(store.curves()) == 2


def test_what_cannot_be_placed_is_named_and_the_rest_goes_in(store, arguments):
    bad = [
        {"config": {"lr": 5.0, "kernel": (3, 3)}, "curve": [(1, 0.5)]},
        {"config": CONFIG},
        {"config": CONFIG, "curve": [], "colour": "red"},
        {"config": CONFIG, "curve": "abc"},
        {"config": CONFIG, "curve": [], "status": "sleeping"},
        {"config": None, "curve": []},
        {"config": {**CONFIG, "blob": "x" * 300_000}, "curve": []},
        "trial",
        {
            "config": CONFIG,
            "curve": [
                (0, 0.1),
                (1, 0.5),
                (1, 0.6),
                (2,),
                7,
                "ab",
                (2, "high"),
                (2.5, 0.1),
                (2**70, 1),
                (3, None),
                (4, 0.9),
            ],
        },
    ]
    report = store.import_sweep(trials=bad, **arguments)
    assert (report.trials, report.measurements) == (1, 2)
    assert [refusal.trial for refusal in report.refused] == [*range(8), *[8] * 9]
    assert "refused 1×: step 1 comes twice; the first is kept" in str(report)
    assert "'lr' must lie in" in report.refused[0].reason
    assert all(refusal.reason for refusal in report.refused)
    assert list(store.history(report.sweep_id).trials[0].curve.steps) == [1, 4]


def test_an_import_that_makes_no_sweep_is_refused(store, arguments):
    with pytest.raises(RecordError, match="mode must be"):
        store.import_sweep(trials=TRIALS, **arguments | {"mode": "up"})
    with pytest.raises(RecordError, match=r"Sweep.metric is empty"):
        store.import_sweep(trials=TRIALS, **arguments | {"metric": ""})
    assert store.sweeps() == []


def test_a_big_import_is_fast(store, arguments):
    trials = [{"config": CONFIG, "curve": [(s, s / 100, float(s)) for s in range(1, 51)]} for _ in range(200)]
    report = store.import_sweep(trials=trials, **arguments)
    assert report.measurements == 10_000
    assert sum(len(trial.curve) for trial in store.curves()[0].trials) == 10_000


def test_rows_can_be_counted_without_any_column(store, sweep):
    write(store, sweep, 1, 2, 3)
    assert sum(batch.num_rows for batch in store.scan(columns=[])) == 3
