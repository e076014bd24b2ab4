"""``metahp list`` and ``metahp status`` where no cluster is named: the sweeps of a store."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metahp.errors import ClusterError, StoreError
from metahp.store import Store, SweepWriter
from metahp.types import Measurement
from metahp_cluster.cli import app
from metahp_cluster.spec import default_store, load_sweep


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    app(list(words), standalone_mode=False)
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def own_store(running: tuple[Store, SweepWriter], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    monkeypatch.setenv("METAHP_STORE", str(running[0].path))


def test_the_newest_sweep_is_listed_first(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("list", "status"):
        _, head, newest, oldest = said(capsys, command).splitlines()
        assert head.split()[:3] == ["sweep", "name", "state"]
        assert newest.startswith("s-1")
        assert {"running", "21"} <= set(newest.split())
        assert oldest.startswith("s-0")
        assert "completed" in oldest.split()
    told = json.loads(said(capsys, "list", "--json"))
    assert [each["sweep_id"] for each in told] == ["s-1", "s-0"]
    assert told[0]["trials"]["running"] == 1


def test_one_sweep_by_id_or_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(said(capsys, "status", "an earlier one", "--json"))["sweep_id"] == "s-0"
    told = said(capsys, "status", "s-1")
    assert told.startswith("s-1 a <b>running</b> sweep: running")
    assert "trials: 1 running, 13 completed, 7 stopped" in told
    assert "best acc: 0.8" in told
    assert json.loads(said(capsys, "status", "s-1", "--json"))["state"] == "running"
    with pytest.raises(StoreError, match=r"2 sweeps of .* begin with 's-'"):
        said(capsys, "status", "s-")
    with pytest.raises(StoreError, match="holds no sweep 'none'; metahp list"):
        said(capsys, "status", "none")


def test_what_is_typed_counts_more_than_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:9")
    store = os.environ["METAHP_STORE"]
    for words in (("list",), ("status",), ("status", "s-1")):
        assert "s-1" in said(capsys, *words, "--store", store)
        with pytest.raises(ClusterError, match="nothing answers at http://127"):
            said(capsys, *words)


@pytest.mark.slow
def test_names_cannot_command_the_terminal(
    running: tuple[Store, SweepWriter], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, sweep = running[0], running[0].sweeps()[-1]
    with store.open_sweep(replace(sweep, sweep_id="s-9", name="a \x1b[2J name")) as writer:
        writer.start_attempt("t-9", sweep.space.sample(np.random.default_rng(0)))
        writer.record("t-9", Measurement(1, 0.5, 1.0))
    for command in (["status", "s-9"], ["why", "t-9", "--sweep", "s-9"], ["advise", "--sweep", "s-9"]):
        assert "a \\x1b[2J name" in said(capsys, *command)
    assert "a \\x1b[2J name" in said(capsys, "report", "--sweep", "s-9", "--output", str(tmp_path / "report.html"))


def test_an_import_without_a_store_goes_into_your_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "curves.csv").write_text("run,epoch,acc,lr\na,1,0.5,0.1\na,2,0.6,0.1\nb,1,0.4,0.3\n")
    words = ("import", "csv", str(tmp_path / "curves.csv"), "--mode", "max", "--name", "mine")
    columns = ("--map", "trial=run", "--map", "step=epoch", "--map", "metric=acc")
    said(capsys, *words, *columns)
    assert "mine" in [sweep.name for sweep in Store(default_store()).sweeps()]
    monkeypatch.delenv("METAHP_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert str(tmp_path / "data") in said(capsys, *words, *columns)
    assert [sweep.name for sweep in Store(default_store(), create=False).sweeps()] == ["mine"]


def test_an_empty_store_says_how_to_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, "list", "--store", str(Store(tmp_path / "empty").path))
    assert "metahp run begins one" in told


def test_a_sweep_file_without_a_store_means_the_same_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.py").write_text("def train(config): ...\n")
    file = tmp_path / "sweep.yaml"
    told = "{name: a, trainable: 'train.py:train', space: {x: {float: [0.0, 1.0]}}, metric: acc, mode: max,"
    file.write_text(f"{told} budget: {{trials: 1, epochs: 1}}}}")
    monkeypatch.setenv("METAHP_STORE", "/team/sweeps")
    assert load_sweep(file).store == "/team/sweeps"
    monkeypatch.delenv("METAHP_STORE")
    assert load_sweep(file).store == default_store()
    assert default_store().endswith("metahp/store")
    file.write_text(f"{told} store: here, budget: {{trials: 1, epochs: 1}}}}")
    monkeypatch.setenv("METAHP_STORE", "/team/sweeps")
    assert load_sweep(file).store == str(tmp_path / "here")
