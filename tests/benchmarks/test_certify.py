"""Certified thresholds, tried: what a rule costs is counted rightly, and what is written is what was seen."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.certify import USUAL, acted_rows, evidence_file, table, thresholds
from benchmarks.pruned_sweeps import Pruned, make_pruned, read_pruned
from benchmarks.shadows import Asked, ShadowSweep, _judged, make_shadow, read_shadow
from benchmarks.simulator import Event, Replay
from benchmarks.tasks import load_task
from benchmarks.tolls import below, by_asha, toll
from metahp.policy import Policy
from metahp.prior_evidence import shipped_evidence
from metahp.prior_predictor import PriorPredictor
from metahp.space import Float, SearchSpace
from metahp.sweep_losses import GRID, Watched
from metahp.types import Action, Decision, LearningCurve, Mode, Sweep, Trial, TrialStatus

LATE = Watched(((1, 0.1), (2, 0.2), (3, 0.9)), ((1, 0.16), (2, 0.06)))
EARLY = Watched(((1, 0.3), (2, 0.4), (3, 0.5)), ((1, 0.3),))
BAD = Watched(((1, 0.0), (2, 0.1), (3, 0.1)), ((1, 0.001),))


def sweep(task: str, *trials: Watched) -> ShadowSweep:
    return ShadowSweep(Asked(task, "starter"), trials, tuple(1 for _ in trials))


def test_what_a_rule_costs() -> None:
    own = sweep("lcbench/1", LATE, EARLY, BAD)
    careful, bold = (toll(own.trials, below(threshold)(own)) for threshold in (0.05, 0.2))
    assert (careful.loss, careful.false, careful.epochs) == (0.0, 0.0, pytest.approx(7 / 9))
    assert bold.loss == pytest.approx((0.9 - 0.5) / (0.9 - 0.1))
    assert (bold.false, bold.epochs) == (0.5, pytest.approx(5 / 9))
    assert toll(own.trials, by_asha(own)).epochs == pytest.approx(3 / 9)


def test_a_certificate_stops_short_of_the_thresholds_that_lose_winners() -> None:
    """24 tasks that keep their winner at any threshold, and 24 that lose it where trials are stopped below 7.5 %."""
    kept = [sweep(f"lcbench/{n}", EARLY, BAD) for n in range(24)]
    lost = [sweep(f"taskset/{n}", LATE, EARLY) for n in range(24)]
    head, certified, *rest = table([*kept, *lost])
    row = dict(zip(head, certified, strict=True))
    assert row["certified"] == "in 100% of 200 splits"
    assert row["threshold"] == "0.0500 (0.05 to 0.05)"
    assert row["certificates broken"] == "0% of splits"
    assert row["sweeps that lose their winner"] == "0% ± 0%"
    usual = dict(zip(head, rest[2], strict=True))
    assert usual["rule"] == "store without a past: the usual threshold"
    assert usual["sweeps that lose their winner"].startswith("50% (")


def test_thresholds_are_counted_by_family_and_made_up_tasks_apart() -> None:
    sweeps = [sweep("lcbench/1", LATE, EARLY), sweep("synthetic-late/0", LATE, EARLY), sweep("keras-text/a", EARLY)]
    head, *rows = thresholds(sweeps)
    assert head[1:5] == ["without a past, of 2", "lcbench, of 1", "synthetic, of 1", "keras, of 1"]
    assert [row[1] for row in rows] == ["0" if threshold <= 0.06 else "1" for threshold in GRID]
    assert table(sweeps)[-1][0] == "made-up tasks: ASHA"


def test_the_usual_threshold_is_that_of_the_policy() -> None:
    trials = [Trial(str(n), {"x": n / 9}, LearningCurve.of([(1, n / 9)])) for n in range(9)]
    own = Sweep("s", SearchSpace({"x": Float(0.0, 1.0)}), "m", Mode.MAX, 9)
    assert Policy(PriorPredictor()).decide(own, trials, trials[0]).threshold == pytest.approx(USUAL)


def test_a_shadow_sweep_is_written_and_read_and_becomes_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.shadows.TRIALS", 6)
    asked = Asked("synthetic-plain/0", "starter")
    make_shadow(asked, tmp_path)
    found = read_shadow(asked, tmp_path)
    assert [trial.last_step for trial in found.trials] == [50] * 6
    assert any(trial.chances for trial in found.trials)
    path = tmp_path / "losses.json"
    path.write_text(json.dumps(evidence_file([found])))
    (loss,) = shipped_evidence("starter", path)
    assert (loss.task, loss.losses) == ("synthetic-plain/0", pytest.approx(found.losses.losses, abs=1e-6))
    arguments = ["certify", "--tasks", "synthetic-plain/0", "--jobs", "1", "--out", str(tmp_path)]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code != 0  # made-up tasks alone give no evidence


def test_rules_are_asked_about_the_trials_that_had_begun_and_know_which_had_ended() -> None:
    shown: list[list[str]] = []

    class Asks(Policy):
        def decide(self, sweep: Sweep, trials: Sequence[Trial], trial: Trial) -> Decision:
            shown.append([own.trial_id for own in trials if own.status is TrialStatus.RUNNING])
            return Decision(Action.CONTINUE, "")

    task = load_task("synthetic-plain/0")
    told = [(0, 1, "CONTINUE"), (1, 50, "CONTINUE"), (4, 1, "CONTINUE"), (2, 0, "ERROR"), (5, 1, "CONTINUE")]
    events = tuple(Event(0.0, trial, step, 0.5, decision, 0.0) for trial, step, decision in told)
    configs = tuple(task.space.sample(np.random.default_rng(n)) for n in range(8))
    judged = _judged(task, Replay(task.name, configs, (), events, stalled=False), Asks(PriorPredictor()))
    assert ["".join(own) for own in shown] == ["0123", "0123", "0234", "0345"]
    assert [len(each["scores"]) for each in judged] == [1, 1, 0, 0, 1, 1, 0, 0]


def test_a_pruned_sweep_is_held_against_whole_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.pruned_sweeps.TRIALS", 8)
    wanted = Pruned(Asked("synthetic-plain/0", "starter"), 0.3)
    make_pruned(wanted, tmp_path)
    trials = json.loads((tmp_path / wanted.path).read_text())["trials"]
    stops = [each["stopped_at"] or 50 for each in trials]
    assert [len(each["scores"]) for each in trials] == [50] * 8
    assert min(stops) < 50
    paid = read_pruned(wanted, tmp_path)
    assert paid.epochs == pytest.approx(sum(stops) / 400)
    assert paid.loss >= 0.0
    rows = acted_rows([sweep("synthetic-plain/0", LATE, EARLY)], {wanted.asked: paid})
    assert [row[0].split()[-1] for row in rows] == ["thought", "deed"]


@pytest.mark.slow
def test_the_command_writes_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.shadows.TRIALS", 5)
    tasks = "keras-text/numbers,synthetic-plain/0"
    answer = CliRunner().invoke(app, ["certify", "--tasks", tasks, "--jobs", "1", "--out", str(tmp_path)])
    assert answer.exit_code == 0, answer.output
    _, *rows = csv.reader((tmp_path / "certify.csv").open())
    assert [row[0] for row in rows][-1] == "made-up tasks: ASHA"
    assert "1 sweeps of 1 recorded tasks and 1 of made-up ones" in (tmp_path / "certify.md").read_text()
