"""Sweep files: what they say, and what is said about those that cannot be right."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from metahp.errors import SweepSpecError
from metahp.space import Categorical, Conditional, Constant, Float, Int, Ordinal, SearchSpace
from metahp.types import Mode
from metahp_cluster import Budget, Resources, Sweep, load_sweep
from metahp_cluster.yaml_lines import parse

GOOD = """\
name: digits
trainable: train.py:train
space:
  learning_rate: {float: [1e-4, 1e-1], log: true}
  decay: {float: [0, 1], step: 0.25}
  units: {int: [16, 256], log: true}
  activation: {choice: [relu, no, 1e-3, null]}
  size: {ordinal: [small, large]}
  optimizer: {choice: [{name: adam}, {name: sgd, momentum: {float: [0.0, 0.99]}}]}
  model: {depth: {int: [1, 4]}, width: 3}
  batch_size: 32
  layers: [1, 2]
  limits: {constant: {float: [0, 1]}}
metric: val_accuracy
mode: max
budget: {trials: 8, epochs: 4, hours: 0.5}
resources: {cpu: 2, gpu: 0.25, at_once: 4}
task: {classes: 10}
"""


def load(tmp_path: Path, text: str) -> Sweep:
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    return load_sweep(path)


def message(tmp_path: Path, text: str) -> str:
    with pytest.raises(SweepSpecError) as caught:
        load(tmp_path, text)
    return str(caught.value).replace(str(tmp_path / "sweep.yaml"), "FILE")


def changed(line: str, into: str) -> str:
    assert line in GOOD
    return GOOD.replace(line, into)


def test_every_kind_of_domain(tmp_path: Path) -> None:
    sweep = load(tmp_path, GOOD)
    assert sweep.space == SearchSpace(
        {
            "learning_rate": Float(1e-4, 1e-1, log=True),
            "decay": Float(0.0, 1.0, step=0.25),
            "units": Int(16, 256, log=True),
            "activation": Categorical(("relu", "no", 1e-3, None)),
            "size": Ordinal(("small", "large")),
            "optimizer": Conditional(({"name": "adam"}, {"name": "sgd", "momentum": Float(0.0, 0.99)})),
            "model": {"depth": Int(1, 4), "width": 3},
            "batch_size": 32,
            "layers": [1, 2],
            "limits": Constant({"float": [0, 1]}),
        }
    )
    assert sweep.mode is Mode.MAX
    assert sweep.budget == Budget(trials=8, epochs=4, hours=0.5)
    assert sweep.resources == Resources(cpu=2, gpu=0.25, at_once=4)


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    sweep = load(tmp_path, GOOD + "store: ../sweeps\n")
    assert sweep.trainable == f"{tmp_path}/train.py:train"
    assert sweep.store == str(tmp_path.parent / "sweeps")
    assert sweep.output == tmp_path / "metahp-output"
    assert load(tmp_path, GOOD + "store: ~/sweeps\n").store == "~/sweeps"


def test_the_same_from_python() -> None:
    sweep = Sweep(
        name="a",
        trainable=lambda config: None,
        space=SearchSpace({"x": Float(0, 1)}),
        metric="loss",
        mode=Mode.MIN,
        budget=Budget(trials=1, epochs=1),
    )
    assert sweep.space.dimension == 1
    with pytest.raises(ValidationError, match="frozen"):
        sweep.name = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("line", "into", "said"),
    [
        ("metric: val", "metrc: val", "FILE:14: metrc: unknown key; did you mean 'metric'?"),
        ("metric: val_accuracy\n", "", "FILE:1: metric: is missing"),
        ("hours:", "hour:", "FILE:16: budget/hour: unknown key; did you mean 'hours'?"),
        ("cpu: 2", "machines: 2", "FILE:17: resources/machines: unknown key; known are workers, cpu, gpu, at_once"),
        ("trials: 8", 'trials: "8"', "FILE:16: budget/trials: Input should be a valid integer, got '8'"),
        ("trials: 8", "trials: 0", "budget/trials: Input should be greater than or equal to 1, got 0"),
        ("trials: 8", "trials: true", "budget/trials: Input should be a valid integer, got True"),
        ("mode: max", "mode: maxi", "FILE:15: mode: Input should be 'min' or 'max', got 'maxi'"),
        (
            "mode: max\n",
            "mode: max\nprune: never\n",
            "FILE:16: prune: Input should be 'on', 'gated', 'shadow' or 'off'",
        ),
        ("gpu: 0.25", "gpu: all", "FILE:17: resources/gpu: is a number of GPUs, or auto, got 'all'"),
        ("gpu: 0.25", "gpu: -1", "FILE:17: resources/gpu: is a number of GPUs, or auto, got -1"),
        ("gpu: 0.25", "gpu: 1.5", "FILE:17: resources/gpu: shares are given below 1 only, got 1.5"),
        ("train.py:train", "train.train", "FILE:2: trainable: is 'file.py:function' (in Python also a function), got"),
        ("float: [1e-4, 1e-1]", "float: [0, 1]", "FILE:4: space/learning_rate: Float(log=True) needs lower > 0"),
        ("float: [1e-4, 1e-1]", "float: [a, 1]", "FILE:4: space/learning_rate: Float(lower=…) needs a finite number"),
        ("float: [1e-4, 1e-1]", "float: [1]", "FILE:4: space/learning_rate/float: float takes two bounds"),
        ("log: true}\n  decay", "log: 1}\n  decay", "FILE:4: space/learning_rate/log: log is true or false, got 1"),
        ("step: 0.25", "steps: 0.25", "FILE:5: space/decay/steps: unknown key 'steps' beside 'float', which takes log"),
        ("float: [0, 1], step", "flaot: [0, 1], step", "FILE:5: space/decay/flaot: 'flaot' is no kind of"),
        ("{int: [16, 256]", "{loguniform: [16, 256]", "FILE:6: space/units/loguniform: 'loguniform' is no kind"),
        ("momentum: {float: [0.0", "momentum: {float: [2.0", "FILE:9: space/optimizer/choice/1/momentum: Float needs"),
        ("choice: [relu, no,", "choice: [relu, relu,", "FILE:7: space/activation: Categorical offers 'relu' twice"),
        ("classes: 10", "classes: [1, 2]", "FILE:18: task: task describes the data by names and plain values"),
        ("name: digits", "name: ../digits", "FILE:1: name: String should match pattern"),
        ("mode: max\n", "mode: max\nmode: min\n", "FILE:16: 'mode' is given twice, first in line 15"),
        ("name: digits", "name: {digits", "FILE:2: no YAML: expected"),
        ("name: digits", "name: !!python/object/apply:os.getcwd []", "FILE:1: the tag"),
        ("name: digits", "name: !secret digits", "FILE:1: the tag '!secret' is not read"),
        ("name: digits", "? [a, b]\n: 1", "FILE:1: a key must be a name"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, line: str, into: str, said: str) -> None:
    assert said in message(tmp_path, changed(line, into))


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    said = message(tmp_path, changed("mode: max", "mode: maxi").replace("trials: 8", "trials: -8")).splitlines()
    assert [line.split(":")[1] for line in said] == ["15", "16"]


def test_a_space_of_constants_searches_nothing(tmp_path: Path) -> None:
    head, tail = GOOD.split("space:\n")
    rest = tail[tail.index("metric:") :]
    assert "FILE:3: space: space searches nothing" in message(tmp_path, f"{head}space:\n  x: 1\n{rest}")
    assert "FILE:3: space: space must name at least one" in message(tmp_path, f"{head}space: {{}}\n{rest}")


def test_no_file_no_mapping_no_text(tmp_path: Path) -> None:
    with pytest.raises(SweepSpecError, match="cannot read the sweep file"):
        load_sweep(tmp_path / "absent.yaml")
    assert "a sweep file names its parts" in message(tmp_path, "- 1\n")
    assert "a sweep file names its parts" in message(tmp_path, "")
    (tmp_path / "sweep.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(SweepSpecError, match="cannot read the sweep file"):
        load_sweep(tmp_path / "sweep.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("010", 10),
        ("0x1F", 31),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("'1'", "1"),
        ("True", True),
        ("~", None),
    ],
)
def test_plain_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    read = parse(f"a: {text}", "x").data["a"]
    assert read == value
    assert type(read) is type(value)


def test_small_files_cannot_grow() -> None:
    bomb = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    for before, name in zip("abcdef", "bcdefg", strict=True):
        bomb += f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    with pytest.raises(SweepSpecError, match="is an alias repeated"):
        parse(bomb, "x")
    with pytest.raises(SweepSpecError, match="is an alias repeated"):
        parse("[" * 100 + "]" * 100, "x")
    with pytest.raises(SweepSpecError, match="at most 1000000 are read"):
        parse("#" * 1_000_001, "x")
    with pytest.raises(SweepSpecError, match="no YAML"):
        parse("[" * 100_000, "x")
