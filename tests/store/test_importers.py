"""Histories of Ray Tune, of Optuna, and in tables."""

import json
import math
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metahp.domains import Categorical, Float, Int
from metahp.errors import StoreError
from metahp.space import Conditional, Constant, SearchSpace
from metahp.store import Store
from metahp.store.importers import Columns, infer_space, optuna_studies, ray_experiments, table_sweeps
from metahp.store.importers.inference import complete
from metahp.types import TrialStatus

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**45), 2**45),
    st.floats(-1e6, 1e6),
    st.sampled_from(["a", "b", "c"]),
    st.lists(st.integers(0, 3), max_size=2),
)
TREES = st.recursive(VALUES, lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, max_size=3), max_leaves=6)
CONFIGS = st.lists(st.dictionaries(st.sampled_from(["lr", "units", "a/b", "opt"]), TREES, max_size=4), max_size=8)


def put(folder: Path, config: object, reports: list[object], name: str = "t") -> Path:
    """A trial as Ray Tune leaves it."""
    path = folder / name
    path.mkdir(parents=True)
    (path / "params.json").write_text(json.dumps(config))
    lines = [report if isinstance(report, str) else json.dumps({"trial_id": name} | report) for report in reports]
    (path / "result.json").write_text("\n".join(lines))
    return path


def report(step, score, **more):
    return {"training_iteration": step, "score": score, "time_total_s": step * 2.0, **more}


def steps(trial):
    return [point[0] for point in trial["curve"]]


# Inference


def test_a_space_is_inferred():
    configs = [
        {"lr": 1e-4, "units": 16, "act": "relu", "seed": 7, "opt": {"name": "adam"}, "aug": None},
        {"lr": 1e-1, "units": 64, "act": "tanh", "seed": 7, "opt": {"name": "sgd", "momentum": 0.9}, "aug": "flip"},
        {"lr": 1e-2, "units": 32, "act": "relu", "seed": 7, "opt": {"name": "sgd", "momentum": 0.5}, "aug": "crop"},
    ]
    assert infer_space(configs) == SearchSpace(
        {
            "lr": Float(1e-4, 1e-1, log=True),
            "units": Int(16, 64),
            "act": Categorical(("relu", "tanh")),
            "seed": Constant(7),
            "opt": {
                "name": Categorical(("adam", "sgd")),
                "momentum": Conditional((Constant(None), Float(0.5, 0.9))),
            },
            "aug": Conditional((Constant(None), Categorical(("crop", "flip")))),
        }
    )


def test_what_only_names_a_run_is_no_hyperparameter():
    configs = [{"dir": f"/runs/{n}", "lr": n / 10, "seed": 2**50 + n} for n in range(30)]
    assert [p.key for p in infer_space(configs).parameters] == ["lr"]


@given(CONFIGS)
@settings(max_examples=200)
def test_an_inferred_space_holds_what_it_was_inferred_from(configs):
    space = infer_space(configs)
    completed = [complete(config, space.root) for config in configs]
    space.encode(completed)
    assert infer_space(list(reversed(configs))) == space


# Ray Tune


def test_ray_results(tmp_path, store):
    put(tmp_path / "exp", {"lr": 0.1}, [report(s, s / 10) for s in (1, 2, 3)], "a")
    put(tmp_path / "exp", {"lr": 0.2}, [report(1, 0.5)], "b")
    put(tmp_path / "exp", {"lr": 0.3}, [report(1, 0.5), report(2, 0.6)], "c").joinpath("error.txt").write_text("boom")
    (found,) = ray_experiments(tmp_path, "score", "max")
    assert (found.name, found.max_step, found.unplaced) == ("exp", 3, {})
    assert [trial["status"] for trial in found.trials] == ["completed", "stopped", "errored"]
    assert found.trials[0]["curve"] == [(1, 0.1, 2.0), (2, 0.2, 4.0), (3, 0.3, 6.0)]
    assert ray_experiments(tmp_path / "exp", "score", "max") == [found]


