"""The small networks: their data, their recorder, and the curves that ship."""

import json
from importlib import resources

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.history import past_of
from benchmarks.keras_tasks import record as recorder
from benchmarks.keras_tasks.data import DATA_SETS, load
from benchmarks.keras_tasks.models import EPOCHS, SPACES
from benchmarks.tasks import load_task, load_tasks
from benchmarks.tasks.keras import CURVES, keras_tasks
from metahp.starter import METADATA, starter_sweeps

FACTS = {"commit": "", "changed": False}


@pytest.mark.parametrize("name", DATA_SETS)
def test_data_are_always_the_same_and_hold_every_class(name):
    try:
        data, again = load(name), load(name)
    except ModuleNotFoundError as problem:
        pytest.skip(str(problem))
    np.testing.assert_array_equal(data.x, again.x)
    np.testing.assert_array_equal(data.y_val, again.y_val)
    assert len(data.x) == len(data.y) >= 100
    assert len(data.x_val) == len(data.y_val) >= 50
    assert np.isfinite(data.x).all()
    assert data.x.shape[1:] == data.x_val.shape[1:]
    if data.classes:
        assert set(data.y) == set(data.y_val) == set(range(data.classes))


def test_nothing_is_both_trained_on_and_validated_with():
    data = load("image/digits")
    trained = {image.tobytes() for image in data.x}
    assert not any(image.tobytes() in trained for image in data.x_val)


def test_a_recording_goes_on_where_it_was_and_repeats_itself(tmp_path, monkeypatch):
    names = ("tabular/diabetes", "text/numbers")
    assert list(recorder.record(tmp_path / "first", configs=2, names=names[:1], facts=FACTS)) == list(names[:1])
    [*_] = recorder.record(tmp_path / "second", configs=2, names=names, facts=FACTS)
    first, second = (pq.read_table(tmp_path / run / "keras" / "curves.parquet") for run in ("first", "second"))
    assert first["scores"].to_pylist() == second["scores"].to_pylist()[:2]
    assert second["task"].to_pylist() == [name for name in names for _ in range(2)]
    monkeypatch.setattr(recorder, "_trained", lambda *_: pytest.fail("trained again"))
    assert list(recorder.record(tmp_path / "second", configs=2, names=names, facts=FACTS)) == list(names)


def test_training_learns():
    data = load("tabular/wine")
    config = dict.fromkeys(("weight_decay", "dropout"), 0.0) | {
        "learning_rate": 0.01,
        "batch_size": 16,
        "optimizer": "adam",
        "units": 32,
        "layers": 1,
        "activation": "relu",
    }
    epoch = recorder.epoch_of(config, data)
    accuracies = [float(epoch()["val_accuracy"]) for _ in range(10)]
    assert accuracies[-1] > 0.9
    assert accuracies[-1] > accuracies[0] or accuracies[0] > 0.9


def test_what_ships_is_what_would_be_recorded():
    sweeps = starter_sweeps()
    assert [own.sweep.name for own in sweeps] == list(DATA_SETS)
    for own in sweeps:
        kind = own.sweep.task["kind"]
        assert own.sweep.space == SPACES[kind]
        assert own.sweep.max_step == EPOCHS[kind]
        assert len(own.trials) == 48
        assert all(own.sweep.space.contains(trial.config) for trial in own.trials)
        assert {trial.curve.last_step for trial in own.trials} == {EPOCHS[kind]}
    values = np.concatenate([trial.curve.values for own in sweeps for trial in own.trials])
    assert not np.isfinite(values).all()  # some diverged, and were kept
    assert np.isfinite(values).mean() > 0.9


def test_what_ships_is_small_and_says_how_it_was_made():
    with resources.as_file(resources.files("metahp.starter") / "curves.parquet") as path:
        assert path.stat().st_size < 2e6
        about = json.loads(pq.read_schema(path).metadata[METADATA])
    assert all(task["recorded"]["versions"]["keras"] for task in about.values())


def test_a_recorded_configuration_answers_with_its_own_curve():
    tasks = load_tasks("keras")
    assert len(tasks) == len(DATA_SETS)
    [history] = [own for own in starter_sweeps() if own.sweep.name == "image/shapes"]
    task, trial = load_task("keras-image/shapes"), history.trials[7]
    np.testing.assert_array_equal(task.curve(trial.config).scores, trial.curve.values)


def test_another_recording_stands_in_for_what_ships(tmp_path, monkeypatch):
    with resources.as_file(resources.files("metahp.starter") / "curves.parquet") as path:
        table = pq.read_table(path, filters=[("task", "=", "image/shapes")])
    about = {METADATA: json.dumps({"image/shapes": json.loads(table.schema.metadata[METADATA])["image/shapes"]})}
    pq.write_table(table.slice(0, 3).replace_schema_metadata(about), tmp_path / "curves.parquet")
    monkeypatch.setenv(CURVES, str(tmp_path / "curves.parquet"))
    [task] = keras_tasks("image")
    scores = {tuple(task.curve(task.space.sample(np.random.default_rng(n))).scores) for n in range(30)}
    assert task.name == "keras-image/shapes"
    assert scores == {tuple(row) for row in table["scores"].to_pylist()[:3]}


def test_the_starter_never_knows_the_data_of_the_task(tmp_path):
    task = load_task("keras-image/digits")
    past = past_of(task, "starter", tmp_path)
    assert 15 < len(past.sweeps) < len(DATA_SETS)
    assert not any("digits" in own.sweep.name for own in past.sweeps)
    others = past_of(task, "other-tasks", tmp_path)
    assert {own.sweep.name for own in others.sweeps} == {
        f"keras-image/{name}" for name in ("shapes", "shapes-noisy", "photos")
    }
    assert len(past_of(load_task("synthetic-plain/0"), "starter", tmp_path).sweeps) == len(DATA_SETS)
