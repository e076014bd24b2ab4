"""``metahp why``, from a store that a sweep has filled."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer

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
    assert re.search(r"after epoch 2, \d{4}-\d\d-\d\d [\d:]{8} UTC: stop, chance .* is 1% \(stopped below 10%\)", said)
    assert re.search(r"epoch 8: \S+ \(50 % \S+ to \S+, 80 % \S+ to \S+\)", said)
    assert "chance to beat the best of the other trials, t-3 with 0.9961:" in said
    assert "most to blame: x=0.9; with the 0.3 of t-3, acc 0.9" in said
    app(["why", str(store.path), "t-bad", "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["most_to_blame"]["name"] == "x"
    assert told["incumbent"] == "t-3"
    assert told["stopped"]
    assert told["decisions"][0]["probability"] == 0.01


def test_what_is_not_there_is_said(store: Store) -> None:
    with pytest.raises(StoreError, match="holds no trial 'none'"):
        explain(store, "none")
    with pytest.raises(StoreError, match="10 trials begin with 't-'"):
        explain(store, "t-")
    with pytest.raises(StoreError, match="sweep other"):
        explain(store, "t-1", "other")


def filled(store: Store, sweep: Sweep, score: Callable[[dict[str, float]], float]) -> None:
    """A sweep of two dozen trials that were all trained to the end."""
    rng = np.random.default_rng(0)
    with store.open_sweep(sweep) as writer:
        for number in range(24):
            config = sweep.space.sample(rng) if number < 23 else {"good": 0.5, "bad": 0.99, "idle": 0.1}
            name = f"{sweep.sweep_id}-{number}"
            writer.start_attempt(name, config)
            for step in range(1, 9):
                writer.record(name, Measurement(step, score(config) * (1 - 0.5**step)))
            writer.record_event(name, TrialEvent.COMPLETED)


def test_the_hyperparameter_most_to_blame_is_that_of_this_trial(tmp_path: Path) -> None:
    """What matters most in the sweep is `good`, which this trial has right; `bad` is what it has wrong."""
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    space = SearchSpace({"good": Float(0, 1), "bad": Float(0, 1), "idle": Float(0, 1)})
    sweep = Sweep("s", space, "acc", Mode.MAX, 8, {}, "blame")
    filled(store, sweep, lambda c: 1 - 1.5 * (c["good"] - 0.5) ** 2 - 0.4 * c["bad"] ** 2)
    found = explain(store, "s-23")
    assert found.most_to_blame is not None
    assert found.most_to_blame.name == "bad"
    assert found.most_to_blame.changed > found.most_to_blame.score
    assert found.most_to_blame.changed_chance > found.most_to_blame.chance
    assert {each.name for each in found.blames} == {"good", "bad", "idle"}
    best = found.incumbent
    assert best is not None
    assert explain(store, best.trial_id).most_to_blame is None  # the best one has nothing to answer for


def test_past_sweeps_have_similar_trials_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    both = SearchSpace({"good": Float(0, 1), "bad": Float(0, 1), "idle": Float(0, 1)})
    other = SearchSpace({"elsewhere": Float(0, 1)})
    filled(store, Sweep("old", both, "f1", Mode.MAX, 8, {}, "an old one"), lambda c: c["good"])
    with store.open_sweep(Sweep("unlike", other, "acc", Mode.MAX, 8, {}, "unlike")) as writer:
        writer.start_attempt("unlike-0", {"elsewhere": 0.5})
        writer.record("unlike-0", Measurement(1, 0.5))
    filled(store, Sweep("new", both, "acc", Mode.MAX, 8, {}, "new"), lambda c: c["good"])
    found = explain(store, "new-23")
    assert found.past_relatives[0].trial.trial_id == "old-23"
    assert found.past_relatives[0].distance == 0
    assert {each.sweep.sweep_id for each in found.past_relatives} == {"old"}
    app(["why", str(store.path), "new-23"], standalone_mode=False)
    assert "  old-23 of an old one: f1 0.498" in capsys.readouterr().out


def test_the_store_may_be_left_out(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METAHP_STORE", str(store.path))
    app(["why", "t-bad"], standalone_mode=False)
    assert "t-bad of peaks: stopped" in capsys.readouterr().out
    with pytest.raises(typer.BadParameter, match="a store and one more word, got 3"):
        app(["why", "a", "b", "c"], standalone_mode=False)
