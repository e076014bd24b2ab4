"""Decisions to stop: carried out, sampled, only written down, or left to ASHA."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metahp import halving
from metahp.audit import Audit, audit, wilson
from metahp.errors import RecordError
from metahp.gate import Gate, chance_of_so_few, past_hits
from metahp.pruning import Prune, Pruner, Pruning
from metahp.space import Float, SearchSpace
from metahp.store import Store
from metahp.types import (
    Action,
    Decision,
    Forecast,
    LearningCurve,
    MadeDecision,
    Measurement,
    Mode,
    Sweep,
    SweepHistory,
    Trial,
    TrialStatus,
)

SWEEP = Sweep("s", SearchSpace({"x": Float(0.0, 1.0)}), "acc", Mode.MAX, 10)
Make = Callable[..., Trial]


class Says:
    """A policy that always decides the same."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision

    def decide(self, sweep: Sweep, trials: Sequence[Trial], trial: Trial) -> Decision:
        return self.decision


STOP = Says(Decision(Action.STOP, "lost", 0.01, 0.1, Forecast(10, 0.5, 0.1)))


def trial_at(number: int, values: Sequence[float], status: TrialStatus = TrialStatus.RUNNING) -> Trial:
    return Trial(f"t{number}", {"x": number / 1000}, LearningCurve.of(list(enumerate(values, 1))), status)


def decided(pruning: Pruning, count: int = 500, seed: int = 0) -> list[Decision]:
    pruner = Pruner(pruning, seed)
    return [pruner.decide(STOP, SWEEP, [], trial_at(n, [0.1])) for n in range(count)]  # type: ignore[arg-type]


def test_the_audit_spares_its_share_and_writes_the_chance_down() -> None:
    found = decided(Pruning("on", audit=0.1))
    assert 30 <= sum(not decision.stops for decision in found) <= 75
    assert {decision.propensity for decision in found} == {0.9}
    assert {decision.action for decision in found} == {Action.STOP}
    assert [d.carried_out for d in found] == [d.carried_out for d in decided(Pruning("on", audit=0.1))]
    assert [d.carried_out for d in found] != [d.carried_out for d in decided(Pruning("on", audit=0.1), seed=1)]


def test_a_spared_trial_stays_spared() -> None:
    pruner = Pruner(Pruning("on", audit=0.3), 0)
    for number in range(50):
        found = {pruner.decide(STOP, SWEEP, [], trial_at(number, [0.1] * n)).stops for n in (1, 2, 3)}  # type: ignore[arg-type]
        assert len(found) == 1


def test_shadow_decides_and_never_acts() -> None:
    found = decided(Pruning("shadow"))
    assert {(decision.action, decision.stops, decision.propensity) for decision in found} == {(Action.STOP, False, 0.0)}


