"""``metahp audit`` and the report, after real sweeps that decide without acting."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from metahp.store import Store
from metahp.types import Action, TrialStatus
from metahp_cluster import load_sweep, run
from metahp_cluster.cli import app

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_here")]


def test_a_shadow_stops_nobody_and_says_whom_it_would_have_stopped(
    sweep_file: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budget = {"trials": 12, "epochs": 9}
    result = run(load_sweep(sweep_file(scheduler="meta", prune="shadow", budget=budget, learn=False)))
    assert result.counts == {TrialStatus.COMPLETED: 12}
    decisions = Store(result.store).decisions(result.sweep_id)
    assert sum(made.decision.action is Action.START and made.step == 0 for made in decisions) == 12
    condemned = [made for made in decisions if made.decision.action is Action.STOP]
    assert any(made.step < 9 and made.decision.forecast is not None for made in condemned)
    capsys.readouterr()  # what Ray has said
    app(["audit", result.store, "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["condemned"] == told["judged"] == len(told["spared"]) > 0
    assert told["stopped"] == told["epochs_saved"] == 0
    assert told["epochs_spent"] > 0
    app(["audit", result.store, "--sweep", result.sweep_id], standalone_mode=False)
    said = capsys.readouterr().out
    assert f"{told['condemned']} trials were to be stopped: 0 were" in said
    assert "false prunes" in said
    assert "Was stopping right?" in result.report.read_text()
    spared = told["spared"][0]["trial_id"]
    app(["why", result.store, spared], standalone_mode=False)
    assert "it ran on all the same, as a sample" in capsys.readouterr().out


def test_without_decisions_there_is_nothing_to_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path / "store")
    app(["audit", str(store.path)], standalone_mode=False)
    assert "no decision to stop a trial is on record" in capsys.readouterr().out
