"""``metahp why``, from a store that a sweep has filled."""

import json
import sys
from pathlib import Path

import pytest

from metahp.errors import MetaHPError, StoreError
from metahp.space import Float, SearchSpace
from metahp.store import Store, TrialEvent
from metahp.types import Action, Decision, MadeDecision, Measurement, Mode, Sweep
from metahp.why import explain
from metahp_cluster.cli import app

SWEEP = Sweep("s1", SearchSpace({"x": Float(0, 1)}), "acc", Mode.MAX, 8, {}, "peaks")
STOP = MadeDecision("t-bad", 2, Decision(Action.STOP, "chance to beat 0.99 is 1%", 0.01, 0.1))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Trials at 0, 0.1, …; the one at 0.9 was stopped after two steps, all others ran to their ends."""
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    with store.open_sweep(SWEEP) as writer:
        for place in [*range(9), 9]:
            x, name = place / 10, f"t-{place}" if place < 9 else "t-bad"
            writer.start_attempt(name, {"x": x})
            for step in range(1, 9 if place < 9 else 3):
                writer.record(name, Measurement(step, (1 - (x - 0.3) ** 2) * (1 - 0.5**step)))
            if place == 9:
                writer.record_decision(STOP)
            writer.record_event(name, TrialEvent.COMPLETED if place < 9 else TrialEvent.STOPPED)
    return store


def test_it_tells_decision_forecast_and_relatives(store: Store) -> None:
    found = explain(store, "t-b")
    assert found.trial.trial_id == "t-bad"
    assert found.decisions == (STOP,)
    assert found.forecasts[0].step == 3
    assert found.forecasts[-1].step == 8
    assert all(each.low < each.likely < each.high for each in found.forecasts)
    assert found.chance is not None
    assert found.chance < 0.2  # the truth: 0.64 against 0.996
    assert [each.trial.trial_id for each in found.relatives[:2]] == ["t-8", "t-7"]


def test_it_tells_what_would_have_changed_the_decision(store: Store) -> None:
    turning = explain(store, "t-bad").turning_point
    assert turning is not None
    assert turning.step == 2
    assert turning.needed is not None
    best = max(trial.curve.values.max() for trial in store.history("s1").trials)
    assert turning.reported < turning.needed < best
    assert explain(store, "t-3").turning_point is None


def test_a_picture_is_drawn(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "why.png"
    for trial in ("t-bad", "t-3"):
        app(["why", str(store.path), trial, "--png", str(picture)], standalone_mode=False)
        assert picture.read_bytes()[:4] == b"\x89PNG"
        picture.unlink()
    with pytest.raises(MetaHPError, match="no picture that matplotlib can write"):
        app(["why", str(store.path), "t-3", "--png", str(tmp_path / "why.doc")], standalone_mode=False)
    with pytest.raises(StoreError, match="cannot write the picture"):
        app(["why", str(store.path), "t-3", "--png", str(tmp_path / "none" / "why.png")], standalone_mode=False)


def test_without_matplotlib_a_picture_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MetaHPError, match=r"pip install 'metahp\[plot\]'"):
        app(["why", str(store.path), "t-3", "--png", "why.png"], standalone_mode=False)


def test_the_forecast_of_a_finished_trial_is_held_against_it(store: Store) -> None:
    assert explain(store, "t-3").forecasts == ()  # nothing was decided about it, and nothing is left to predict


def test_the_command_speaks_and_counts(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    app(["why", str(store.path), "t-bad"], standalone_mode=False)
    said = capsys.readouterr().out
    assert "t-bad of peaks: stopped, 2 epochs" in said
    assert "after epoch 2: stop, chance to beat 0.99 is 1% (stopped below 10%)" in said
    app(["why", str(store.path), "t-bad", "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["stopped"]
    assert told["decisions"][0]["probability"] == 0.01


def test_what_is_not_there_is_said(store: Store) -> None:
    with pytest.raises(StoreError, match="holds no trial 'none'"):
        explain(store, "none")
    with pytest.raises(StoreError, match="10 trials begin with 't-'"):
        explain(store, "t-")
    with pytest.raises(StoreError, match="sweep other"):
        explain(store, "t-1", "other")
