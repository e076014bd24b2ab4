"""Zero-shot recommendation: good first configurations with their band and sources, or a reason why there are none."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from metahp.errors import RecordError, StoreMissingError
from metahp.keras_predictor import KerasPredictor
from metahp.prior_predictor import PriorPredictor
from metahp.recommend import recommend
from metahp.space import Float, SearchSpace
from metahp.store import Store
from metahp.types import Mode, SweepHistory
from metahp_cluster.data_file import described
from metahp_cluster.describe_function import described_by
from metahp_cluster.recommend_cli import recommend as command

FOREIGN = SearchSpace({"tilt": Float(0.0, 1.0), "height": Float(0.0, 1.0), "colour": Float(0.0, 1.0)})


def test_the_first_is_far_better_than_a_random_one(learned: KerasPredictor, toy_task: Callable[..., Any]) -> None:
    task = toy_task(20)
    said = recommend(learned, task.space, "score", Mode.MAX, max_step=27)
    rng = np.random.default_rng(0)
    random = [task.final(task.space.sample(rng)) for _ in range(200)]
    assert task.final(said.configs[0].config) > np.quantile(random, 0.8)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [({"a": [1.0]}, "call the inputs 'x'"), ({"x": [{}]}, "cannot be read"), (None, "cannot be read")],
)
def test_data_that_tell_nothing_are_one_sentence(arrays: dict[str, Any] | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    if arrays is not None:
        np.savez(path, **{name: np.array(value) for name, value in arrays.items()})  # type: ignore[arg-type]
    with pytest.raises(RecordError, match=said):
        described(path)


def test_data_describe_the_task(tmp_path: Path) -> None:
    x, y = np.zeros((50, 8, 8, 1)), np.arange(50) % 5
    np.savez(tmp_path / "data.npz", X=x, y=y)
    np.save(tmp_path / "inputs.npy", x)
    told = described(tmp_path / "data.npz")
    assert (told["kind"], told["examples"], told["input_size"], told["classes"]) == ("image", 50, 64, 5)
    assert described(tmp_path / "inputs.npy")["examples"] == 50


def test_a_notebook_shows_them(learned: KerasPredictor, toy_task: Callable[..., Any]) -> None:
    said = recommend(learned, toy_task(0).space, "score", Mode.MAX, count=2)
    assert said._repr_html_().count("<tr>") == 3
    assert f"{said.configs[0].score:.4g}" in said._repr_html_()
    assert "no past sweep" in recommend(learned, FOREIGN, "score", Mode.MAX)._repr_html_()


def test_configurations_are_legal_distinct_and_banded(learned: KerasPredictor, toy_task: Callable[..., Any]) -> None:
    space = toy_task(0).space
    said = recommend(learned, space, "score", Mode.MAX, count=4)
    assert len({repr(own.config) for own in said.configs}) == 4
    assert all(space.contains(own.config) for own in said.configs)
    for own in said.configs:
        assert None not in (own.low, own.score, own.high)
        assert own.low < own.score < own.high  # type: ignore[operator]
    assert set(said.sources) == {f"toy-{number}" for number in range(6)}
    assert said == recommend(learned, space, "score", Mode.MAX, count=4)


def test_another_metric_gets_an_order_but_no_score(learned: KerasPredictor, toy_task: Callable[..., Any]) -> None:
    said = recommend(learned, toy_task(0).space, "loss", Mode.MIN)
    assert [own.score for own in said.configs] == [None] * 5
    assert "'loss'" in said.caveat


@pytest.mark.parametrize("knows", [True, False], ids=["foreign space", "no history"])
def test_who_knows_nothing_abstains(learned: KerasPredictor, toy_task: Callable[..., Any], knows: bool) -> None:
    past, space = (learned, FOREIGN) if knows else (PriorPredictor(), toy_task(0).space)
    said = recommend(past, space, "score", Mode.MAX)
    assert (said.configs, said.sources) == ((), ())
    assert "no past sweep shares" in said.caveat


def test_each_configuration_names_the_past_sweeps_it_comes_from(
    learned: KerasPredictor, toy_task: Callable[..., Any]
) -> None:
    said = recommend(learned, toy_task(0).space, "score", Mode.MAX, count=3)
    assert all(1 <= len(own.sources) <= 3 for own in said.configs)
    assert {source for own in said.configs for source in own.sources} <= set(said.sources)
    assert recommend(learned, toy_task(0).space, "loss", Mode.MIN).configs[0].sources


MADE = """
import numpy as np

def arrays():
    return np.zeros((50, 8, 8, 1)), np.arange(50) % 5

def model():
    import keras
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])

def pipeline():
    import tensorflow as tf
    return tf.data.Dataset.from_tensor_slices(arrays()).batch(10)

def both():
    return *arrays(), model()

def mapping():
    return {"inputs": arrays()[0], "model": model()}

