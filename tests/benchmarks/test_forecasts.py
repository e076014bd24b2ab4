"""Forecasts of running sweeps: looked at as often as said, and compared with the very sweep's end."""

import csv

import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.forecasts import LOOKS, looks_at, table

pytestmark = pytest.mark.usefixtures("no_logged_errors")


def test_every_look_is_made_before_the_end():
    name, looks = looks_at("synthetic-plain/0")
    assert name == "synthetic-plain/0"
    assert [look["over"] for look in looks] == list(LOOKS)
    assert all(look["today_off"] >= 0.0 for look in looks)
    assert looks[0]["today_off"] >= looks[-1]["today_off"]  # the best of the moment never gets worse
    assert looks[0]["width"] > looks[-1]["width"]


def test_the_table_counts_what_lies_in_the_bands():
    look = {"over": 8, "inside": True, "width": 0.2, "off": 0.1, "today_off": 0.3, "epochs_inside": False}
    [_, row] = table({"a": [look], "b": [look | {"inside": False}]})
    assert row[0] == "8"
    assert row[1].startswith("0.500")
    assert row[5].startswith("0.000")


def test_the_command_writes_a_table(tmp_path):
    answer = CliRunner().invoke(
        app, ["forecasts", "--tasks", "synthetic-plain/1", "--jobs", "1", "--out", str(tmp_path)]
    )
    assert answer.exit_code == 0, answer.output
    with (tmp_path / "forecasts.csv").open() as file:
        assert [row["trials over"] for row in csv.DictReader(file)] == [str(look) for look in LOOKS]
