"""Tables in terminals of any width, and in pipes."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from metahp.models import Card
from metahp.predictor import Contest
from metahp.store import Store, SweepWriter
from metahp_cluster.cli import app
from metahp_cluster.tables import lines, print_table
from metahp_cluster.views import config_text

HEAD = ("sweep", "trials", "best")
ROWS = [("0195f7c2-5e3a-7b6d", "12", "0.91"), ("b", "3", "")]


def test_a_table_is_aligned_where_it_fits() -> None:
    assert list(lines(HEAD, ROWS, 80)) == [
        "sweep               trials  best",
        "0195f7c2-5e3a-7b6d  12      0.91",
        "b                   3",
    ]


def test_a_narrow_one_has_a_line_for_each_cell() -> None:
    assert list(lines(HEAD, ROWS, 30)) == ["0195f7c2-5e3a-7b6d", "  trials: 12", "  best: 0.91", "b", "  trials: 3"]


def test_names_do_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name",), [["a\x1b[31m × b"]])
    assert capsys.readouterr().out == "name\na\\x1b[31m × b\n"


def test_a_configuration_is_told_in_three_digits_at_any_depth() -> None:
    config = {"rate": 0.123456, "optimizer": {"name": "sgd", "momentum": 0.98765}, "sizes": [1, 0.33333], "act": "relu"}
    told = 'rate=0.123 optimizer={"name": "sgd", "momentum": 0.988} sizes=[1, 0.333] act=relu'
    assert config_text(config) == told


@pytest.mark.parametrize("columns", ["40", "120"])
def test_versions_are_told_whole(
    columns: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / "store")
    version = "0195f7c2-5e3a-7b6d-8d4e-3f2a1b0c9d8e"
    card = Card(version, "0.1", 1.7e9, {}, {"s-1": 12, "s-2": 3}, Contest(None, -1.0, 1))
    (store.path / "models" / version).mkdir(parents=True)
    (store.path / "models" / version / "card.json").write_text(json.dumps(asdict(card)))
    monkeypatch.setenv("COLUMNS", columns)
    app(["model", "list", str(store.path)], standalone_mode=False)
    told = capsys.readouterr().out
    assert {version, "2", "first"} <= set(told.split())
    assert "2023-11-1" in told  # in any time zone
    assert max(map(len, told.splitlines())) <= int(columns)


@pytest.fixture
def long_id(running: tuple[Store, SweepWriter]) -> str:
    """A sweep with an id as long as those that sweeps are given."""
    trials = [{"config": {"x": n / 5}, "curve": [(1, n / 5)]} for n in range(5)]
    return running[0].import_sweep(name="long", space=None, metric="acc", mode="max", trials=trials).sweep_id


@pytest.mark.parametrize("columns", ["", "40", "80"])
def test_ids_are_never_cut(
    columns: str,
    running: tuple[Store, SweepWriter],
    long_id: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    app(["store", "info", str(running[0].path)], standalone_mode=False)
    told = capsys.readouterr().out
    assert len(long_id) > 30
    assert long_id in told.split()
    assert all(word in told for word in ("an earlier one", "acc (max)", "0.8"))


def test_a_store_of_which_nothing_is_left_is_not_called_empty(
    running: tuple[Store, SweepWriter], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = shutil.copytree(running[0].path, tmp_path / "copy")
    for segment in store.rglob("*.parquet"):
        segment.write_bytes(b"no parquet")
    for _ in range(2):  # also when the files are in quarantine already
        app(["store", "info", str(store)], standalone_mode=False)
        told = capsys.readouterr().out
        assert "its files are damaged; see metahp store check" in told
        assert "no sweeps yet" not in told