def plain():
    return {"kind": "audio", "classes": 3}

def nothing():
    pass

def broken():
    raise ValueError("no data today")

def wrong():
    return {"kind": [1]}

value = 3
"""


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("arrays", {"kind": "image", "examples": 50, "classes": 5}),
        ("model", {"layers": 1, "parameters": 15}),
        ("pipeline", {"kind": "image", "examples": 50, "classes": 5}),
        ("both", {"kind": "image", "classes": 5, "parameters": 15}),
        ("mapping", {"kind": "image", "examples": 50, "parameters": 15}),
        ("plain", {"kind": "audio", "classes": 3}),
    ],
)
def test_a_function_describes_the_task(function: str, told: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(MADE)
    found = described_by(f"{tmp_path / 'train.py'}:{function}")
    assert told.items() <= found.items()


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("train.py:nothing", "returns NoneType; it must return a Keras model"),
        ("train.py:broken", "raises ValueError: no data today"),
        ("train.py:wrong", "plain values only"),
        ("train.py:missing", "has no function 'missing'"),
        ("train.py:value", "has no function 'value'"),
        ("none.py:data", "with a file that is there"),
        ("train", "takes file.py:function"),
    ],
)
def test_a_function_that_tells_nothing_is_one_sentence(
    named: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.py").write_text(MADE)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecordError, match=said):
        described_by(named)


SWEEP = """
name: the next one
trainable: train.py:train
space:
  learning_rate: {float: [0.0001, 0.1], log: true}
  units: {int: [16, 256], log: true}
  seed: 7
metric: score
mode: max
budget: {trials: 4, epochs: 27}
"""


@pytest.fixture(scope="module")
def store(toy_history: Sequence[SweepHistory], tmp_path_factory: pytest.TempPathFactory) -> Store:
    directory = tmp_path_factory.mktemp("recommend")
    store = Store(directory / "store", spool_dir=directory / "spool")
    for history in toy_history[:2]:
        sweep = history.sweep
        trials = [
            {
                "config": trial.config,
                "curve": [(m.step, m.value) for m in trial.curve.measurements],
                "status": "stopped",
            }
            for trial in history.trials
        ]
        store.import_sweep(
            name=f"toys {sweep.sweep_id}",
            space=sweep.space,
            metric=sweep.metric,
            mode=sweep.mode,
            trials=trials,
            max_step=sweep.max_step,
        )
    return store


def test_before_the_first_sweep_the_shipped_history_speaks(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    space = "  learning_rate: {float: [0.00001, 1.0], log: true}\n"
    task = "task: {kind: image, examples: 300, classes: 10}\nstore: not-yet\n"
    head, tail = SWEEP.replace("metric: score", "metric: val_accuracy").split("  learning_rate")
    file.write_text(head + space + tail[tail.index("metric") :] + task, encoding="utf-8")
    (tmp_path / "train.py").write_text("def train(config): ...\n", encoding="utf-8")
    app = typer.Typer()
    app.command()(command)
    said = CliRunner().invoke(app, [str(file), "--json"])
    assert said.exit_code == 0, said.output
    rates = [each["config"]["learning_rate"] for each in json.loads(said.stdout)["configs"]]
    assert 1e-3 < rates[0] < 0.2  # the shipped networks want about 0.01
    assert not (tmp_path / "not-yet").exists()
    assert "image/digits" in CliRunner().invoke(app, [str(file)]).output
    with pytest.raises(StoreMissingError):
        CliRunner().invoke(app, [str(file), "--store", str(tmp_path / "typo")], catch_exceptions=False)


def test_the_command_shows_a_table_and_json(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(SWEEP, encoding="utf-8")
    (tmp_path / "train.py").write_text("def train(config): ...\n", encoding="utf-8")
    app = typer.Typer()
    app.command()(command)
    options = [str(file), "--store", str(store.path), "--count", "2"]

    table = CliRunner().invoke(app, options)
    assert table.exit_code == 0, table.output
    assert "learning_rate=" in table.output
    assert "toys toy-0" in table.output
    assert "seed" not in table.output  # a constant of the space

    narrow = CliRunner().invoke(app, options, env={"COLUMNS": "40"}).output
    assert max(map(len, narrow.splitlines()[:6])) <= 40
    assert narrow.splitlines()[0].startswith("1. score 0.")
    assert "   learning_rate: 0." in narrow

    (tmp_path / "train.py").write_text(MADE)
    described = CliRunner().invoke(app, [*options, "--describe", f"{tmp_path / 'train.py'}:arrays"])
    assert "kind: image" in described.output

    said = json.loads(CliRunner().invoke(app, [*options, "--json"]).stdout)
    assert len(said["configs"]) == 2
    assert {source.split("/")[0] for source in said["sources"][2:]} == {"starter"}  # own sweeps come first
    assert set(said["configs"][0]["config"]) == {"learning_rate", "units", "seed"}