def test_ray_results_say_how_a_trial_ended(tmp_path):
    states = {"a": "RUNNING", "b": "PAUSED", "c": "ERROR", "d": "TERMINATED"}
    for name in states:
        put(tmp_path / "exp", {"lr": 0.1}, [report(1, 0.5)], name)
    data = [(json.dumps({"relative_logdir": name, "status": word}), "{}") for name, word in states.items()]
    (tmp_path / "exp" / "experiment_state-2.json").write_text(json.dumps({"trial_data": data}))
    (tmp_path / "exp" / "experiment_state-1.json").write_text("{")
    (found,) = ray_experiments(tmp_path / "exp", "score", "max")
    assert [trial["status"] for trial in found.trials] == ["running", "paused", "errored", "completed"]


def test_restored_ray_trials_count_what_was_continued_from(tmp_path):
    put(tmp_path / "x", {}, [report(s, v) for s, v in ((1, 0.1), (2, 0.2), (3, 0.3), (3, 9.0), (4, 0.4))], "kept")
    put(tmp_path / "x", {}, [report(s, v) for s, v in ((1, 0.1), (2, 0.2), (3, 0.3), (1, 0.5), (2, 0.6))], "anew")
    anew, kept = ray_experiments(tmp_path, "score", "max")[0].trials
    assert kept["curve"] == [(1, 0.1, 2.0), (2, 0.2, 4.0), (3, 9.0, 6.0), (4, 0.4, 8.0)]
    assert anew["curve"] == [(1, 0.5, 2.0), (2, 0.6, 4.0)]


def test_ray_results_that_cannot_be_placed_are_counted(tmp_path):
    put(tmp_path / "x", {"lr": 0.1}, [report(1, 0.1), '{"training_iter', report(0, 0.2), {"score": 1}, report(2, "n")])
    put(tmp_path / "x", "no dict", [report(1, 0.1)], "u")
    (tmp_path / "x" / "v").mkdir()
    (tmp_path / "x" / "v" / "result.json").write_text("")
    (found,) = ray_experiments(tmp_path, "score", "max")
    assert len(found.trials) == 1
    assert steps(found.trials[0]) == [1]
    assert found.unplaced == {
        "a trial without a readable params.json": 2,
        "a line of result.json that is no report, torn perhaps": 1,
        "a report without a step from 1 in 'training_iteration'": 2,
        "a report without a number in 'score'": 1,
    }


def test_hostile_ray_results_are_counted_too(tmp_path):
    deep = "[" * 100_000
    put(tmp_path / "x", {"lr": 0.1}, [report(1, 0.1), '{"training_iteration": 1e400, "score": 1}', deep])
    (put(tmp_path / "x", {}, [report(1, 0.1)], "u") / "params.json").write_text(deep)
    (tmp_path / "x" / "experiment_state-1.json").write_text(deep)
    (found,) = ray_experiments(tmp_path, "score", "max")
    assert len(found.trials) == 1
    assert found.unplaced == {
        "a report without a step from 1 in 'training_iteration'": 1,
        "a line of result.json that is no report, torn perhaps": 1,
        "a trial without a readable params.json": 1,
    }


def test_ray_metrics_may_be_nested_and_not_finite(tmp_path):
    text = '{"training_iteration": 2, "eval": {"loss": NaN}}'
    put(tmp_path / "x", {}, [{"training_iteration": 1, "eval": {"loss": 0.5}}, text])
    ((_, first, _), (_, second, _)) = ray_experiments(tmp_path, "eval/loss", "min")[0].trials[0]["curve"]
    assert (first, math.isnan(second)) == (0.5, True)


def test_a_pickle_in_ray_results_is_never_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    import pickle

    path = put(tmp_path / "x", {"lr": 0.1}, [report(1, 0.1)])
    for file in (path / "params.pkl", path / "error.pkl", tmp_path / "x" / "tuner.pkl"):
        file.write_bytes(pickle.dumps(Bomb()))
    state = {"_type": "CLOUDPICKLE_FALLBACK", "value": pickle.dumps(Bomb()).hex()}
    data = [(json.dumps({"relative_logdir": "t", "status": "TERMINATED", "storage": state}), "{}")]
    (tmp_path / "x" / "experiment_state-1.json").write_text(json.dumps({"trial_data": data}))
    assert len(ray_experiments(tmp_path, "score", "max")) == 1
    assert not (tmp_path / "exploded").exists()


