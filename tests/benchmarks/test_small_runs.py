"""The commands that no other test runs, in small: they answer, and what they answer adds up."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.idle import Load, run_idle
from benchmarks.scale import run_scale
from benchmarks.turnover import run_turnover

pytestmark = pytest.mark.usefixtures("no_logged_errors")


def test_a_second_sweep(tmp_path: Path) -> None:
    arguments = ["second-sweep", "--tasks", "synthetic-plain/0,synthetic-plain/1", "--seeds", "1", "--trainings", "1"]
    answer = CliRunner().invoke(app, [*arguments, "--jobs", "1", "--out", str(tmp_path)])
    assert answer.exit_code == 0, answer.output
    head, *rows = csv.reader((tmp_path / "second_sweep.csv").open())
    assert head[2:4] == ["empty store", "store of one sweep"]
    assert [row[1] for row in rows] == ["0.25", "0.5", "1"]
    for _, _, without, with_store, difference in rows:
        assert float(difference.split()[0]) == pytest.approx(float(with_store) - float(without), abs=2e-3)
    assert (tmp_path / "second_sweep.png").stat().st_size > 1000


@pytest.mark.ray
@pytest.mark.slow
def test_idle_workers_of_a_real_ray(tmp_path: Path) -> None:
    run_idle(tmp_path, (Load(6, 2, (0.05, 0.1), repeats=2),))
    _, ours, theirs = csv.reader((tmp_path / "idle.csv").open())
    for row in (ours, theirs):
        assert row[0] == "6 trials of 0.05 to 0.1 s, 2 at once"
        assert 1 <= float(row[2].split()[0]) <= 2
        assert float(row[3].split()[0]) > 6 * 0.05 / 2
        assert 0.0 <= float(row[4].split("%")[0]) < 100.0
    median, low, high = (float(ours[5].split()[n].strip("()")) for n in (0, 1, 3))
    assert low <= median <= high


@pytest.mark.ray
@pytest.mark.slow
def test_the_turnover_of_a_real_ray(tmp_path: Path) -> None:
    text = run_turnover(["random"], tmp_path, trials=2, reports=5)
    assert "| Ray Tune, random |" in text
    _, metahp, row = csv.reader((tmp_path / "turnover.csv").open())
    kept, anew, per_second = (float(cell.split()[0]) for cell in row[1:])
    assert kept < anew
    assert float(metahp[1].split()[0]) < anew
    assert min(per_second, float(metahp[3])) > 1


@pytest.mark.ray
@pytest.mark.slow
def test_the_scale_of_a_real_ray(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="scale needs at least 20 trials, got 3"):
        run_scale(3, tmp_path)
    run_scale(20, tmp_path)
    _, *rows = csv.reader((tmp_path / "scale.csv").open())
    assert len(rows) == 10
    assert all(float(median) >= 0 and float(memory) > 50 for row in rows for median, _, memory in (row[1:4], row[4:]))


def test_the_store_s_speed(tmp_path: Path) -> None:
    sizes = ["--rows", "100000", "--drivers", "2", "--seconds", "0.3", "--repeats", "1"]
    command = [sys.executable, "-m", "benchmarks.store_speed", *sizes, "--directory", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    figures = {told["figure"]: told["median"] for told in map(json.loads, done.stdout.splitlines())}
    assert figures["large store: rows"] == 100_000
    assert 0 < figures["append: p50 in ms"] <= figures["append: p99 in ms"]
