"""What audit and report say of sweeps that are in a store: shadow mode, forecasts, the gate, promises, damage."""

import html
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from metahp.audit import audit
from metahp.coverage import Coverage, coverage
from metahp.errors import StoreError
from metahp.space import Float, SearchSpace
from metahp.store import Store, SweepWriter, TrialEvent
from metahp.types import Action, Decision, Forecast, MadeDecision, Measurement, Mode, Sweep
from metahp_cluster.audit_text import forecasts_told
from metahp_cluster.cli import app

SWEEP = Sweep("0195-shadow", SearchSpace({"x": Float(0, 1)}), "acc", Mode.MAX, 8, {}, "shadows")
FINAL = {"best": 0.9, "winner": 0.95, "loser": 0.5}


def stop(name: str, propensity: float) -> MadeDecision:
    why = Decision(Action.STOP, "chance is 1%", 0.01, 0.2, Forecast(8, 0.6, 0.1), propensity, carried_out=False)
    return MadeDecision(name, 3, why)


def run(store: Store, propensity: float) -> None:
    """Three trials of 8 epochs; two were to be stopped after the third and ran on, one of them to win."""
    with store.open_sweep(SWEEP) as writer:
        for name, final in FINAL.items():
            writer.start_attempt(name, {"x": final})
            for step in range(1, 9):
                writer.record(name, Measurement(step, final * step / 8))
                if step == 3 and name != "best":
                    writer.record_decision(stop(name, propensity))
            writer.record_event(name, TrialEvent.COMPLETED)


@pytest.fixture
def shadow(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    run(store, 0.0)
    return store


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    capsys.readouterr()
    app(list(words), standalone_mode=False)
    out, err = capsys.readouterr()
    return out, err


def test_shadow_mode_says_whom_it_would_have_ended(shadow: Store, capsys: pytest.CaptureFixture[str]) -> None:
    text, _ = said(capsys, "audit", str(shadow.path))
    assert "2 trials were to be stopped: 0 were, 2 in shadow mode, which stops nobody" in text
    assert "stopping would have saved 10 of 24 epochs (42%) and ended:" in text
    assert "winner after epoch 3; it came to 0.95 by epoch 8, rank 1, the winner by 0.05" in text
    assert "loser after epoch 3; it came to 0.5 by epoch 8, rank 3\n" in text
    told = json.loads(said(capsys, "audit", str(shadow.path), "--json")[0])
    assert told["shadow"] == {"would_stop": 2, "would_save": 10, "of_epochs": 24, "winners": ["winner"]}


def test_a_sample_is_no_shadow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    run(store, 0.96)
    text, _ = said(capsys, "audit", str(store.path))
    assert "2 trials were to be stopped: 0 were, 2 ran on as a sample" in text
    assert "shadow mode" not in text


def test_a_trial_whose_curve_was_lost_is_not_judged(shadow: Store) -> None:
    history, decisions = shadow.history(SWEEP.sweep_id), shadow.decisions(SWEEP.sweep_id)
    assert len(audit(history, decisions).judged) == 2
    for known in (0, 2):  # less than what the decision rested on
        torn = [
            replace(own, curve=own.curve.until(known)) if own.trial_id == "loser" else own for own in history.trials
        ]
        found = audit(replace(history, trials=tuple(torn)), decisions)
        assert [each.trial_id for each in found.judged] == ["winner"]
        assert found.condemned == 2


def test_coverage_and_gate_are_said(shadow: Store) -> None:
    found = coverage(shadow.history(SWEEP.sweep_id), shadow.decisions(SWEEP.sweep_id))
    assert found == Coverage(settled=2, in_half=0, in_most=1, by_asha=0, is_open=True)  # 0.5 and 0.95, foretold 0.6
    assert list(forecasts_told(found)) == [
        "of 2 forecasts of final scores, 0% lay in their 50 % intervals and 50% in their 80 % intervals",
        "the gate is open: forecasts come true",
    ]
    closed = replace(found, is_open=False, by_asha=3)
    state, left = list(forecasts_told(closed))[1:]
    assert state.startswith("the gate is closed: too few forecasts come true; ASHA decides")
    assert left == "3 decisions were not the predictor's, while it was closed"
    assert (found + found).is_open is None


def test_the_report_has_gate_certificate_and_coverage(
    shadow: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    for words in (["--sweep", "0195"], ["--all"]):
        said(capsys, "report", str(shadow.path), "--output", str(page), *words)
        text = page.read_text()
        assert "in their 80 % intervals" in text
        assert "tasks of MetaHP's own sweeps" in html.unescape(text)
        assert "winner after epoch 3" in text
        assert ("the gate is open" in text) == (words == ["--sweep", "0195"])


def test_a_sweep_is_named_by_its_name_or_a_clear_beginning_of_its_id(
    running: tuple[Store, SweepWriter], tmp_path: Path
) -> None:
    store, page = str(running[0].path), str(tmp_path / "page.html")
    for command in (["report", store, "--output", page], ["audit", store]):
        app([*command, "--sweep", "s-1"], standalone_mode=False)
        app([*command, "--sweep", "an earlier one"], standalone_mode=False)
        with pytest.raises(StoreError, match=r"2 sweeps of .* begin with 's-' \(s-0, s-1\)"):
            app([*command, "--sweep", "s-"], standalone_mode=False)


@pytest.mark.parametrize("command", ["advise", "audit", "why", "report"])
def test_damage_is_said_as_long_as_it_lasts(
    command: str, running: tuple[Store, SweepWriter], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = shutil.copytree(running[0].path, tmp_path / "copy")
    sorted(store.rglob("results*/**/*.parquet"))[0].write_bytes(b"no parquet")
    more = {"why": ["t-0003"], "report": ["--output", str(tmp_path / "page.html")]}.get(command, [])
    for _ in range(2):
        _, err = said(capsys, command, str(store), *more)
        warnings = [line for line in err.splitlines() if line.startswith("metahp: warning: ")]
        assert len(warnings) == 1
        assert "rows of" in warnings[0]
    app(["store", "check", str(store), "--accept-holes"], standalone_mode=False)
    _, err = said(capsys, command, str(store), *more)
    assert "warning" not in err