def test_a_directory_without_ray_results_is_refused(tmp_path):
    with pytest.raises(StoreError, match=r"holds no trials of Ray Tune: no folder below it holds result\.json"):
        ray_experiments(tmp_path, "score", "max")
    with pytest.raises(StoreError, match=r"cannot read results of Ray Tune at .*No such file"):
        ray_experiments(tmp_path / "none", "score", "max")


@pytest.mark.ray
@pytest.mark.slow
def test_what_ray_really_writes(tmp_path, store):
    import ray
    from ray import tune

    def train(config):
        for epoch in range(1, 4):
            if config["x"] == 3 and epoch == 2:
                raise ValueError("boom")
            tune.report({"score": config["x"] * epoch, "note": "n"})

    ray.init("local", num_cpus=2, include_dashboard=False)
    try:
        tune.Tuner(
            train,
            param_space={"x": tune.grid_search([1, 2, 3]), "opt": {"lr": tune.loguniform(1e-4, 1e-1)}, "f": len},
            run_config=tune.RunConfig(storage_path=str(tmp_path), name="exp", verbose=0),
        ).fit()
    finally:
        ray.shutdown()
    (found,) = ray_experiments(tmp_path, "score", "max")
    assert [trial["status"] for trial in found.trials] == ["completed", "completed", "errored"]
    assert [steps(trial) for trial in found.trials] == [[1, 2, 3], [1, 2, 3], [1]]
    assert [trial["config"]["x"] for trial in found.trials] == [1, 2, 3]
    assert found.unplaced == {}


# Optuna


@pytest.fixture
def studies(tmp_path):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = f"sqlite:///{tmp_path}/studies.db"

    def objective(trial):
        value = trial.suggest_float("lr", 1e-4, 1e-1, log=True) + trial.suggest_int("units", 8, 64, step=8)
        if trial.suggest_categorical("opt", ["adam", "sgd", None]) == "sgd":
            value += trial.suggest_float("momentum", 0.0, 0.9)
        if trial.number == 3:
            raise ValueError
        for step in range(3):
            trial.report(value / (step + 1), step)
            if trial.number == 4 and step == 1:
                raise optuna.TrialPruned
        return value

    study = optuna.create_study(
        study_name="digits", storage=url, direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1)
    )
    study.optimize(objective, n_trials=12, catch=ValueError)
    study.enqueue_trial({"lr": 0.01})
    single = optuna.create_study(study_name="single", storage=url, sampler=optuna.samplers.RandomSampler(seed=1))
    single.optimize(lambda trial: trial.suggest_int("n", 1, 1000, log=True), n_trials=3)
    return url


def test_optuna_studies(studies, store):
    digits, single = optuna_studies(studies)
    assert (digits.name, digits.mode, digits.max_step, len(digits.trials)) == ("digits", "max", 3, 12)
    assert digits.space == SearchSpace(
        {
            "lr": Float(1e-4, 1e-1, log=True),
            "units": Int(8, 64, step=8),
            "opt": Categorical(("adam", "sgd", None)),
            "momentum": Conditional((Constant(None), Float(0.0, 0.9))),
        }
    )
    assert [trial["status"] for trial in digits.trials[3:6]] == ["errored", "stopped", "completed"]
    assert [steps(trial) for trial in digits.trials[3:6]] == [[], [1, 2], [1, 2, 3]]
    assert single.space == SearchSpace({"n": Int(1, 1000, log=True)})
    assert [steps(trial) for trial in single.trials] == [[1], [1], [1]]
    report = store.import_sweep(
        name=digits.name, space=digits.space, metric="value", mode=digits.mode, trials=digits.trials
    )
    assert (report.trials, report.refused) == (12, ())


def test_optuna_storages_that_cannot_be_read(studies, tmp_path):
    with pytest.raises(StoreError, match="holds no study 'x'; it holds 'digits', 'single'"):
        optuna_studies(studies, "x")
    with pytest.raises(StoreError, match=r"there is no file .*none\.db; give the URL of an Optuna storage"):
        optuna_studies(f"sqlite:///{tmp_path}/none.db")
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(StoreError, match="cannot read the Optuna storage nonsense://host/x") as caught:
        optuna_studies("nonsense://me:secret@host/x")
    assert "secret" not in str(caught.value).split(":", 2)[0]