def test_off_decides_nothing() -> None:
    assert {decision.action for decision in decided(Pruning(Prune.OFF))} == {Action.CONTINUE}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"mode": "sometimes"}, "prune is one of on, gated, shadow, off, got 'sometimes'"),
        ({"max_false_prunes": 1.5}, "max_false_prunes is a share"),
        ({"audit": -0.1}, "audit is a share"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(RecordError, match=said):
        Pruning(**wrong)  # type: ignore[arg-type]


def outcomes(actual: float, count: int, first: int = 0) -> list[Trial]:
    return [trial_at(n, [actual] * 10, TrialStatus.COMPLETED) for n in range(first, first + count)]


def test_the_gate_closes_when_forecasts_fail_and_opens_when_they_hold_again() -> None:
    gate, forecast = Gate(), Decision(Action.CONTINUE, "", 0.5, 0.1, Forecast(10, 0.5, 0.1))
    for number in range(40):
        gate.foretold(MadeDecision(f"t{number}", 1, forecast))
    bad, good = outcomes(0.9, 6), outcomes(0.55, 30, first=6)
    gate.look_at(bad[:1], SWEEP)
    assert gate.is_open  # one miss proves nothing
    gate.look_at(bad, SWEEP)
    assert not gate.is_open
    gate.look_at([*bad, *good], SWEEP)
    assert gate.is_open


def test_a_new_sweep_begins_with_what_came_of_past_forecasts_and_forgets_them_by_its_own() -> None:
    gate, forecast = Gate(), Decision(Action.CONTINUE, "", 0.5, 0.1, Forecast(10, 0.5, 0.1))
    gate.remember([False] * 20)
    gate.look_at([], SWEEP)
    assert not gate.is_open
    for number in range(20):
        gate.foretold(MadeDecision(f"t{number}", 1, forecast))
    gate.look_at(outcomes(0.55, 10), SWEEP)
    assert not gate.is_open  # ten misses of twenty are left
    gate.look_at(outcomes(0.55, 17), SWEEP)
    assert gate.is_open


def stored(store: Store, sweep: Sweep, values: Sequence[float]) -> None:
    with store.open_sweep(sweep) as writer:
        for number, value in enumerate(values):
            writer.start_attempt(f"t{number}", {"x": 0.5})
            writer.record_decision(MadeDecision(f"t{number}", 1, STOP.decision))
            writer.record(f"t{number}", Measurement(10, value))


def test_only_past_sweeps_like_this_one_are_remembered_the_newest_first(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    stored(store, replace(SWEEP, sweep_id="1"), [0.5, 0.9])
    stored(store, replace(SWEEP, sweep_id="2"), [0.9, 0.9])
    stored(store, replace(SWEEP, sweep_id="3", metric="loss"), [0.5])
    stored(store, replace(SWEEP, sweep_id="4", space=SearchSpace({"z": Float(0.0, 1.0)})), [0.5])
    assert past_hits(store, SWEEP) == [False, False, False, True]
    assert past_hits(store, replace(SWEEP, sweep_id="2")) == [False, True]
    stored(store, replace(SWEEP, sweep_id="5"), [0.5] * 30)
    assert past_hits(store, SWEEP) == [True] * 20


def test_the_gate_looks_at_the_end_of_a_long_sweep_alone() -> None:
    gate, forecast = Gate(), Decision(Action.CONTINUE, "", 0.5, 0.1, Forecast(10, 0.5, 0.1))
    for number in range(20):
        gate.foretold(MadeDecision(f"t{number}", 1, forecast))
    never_looked_at: list[Trial] = [None] * 1000  # type: ignore[list-item]
    gate.look_at([*never_looked_at, *outcomes(0.9, 20)], SWEEP)
    assert not gate.is_open


def test_an_honest_predictor_keeps_the_gate_open() -> None:
    rng, closed = np.random.default_rng(0), 0
    for _ in range(200):
        gate, trials = Gate(), []
        for number in range(20):
            forecast = Forecast(10, float(rng.normal()), 0.1)
            gate.foretold(MadeDecision(f"t{number}", 1, Decision(Action.CONTINUE, forecast=forecast)))
            trials.append(trial_at(number, [float(rng.normal(forecast.mean, 0.1))] * 10))
        gate.look_at(trials, SWEEP)
        closed += not gate.is_open
    assert closed <= 10  # 2 % of the times by its definition


def test_behind_a_closed_gate_asha_decides() -> None:
    pruner = Pruner(Pruning("gated", audit=0.0), 0)
    for number in range(6):
        pruner.decide(STOP, SWEEP, [], trial_at(number, [0.4]))  # type: ignore[arg-type]
    trials = outcomes(0.9, 6)
    best, worst = trial_at(10, [0.95]), trial_at(11, [0.1])
    good, bad = (pruner.decide(STOP, SWEEP, [*trials, best, worst], own) for own in (best, worst))  # type: ignore[arg-type]
    assert not pruner.is_open
    assert (good.action, bad.action) == (Action.CONTINUE, Action.STOP)
    assert "ASHA" in bad.reason
    successor = Pruner(Pruning("gated", audit=0.0), 0)  # of a driver that died
    successor.recall(MadeDecision(f"t{number}", 1, STOP.decision) for number in range(6))
    assert "ASHA" in successor.decide(STOP, SWEEP, [*trials, best, worst], worst).reason  # type: ignore[arg-type]
    on = Pruner(Pruning("on", audit=0.0), 0)
    assert on.decide(STOP, SWEEP, [*trials, best], best).stops  # type: ignore[arg-type]


def test_asha_keeps_the_best_third_at_each_rung() -> None:
    trials = [trial_at(n, [n / 10] * 3) for n in range(9)]
    at_rung = [halving.decide(SWEEP, trials, trial).action for trial in trials]
    assert at_rung == [Action.STOP] * 6 + [Action.CONTINUE] * 3
    between = trial_at(0, [0.0] * 2)
    assert halving.decide(SWEEP, [*trials[1:], between], between).action is Action.CONTINUE
    diverged = trial_at(0, [math.nan])
    assert halving.decide(SWEEP, [*trials, diverged], diverged).action is Action.STOP


def made(trial: Trial, step: int, *, carried_out: bool, propensity: float = 0.9) -> MadeDecision:
    decision = Decision(Action.STOP, "lost", 0.01, 0.1, None, propensity, carried_out)
    return MadeDecision(trial.trial_id, step, decision)


def test_an_audit_counts_winners_savings_and_costs() -> None:
    best, full = trial_at(0, [0.5] * 10, TrialStatus.COMPLETED), TrialStatus.COMPLETED
    stopped = [trial_at(n, [0.1] * 2, TrialStatus.STOPPED) for n in (1, 2, 3)]
    winner, loser = trial_at(4, [0.2] * 9 + [0.7], full), trial_at(5, [0.2] * 10, full)
    running = trial_at(6, [0.3] * 4)
    decisions = [
        *(made(trial, 2, carried_out=True) for trial in stopped),
        made(winner, 3, carried_out=False),
        made(winner, 5, carried_out=False),  # the first one counts
        made(loser, 2, carried_out=False),
        made(running, 3, carried_out=False),
        made(best, 10, carried_out=True),  # fully trained, not cut short
    ]
    found = audit(SweepHistory(SWEEP, (best, *stopped, winner, loser, running)), decisions)
    assert (found.condemned, found.stopped, len(found.spared), len(found.judged)) == (6, 3, 3, 2)
    assert [each.trial_id for each in found.winners] == ["t4"]
    assert found.winners[0].gain == pytest.approx(0.2)
    assert found.winners[0].weight == pytest.approx(10)
    assert found.false_prune_rate == pytest.approx(0.5)
    assert found.mean_gain == pytest.approx(0.1)
    assert (found.epochs_saved, found.epochs_spent) == (24, 7 + 8 + 1)
    low, high = found.interval()
    assert 0 < low < 0.5 < high < 1


def test_audits_add_up_and_an_empty_one_knows_nothing() -> None:
    assert math.isnan(Audit().false_prune_rate)
    assert Audit().interval() == (0.0, 1.0)
    one = audit(SweepHistory(SWEEP, (trial_at(1, [0.1]),)), [made(trial_at(1, [0.1]), 1, carried_out=True)])
    assert (one + one).condemned == 2
    assert (one + one).epochs_saved == 18


def test_the_estimate_is_right_on_average() -> None:
    """Over many sweeps the sampled share of winners is the true one, and its intervals hold it."""
    rng, truth, inside, rates = np.random.default_rng(0), 0.2, 0, []
    for _ in range(200):
        wins = rng.random(400) < truth
        spared = [wins[n] for n in np.flatnonzero(rng.random(400) < 0.2)]
        rates.append(sum(spared) / len(spared))
        low, high = wilson(rates[-1], len(spared), 0.9)
        inside += low <= truth <= high
    assert np.mean(rates) == pytest.approx(truth, abs=0.01)
    assert inside >= 170


def test_few_hits_are_unlikely() -> None:
    assert chance_of_so_few(0, 0, 0.8) == 1.0
    assert chance_of_so_few(3, 3, 0.8) == pytest.approx(1.0)
    assert chance_of_so_few(0, 3, 0.8) == pytest.approx(0.008)
