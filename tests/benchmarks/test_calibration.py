"""Calibration: honest predictions count as honest, and the command predicts what it has not been told."""

import csv

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from benchmarks import calibration
from benchmarks.__main__ import app
from benchmarks.calibration import run_calibration, table

pytestmark = pytest.mark.usefixtures("no_logged_errors")


def made_up(spread: float) -> pa.Table:
    """Predictions whose errors are ``spread`` times as large as they claim."""
    rng = np.random.default_rng(0)
    mean, std = rng.uniform(0.0, 0.5, 4000), np.full(4000, 0.1)
    truth = mean + spread * std * rng.normal(size=4000)
    return pa.table({"seen": np.ones(4000, int), "truth": truth, "mean": mean, "std": std, "last": truth})


def test_honest_predictions_cover_what_they_claim_and_bold_ones_less():
    [_, honest] = table({"a": made_up(1.0)})
    [_, bold] = table({"a": made_up(3.0)})
    assert float(honest[1].split()[0]) == pytest.approx(0.8, abs=0.02)
    assert float(bold[1].split()[0]) < 0.4
    assert honest[3].startswith("0.000")  # the last score seen is the truth here
    assert float(bold[4].split()[0]) < float(honest[4].split()[0])


def test_it_does_not_matter_how_much_worse_than_a_first_score():
    rows = pa.table({"seen": [1] * 3, "truth": [np.nan, 1e9, 0.5], "mean": [2.0, 3.0, 0.5], "std": [0.1] * 3})
    [_, row] = table({"a": rows.append_column("last", pa.array([np.inf, 7.0, 0.5]))})
    assert row[1].startswith("1.000")
    assert row[2].startswith("0.000")


def test_predictions_come_nearer_as_more_is_seen(tmp_path, monkeypatch):
    arguments = ["calibration", "--tasks", "synthetic-plain/0,synthetic-plain/1", "--history", "none", "--jobs", "1"]
    answer = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path)])
    assert answer.exit_code == 0, answer.output
    with (tmp_path / "calibration-none.csv").open() as file:
        rows = list(csv.DictReader(file))
    errors = [float(row["error"].split()[0]) for row in rows]
    assert [row["steps seen"] for row in rows] == ["0", "1", "4", "13", "26"]
    assert errors[-1] < errors[0]
    assert (tmp_path / "calibration-none.png").stat().st_size > 0
    monkeypatch.setattr(calibration, "simulate", lambda *_, **__: pytest.fail("predicted again"))
    assert "2 tasks" in run_calibration("synthetic-plain/0,synthetic-plain/1", "none", tmp_path)