def test_a_database_that_is_not_optunas_is_left_as_it_is(studies, tmp_path):
    own, empty = tmp_path / "own.db", tmp_path / "empty.db"
    with sqlite3.connect(own) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    empty.touch()
    before = {path: path.read_bytes() for path in (own, empty, tmp_path / "studies.db")}
    for path in (own, empty):
        with pytest.raises(StoreError, match=r"is no Optuna storage: it has no table 'studies'"):
            optuna_studies(f"sqlite:///{path}")
    assert len(optuna_studies(studies)) == 2
    assert {path: path.read_bytes() for path in before} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.db", "own.db", "studies.db"]


def test_a_storage_without_studies_is_said_to_be_one(tmp_path):
    optuna = pytest.importorskip("optuna")
    optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/new.db")
    with pytest.raises(StoreError, match=r"is an Optuna storage without studies"):
        optuna_studies(f"sqlite:///{tmp_path}/new.db")


def test_a_study_with_two_objectives_is_refused(tmp_path):
    optuna = pytest.importorskip("optuna")
    url = f"sqlite:///{tmp_path}/two.db"
    optuna.create_study(study_name="two", storage=url, directions=["minimize", "maximize"])
    with pytest.raises(StoreError, match="study 'two' has 2 objectives; a sweep has one"):
        optuna_studies(url)


# Tables

