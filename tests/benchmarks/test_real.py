"""Real sweeps of real networks, small: the table, and the command."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks import real, real_life
from benchmarks.__main__ import app
from benchmarks.keras_tasks import data, models
from benchmarks.real import WORKLOADS, Report, Run, epochs_to_the_rival, table
from benchmarks.real_life import run_real_lives
from benchmarks.tasks import load_task, load_tasks

pytestmark = pytest.mark.usefixtures("no_logged_errors")


def made_up(method: str, regret: float, after_s: float) -> dict[Run, list[Report]]:
    """On all tasks, two seeds: one result with regret 1 at once, one with the given regret later."""
    runs = {}
    for name in WORKLOADS:
        reference = load_task(name).reference
        scores = [reference.start, reference.best + regret * (reference.start - reference.best)]
        for seed in (0, 1):
            reports = [Report(0.0, "a", 1, scores[0]), Report(after_s, "a", 2, scores[1])]
            runs[Run(name, method, seed, 20.0)] = reports
    return runs


def test_the_table_counts_seconds_and_pairs_its_differences():
    head, asha, meta = table(made_up("asha", 0.5, 6.0) | made_up("meta", 0.3, 4.0))
    assert head[1:5] == ["regret @5 s", "regret @10 s", "regret @20 s", "minus asha's"]
    assert [cell[:5] for cell in asha[1:4]] == ["1.000", "0.500", "0.500"]
    assert [cell[:5] for cell in meta[1:4]] == ["0.300", "0.300", "0.300"]
    assert meta[4] == "-0.200 [-0.200, -0.200]"
    assert meta[5:7] == ["2", "1"]


def test_without_its_rival_the_table_compares_nothing():
    _, random, meta = table(made_up("random", 0.5, 6.0) | made_up("meta", 0.3, 4.0))
    assert random[4] == meta[4] == "–"
    assert meta[5:] == ["2", "1", "–"]


def test_epochs_are_counted_to_what_asha_has_come_to():
    asha, worse, better = made_up("asha", 0.3, 6.0), made_up("random", 0.5, 6.0), made_up("meta", 0.2, 6.0)
    runs = asha | worse | {run: reports[1:] for run, reports in better.items()}
    head, *rows = table(runs)
    assert head[-1] == "epochs to asha's best in each sweep, in its own"
    assert [row[-1] for row in rows] == ["1.00× (8 of 8 reach it)", "inf× (0 of 8 reach it)", "0.50× (8 of 8 reach it)"]
    head, *rows = epochs_to_the_rival(runs)
    assert head[2:] == ["to asha's mean at 5 s", "to asha's mean at 10 s", "to asha's mean at 20 s"]
    assert [row[:2] for row in rows[:2]] == [[WORKLOADS[0], "random"], [WORKLOADS[0], "meta"]]
    assert rows[-2:] == [["all", "random", "1.00×", "never", "never"], ["all", "meta", "1.00×", "0.50×", "0.50×"]]


@pytest.mark.ray
@pytest.mark.slow
def test_networks_are_swept_on_a_real_ray(tmp_path, monkeypatch):
    monkeypatch.setattr(real, "WORKLOADS", ("keras-text/web-or-mail",))
    arguments = ["real", "--methods", "meta", "--seeds", "1", "--seconds", "3", "--out", str(tmp_path)]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    files = sorted((tmp_path / "real").rglob("*.json"))
    assert len(files) == 1
    for path in files:
        reports = json.loads(path.read_text())["reports"]
        assert np.all(np.diff([seconds for seconds, *_ in reports]) >= 0)
        assert len({trial for _, trial, *_ in reports}) >= 2
        assert max(step for _, _, step, _ in reports) <= load_task("keras-text/web-or-mail").max_step


@pytest.mark.ray
@pytest.mark.slow
def test_a_team_really_sweeps_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(real_life, "FAMILY", "keras-tabular/wine,keras-tabular/moons")
    text = run_real_lives(1, tmp_path, methods=["meta"], seconds=1.0)
    assert "2 sweeps in 1 orders" in text
    (told,) = [json.loads(path.read_text()) for path in (tmp_path / "real-life").rglob("*.json")]
    assert all(1 + regret > 0 for regret in told["regret"])
    assert run_real_lives(1, tmp_path, methods=["meta"], seconds=1.0) == text  # and not a second time


def test_a_regression_is_trained_by_its_squared_error(monkeypatch):
    names = [task.name.removeprefix("keras-") for task in load_tasks("keras-tabular")]
    regression = next(name for name in names if not data.load(name).classes)
    reports = []
    monkeypatch.setitem(models.EPOCHS, "tabular", 3)
    monkeypatch.setattr(real.tune, "report", reports.append)
    config = models.SPACES["tabular"].sample(np.random.default_rng(0)) | {"learning_rate": 1e-3, "optimizer": "adam"}
    real.train(config, regression)
    assert [set(report) for report in reports] == [{"loss", "val_loss"}] * 3
    assert np.isfinite([report["val_loss"] for report in reports]).all()