TABLE = pa.table(
    {
        "run": ["a", "a", "a", "b", "b", "b", None],
        "id": [1, 1, 2, 1, 2, None, 3],
        "epoch": [1, 2, 1, 1, 1, 1, 1],
        "acc": [0.1, 0.2, 0.3, 0.4, None, 0.6, 0.7],
        "loss": [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0],
        "lr": [0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
        "opt": ["adam", "adam", None, "sgd", "sgd", "sgd", "sgd"],
    }
)
MAP = ["metric=acc", "sweep=run", "trial=id", "step=epoch"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table(tmp_path, suffix):
    file = tmp_path / f"runs.{suffix}"
    (pyarrow.csv.write_csv if suffix == "csv" else pq.write_table)(TABLE, file)
    a, b = table_sweeps(file, Columns.parse(MAP), "max")
    assert (a.name, b.name, a.metric, a.max_step) == ("a", "b", "acc", 2)
    assert a.trials[0] == {
        "trial_id": "1",
        "config": {"lr": 0.1, "opt": "adam"},
        "curve": [(1, 0.1), (2, 0.2)],
        "status": "completed",
    }
    assert [trial["curve"] for trial in b.trials] == [[(1, 0.4)], [(1, None)]]
    assert (a.unplaced, b.unplaced) == ({"a row without a sweep or a trial": 2}, {})


def test_a_table_of_trials(tmp_path):
    file = tmp_path / "final.parquet"
    pq.write_table(
        pa.table({"score": [0.5, 0.6], "config/opt/lr": [0.1, 0.2], "config/n": [1, 2], "date": ["x", "y"]}), file
    )
    (found,) = table_sweeps(file, Columns("score"), "max", metric="accuracy")
    assert (found.name, found.metric, found.max_step) == ("final", "accuracy", 1)
    assert [trial["config"] for trial in found.trials] == [{"opt": {"lr": 0.1}, "n": 1}, {"opt": {"lr": 0.2}, "n": 2}]
    assert [trial["trial_id"] for trial in found.trials] == ["0", "1"]


def test_one_bad_cell_costs_one_report(tmp_path, store):
    file = tmp_path / "runs.csv"
    file.write_text("id,epoch,acc,lr,opt\na,1,0.5,0.1,adam\na,2,high,0.1,adam\nb,1,nan,auto,1\nc,1,7,0.3,sgd\n")
    (found,) = table_sweeps(file, Columns.parse(["metric=acc", "trial=id", "step=epoch"]), "max")
    assert [trial["config"] for trial in found.trials] == [
        {"lr": 0.1, "opt": "adam"},
        {"lr": "auto", "opt": "1"},
        {"lr": 0.3, "opt": "sgd"},
    ]
    report = store.import_sweep(name="n", space=None, metric="acc", mode="max", trials=found.trials)
    assert (report.trials, report.measurements) == (3, 3)
    assert report.reasons == {"the value of a point must be a number, got 'high'": 1}


def test_nan_among_hyperparameters_is_none_and_dates_are_text(tmp_path, store):
    table = pa.table(
        {
            "id": [1, 1, 2, 3],
            "acc": [0.1, 0.2, 0.3, 0.4],
            "step": [1, 2, 1, 1],
            "momentum": [math.nan, math.nan, 0.5, 0.9],
            "day": pa.array([0, 0, 1, 1], pa.date32()),
            "at": pa.array([0, 0, 1, 1], pa.timestamp("s")),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    (found,) = table_sweeps(tmp_path / "t.parquet", Columns("acc", trial="id", step="step"), "max")
    assert [trial["config"]["momentum"] for trial in found.trials] == [None, 0.5, 0.9]
    assert found.trials[0]["config"] | {"momentum": 0} == {
        "momentum": 0,
        "day": "1970-01-01",
        "at": "1970-01-01 00:00:00.000",
    }
    space = infer_space([trial["config"] for trial in found.trials])
    assert Conditional((Constant(None), Float(0.5, 0.9))) in dict(space.root.items).values()


@pytest.mark.parametrize(("unit", "ticks"), [("s", 90), ("ms", 90_000), ("us", 90_000_000), ("ns", 90_000_000_000)])
def test_durations_are_seconds(tmp_path, unit, ticks):
    spent = pa.array([ticks, None], pa.duration(unit))
    pq.write_table(pa.table({"id": ["a", "b"], "acc": [0.5, 0.6], "spent": spent}), tmp_path / "t.parquet")
    (found,) = table_sweeps(tmp_path / "t.parquet", Columns("acc", trial="id", seconds="spent"), "max")
    assert [trial["curve"] for trial in found.trials] == [[(1, 0.5, 90.0)], [(1, 0.6, None)]]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_names_that_look_like_numbers_stay_text(tmp_path, suffix):
    file = tmp_path / f"t.{suffix}"
    file.write_text("id,epoch,acc,fold,lr\n01,01,0.5,001,0.1\n02,01,0.6,010,3\n")
    if suffix == "parquet":
        text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(["id", "epoch", "acc", "fold", "lr"], pa.string()))
        pq.write_table(pyarrow.csv.read_csv(file, convert_options=text), file)
    (found,) = table_sweeps(file, Columns("acc", trial="id", step="epoch"), "max")
    assert [trial["config"] for trial in found.trials] == [{"fold": "001", "lr": 0.1}, {"fold": "010", "lr": 3}]
    assert [(trial["trial_id"], trial["curve"]) for trial in found.trials] == [("01", [(1, 0.5)]), ("02", [(1, 0.6)])]


def test_columns_are_checked(tmp_path):
    file = tmp_path / "t.parquet"
    pq.write_table(TABLE, file)
    for texts, message in (
        (["acc"], "--map says which column is what"),
        (["metric="], "--map says which column is what"),
        (["metric=acc", "colour=x"], "known are metric, sweep, trial"),
        (["trial=id"], "names each part once, and always the metric"),
        (["metric=acc", "metric=loss"], "names each part once"),
    ):
        with pytest.raises(StoreError, match=message):
            Columns.parse(texts)
    with pytest.raises(StoreError, match=r"has no column 'x'; it has run, id, epoch"):
        table_sweeps(file, Columns("acc", params=("x",)), "max")
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(StoreError, match=r"cannot read .*bad\.parquet"):
        table_sweeps(tmp_path / "bad.parquet", Columns("x"), "max")
    with pytest.raises(StoreError, match=r"a table is a \.parquet or a \.csv file"):
        table_sweeps(tmp_path / "x.json", Columns("x"), "max")
    with pytest.raises(StoreError, match=r"cannot read a table at .*No such file"):
        table_sweeps(tmp_path / "none.csv", Columns("x"), "max")


# Into the store, and by the command


def test_an_inferred_space_stays_what_it_was(store):
    trials = [{"config": {"lr": lr}, "curve": [(1, lr)], "trial_id": f"t{lr}"} for lr in (0.1, 0.2, 0.3, 0.15, 0.9)]
    arguments = {"name": "old", "space": None, "metric": "m", "mode": "min"}
    first = store.import_sweep(trials=trials[:3], **arguments)
    second = store.import_sweep(trials=trials, **arguments)
    assert second.sweep_id == first.sweep_id
    assert (second.trials, second.known) == (1, 3)
    assert list(second.reasons.values()) == [1]
    assert "'lr' must lie in" in next(iter(second.reasons))


def test_trial_ids_come_once(store):
    trials = [{"config": {"x": 1}, "curve": [(1, 0.5)], "trial_id": "t"}] * 2 + [
        {"config": {"x": 2}, "curve": [], "trial_id": 7}
    ]
    report = store.import_sweep(name="n", space=None, metric="m", mode="min", trials=trials)
    assert report.trials == 1
    assert list(report.reasons) == [
        "trial_id 't' comes twice; the first trial is kept",
        "trial_id must be a text of 1 to 256 characters without credentials, got 7",
    ]


def test_a_store_is_exported_and_imported_again(store, tmp_path, spool_dir):
    rng = np.random.default_rng(0)
    trials = [
        {"config": {"lr": float(rng.random()), "k": (3, n)}, "curve": [(s, rng.random(), float(s)) for s in (1, 2)]}
        for n in range(5)
    ]
    store.import_sweep(name="n", space=None, metric="loss", mode="min", trials=trials)
    file = tmp_path / "curves.parquet"
    assert store.export(file, "curves") == 10
    columns = Columns("value", "name", "trial", "step", "elapsed_s", "status", "config")
    (found,) = table_sweeps(file, columns, "min", metric="loss")
    other = Store(tmp_path / "other", spool_dir=spool_dir)
    other.import_sweep(name="n", space=None, metric="loss", mode="min", trials=found.trials)
    assert other.curves()[0].trials == store.curves()[0].trials


def test_the_import_commands(tmp_path, studies, metahp):
    store = tmp_path / "store"
    put(tmp_path / "ray" / "exp", {"lr": 0.1}, [report(1, 0.5), "torn"], "a")
    put(tmp_path / "ray" / "exp", {"lr": 0.2}, [report(1, 0.6)], "b")
    pyarrow.csv.write_csv(TABLE, tmp_path / "runs.csv")
    pq.write_table(TABLE, tmp_path / "runs.parquet")
    (tmp_path / "space.yaml").write_text("lr: {float: [0.01, 1.0], log: true}")
    tables = [word for part in MAP for word in ("--map", part)] + ["--mode", "max", "--store", store, "--json"]
    commands = [
        [
            "ray",
            tmp_path / "ray",
            "--metric",
            "score",
            "--mode",
            "max",
            "--task",
            "classes=10",
            "--store",
            store,
            "--json",
        ],
        ["optuna", studies, "--store", store, "--json"],
        ["csv", tmp_path / "runs.csv", "--space", tmp_path / "space.yaml", *tables],
        ["parquet", tmp_path / "runs.parquet", *tables],
    ]
    for command in commands:
        code, first, _ = metahp("import", *command)
        assert code == 0, first
        assert sum(sweep["new_trials"] for sweep in first["sweeps"]) > 0
        files = sorted(store.rglob("*"))
        code, second, _ = metahp("import", *command)
        assert (code, sum(sweep["new_reports"] for sweep in second["sweeps"])) == (0, 0)
        assert sorted(store.rglob("*")) == files
    by_ray = next(sweep for sweep in Store(store).sweeps() if sweep.name == "exp")
    assert by_ray.task == {"classes": 10}
    assert all(trial.status is not TrialStatus.PENDING for own in Store(store).curves() for trial in own.trials)


def test_new_reports_of_known_trials_are_a_success(tmp_path, metahp):
    (tmp_path / "runs.csv").write_text("id,epoch,acc,lr\na,1,0.5,0.1\nb,1,0.6,0.2\n")
    into = ["--mode", "max", "--store", tmp_path / "store", "--json"]
    maps = [word for part in ("metric=acc", "trial=id", "step=epoch", "params=lr") for word in ("--map", part)]
    assert metahp("import", "csv", tmp_path / "runs.csv", *maps, *into)[0] == 0
    (tmp_path / "runs.csv").write_text("id,epoch,acc,lr\na,2,0.5,0.1\nb,2,0.6,0.2\n,3,0.7,0.2\n")
    code, said, _ = metahp("import", "csv", tmp_path / "runs.csv", *maps, *into, "--name", "runs")
    (own,) = said["sweeps"]
    assert (code, own["new_trials"], own["new_reports"], own["known"]) == (0, 0, 2, 0)
    assert own["refused"] == {"a row without a sweep or a trial": 1}


def test_trials_of_which_nothing_is_known_are_no_success(tmp_path, metahp):
    (tmp_path / "runs.csv").write_text("id,acc,lr\na,high,0.1\nb,low,0.2\n")
    maps = ["--map", "metric=acc", "--map", "trial=id", "--mode", "max", "--store", tmp_path / "store"]
    code, said, error = metahp("import", "csv", tmp_path / "runs.csv", *maps)
    assert (code, "0 sweeps are in" in said) == (2, True)
    assert "left out 2×: a trial without a report that did not fail" in said
    assert "nothing could be imported: the reasons are above" in error
    (tmp_path / "runs.csv").write_text("id,acc,lr\n")
    code, _, error = metahp("import", "csv", tmp_path / "runs.csv", *maps)
    assert (code, "nothing could be imported: no trials were found" in error) == (2, True)
    assert Store(tmp_path / "store").sweeps() == []


def test_names_from_elsewhere_do_not_command_the_terminal(tmp_path, metahp):
    (tmp_path / "runs.csv").write_text("s,acc,lr\n\x1b[31mred\u202etxt,0.5,0.1\n\x1b[31mred\u202etxt,\x1b[2J,0.1\n")
    maps = ["--map", "metric=acc", "--map", "sweep=s", "--map", "params=lr", "--mode", "max"]
    code, said, _ = metahp("import", "csv", tmp_path / "runs.csv", *maps, "--store", tmp_path / "store")
    assert (code, "\\x1b[31mred\\u202etxt" in said) == (0, True)
    assert not {"\x1b", "\u202e"} & set(said)


def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path, metahp, monkeypatch):
    put(tmp_path / "ray" / "exp", {"lr": 0.1}, [report(1, 0.5)], "a")
    (tmp_path / "home").write_text("a file, where a directory should be")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    arguments = ["ray", tmp_path / "ray", "--metric", "score", "--mode", "max", "--store", tmp_path / "store"]
    code, _, error = metahp("import", *arguments)
    assert code == 2
    assert error.startswith("metahp: cannot create a spool (its place: spool_dir or $XDG_STATE_HOME) at")
    assert error.count("\n") == 1
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert metahp("import", *arguments)[0] == 0


def test_the_import_commands_say_what_is_wrong(tmp_path, metahp):
    put(tmp_path / "ray" / "exp", {"lr": 0.1}, [report(1, "high")], "a")
    into = ["--store", tmp_path / "store"]
    (tmp_path / "space.yaml").write_text("lr: {float: [1, 0]}")
    ray = ["ray", tmp_path / "ray", "--metric", "score", "--mode", "max", *into]
    for arguments, sentence in (
        ([*ray, "--task", "x"], "--task is KEY=VALUE, e.g. classes=10; got 'x'"),
        ([*ray, "--space", tmp_path / "space.yaml"], "Float needs lower <= upper"),
        ([*ray, "--space", tmp_path / "none.yaml"], "cannot read the search space"),
        (["csv", tmp_path / "x.parquet", "--map", "metric=x", "--mode", "max", *into], "use metahp import parquet"),
        (["ray", tmp_path, "--metric", "x", "--mode", "up", *into], "mode must be 'min' or 'max'"),
    ):
        code, _, error = metahp("import", *arguments)
        assert code == 2
        assert sentence in error
    code, said, _ = metahp("import", *ray)
    assert "left out 1×: a report without a number in 'score'" in said
