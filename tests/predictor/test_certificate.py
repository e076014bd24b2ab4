"""Thresholds that keep their word: the arithmetic, that it holds for sweeps drawn at random, and whose sweeps count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metahp.certificate import certificate, evidence_of, evidence_of_store, least_tasks
from metahp.errors import RecordError, StoreError
from metahp.prior_evidence import FRESH, PAST, certified, shipped_evidence
from metahp.space import Float, SearchSpace
from metahp.store import Store
from metahp.store.rows import TrialEvent
from metahp.sweep_losses import GRID, SweepLosses, Watched, loss_by, losses_of
from metahp.types import Action, Decision, LearningCurve, MadeDecision, Measurement, Mode, Sweep, SweepHistory, Trial
from metahp.types import TrialStatus as Status

KEPT = (0.0,) * len(GRID)


def sweeps(count: int, losses: tuple[float, ...] = KEPT, name: str = "kept") -> list[SweepLosses]:
    return [SweepLosses(f"{name} {number}", losses) for number in range(count)]


def lost_from(threshold: float, by: float = 0.1) -> tuple[float, ...]:
    return tuple(by * (each >= threshold) for each in GRID)


def test_nothing_is_certified_by_nothing() -> None:
    found = certificate([], 0.1, 0.9)
    assert not found.is_certified
    assert found.threshold == GRID[0]
    assert "too little is known" in str(found)


@pytest.mark.parametrize(("lost", "needed"), [(0, 22), (1, 38), (2, 52), (3, 65)])
def test_ten_percent_take_so_many_tasks(lost: int, needed: int) -> None:
    """The exact binomial table."""
    losing = sweeps(lost, lost_from(0.0), "lost")
    assert not certificate([*losing, *sweeps(needed - 1 - lost)], 0.1, 0.9).is_certified
    found = certificate([*losing, *sweeps(needed - lost)], 0.1, 0.9)
    assert found.is_certified
    assert (found.threshold, found.tasks, found.lost) == (GRID[-1], needed, lost)


def test_the_least_number_of_tasks() -> None:
    assert (least_tasks(0.1, 0.9), least_tasks(0.05, 0.9), least_tasks(0.2, 0.9)) == (22, 45, 11)


def test_the_boldest_threshold_that_holds_is_taken_and_the_first_that_fails_ends_it() -> None:
    found = certificate([*sweeps(40), *sweeps(10, lost_from(0.15), "bold")], 0.1, 0.9)
    assert found.threshold == 0.125
    assert "at most 10% of sweeps like these lose their winner, with confidence 90%; 0 of 50 tasks" in str(found)


def test_many_sweeps_of_one_task_are_one_piece_of_evidence() -> None:
    same = [SweepLosses("one task", KEPT) for _ in range(100)]
    assert not certificate(same, 0.1, 0.9).is_certified
    assert certificate([*same, SweepLosses("one task", lost_from(0.0))], 0.1, 0.9).lost == 1


def test_small_losses_count_unless_that_was_agreed_on_before() -> None:
    evidence = sweeps(30, lost_from(0.05, by=0.004))
    assert certificate(evidence, 0.1, 0.9).threshold == 0.025
    assert certificate(evidence, 0.1, 0.9, margin=0.005).threshold == GRID[-1]


@given(st.lists(st.integers(0, len(GRID))), st.floats(0.01, 0.5), st.floats(0.5, 0.99))
def test_any_evidence_gives_a_threshold_of_the_grid(kept: list[int], allowed: float, confidence: float) -> None:
    evidence = [SweepLosses(str(n), (0.0,) * k + (1.0,) * (len(GRID) - k)) for n, k in enumerate(kept)]
    found = certificate(evidence, allowed, confidence)
    assert found.threshold in GRID
    assert 0 <= found.lost <= found.tasks == len(kept)


def test_the_promise_is_kept_in_nine_of_ten_stores() -> None:
    """A sweep loses its winner with a chance of 0.8 times the threshold: 12.5 % is the boldest that is right."""
    rng, broken, promised = np.random.default_rng(0), 0, 0
    for _ in range(400):
        first = rng.uniform(0.0, 1.0, 60) / 0.8
        found = certificate([SweepLosses(str(n), lost_from(own)) for n, own in enumerate(first)], 0.1, 0.9)
        promised += found.is_certified
        broken += found.is_certified and 0.8 * found.threshold > 0.1 + 1e-9
    assert promised > 300
    assert broken <= 0.1 * 400


def test_losses_that_cannot_be_are_refused() -> None:
    with pytest.raises(RecordError, match="one loss for each of 16 thresholds, got 1"):
        SweepLosses("a", (0.0,))
    with pytest.raises(RecordError, match="losses grow with the threshold"):
        SweepLosses("a", tuple(reversed(lost_from(0.1))))


WINNER = Watched(((1, 0.1), (2, 0.2), (3, 0.9)), ((1, 0.16), (2, 0.06)))
OTHER = Watched(((1, 0.3), (2, 0.4), (3, 0.5)), ((1, 0.3),))


def test_a_winner_is_lost_from_the_threshold_on_that_stops_it_too_early() -> None:
    losses = losses_of([WINNER, OTHER])
    assert [loss > 0 for loss in losses] == [threshold > 0.06 for threshold in GRID]
    assert losses[-1] == pytest.approx((0.9 - 0.5) / (0.9 - 0.2))


def test_what_a_stopped_trial_had_shown_is_not_lost_and_a_tie_is_no_loss() -> None:
    assert loss_by([WINNER, OTHER], [3, 1]) == 0.0
    twin = replace(WINNER, chances=())
    assert losses_of([WINNER, twin]) == KEPT
    assert loss_by([Watched((), ())], [None]) == 0.0


SWEEP = Sweep("s", SearchSpace({"x": Float(0.0, 1.0)}), "m", Mode.MAX, 3)


def trial(name: str, *values: float, status: Status = Status.COMPLETED) -> Trial:
    return Trial(name, {"x": 0.5}, LearningCurve.of(list(enumerate(values, 1))), status)


def made(trial_id: str, step: int, chance: float, *, propensity: float = 0.0) -> MadeDecision:
    action = Action.STOP if chance < 0.2 else Action.CONTINUE
    return MadeDecision(trial_id, step, Decision(action, "", chance, 0.2, None, propensity, carried_out=propensity > 0))


COMPLETE = SweepHistory(SWEEP, (trial("a", 0.1, 0.2, 0.9), trial("b", 0.3, 0.4, 0.5)))
SHADOW = [made("a", 1, 0.16), made("a", 2, 0.06), made("b", 1, 0.3)]


def test_a_shadow_sweep_is_evidence_of_every_threshold() -> None:
    (found,) = evidence_of(COMPLETE, SHADOW)
    assert found.losses == losses_of([WINNER, OTHER])


def test_a_loss_to_be_minimised_is_turned_round() -> None:
    upside = SweepHistory(replace(SWEEP, mode=Mode.MIN), (trial("a", -0.1, -0.2, -0.9), trial("b", -0.3, -0.4, -0.5)))
    (found,) = evidence_of(upside, SHADOW)
    assert found.losses == pytest.approx(losses_of([WINNER, OTHER]))


def test_sweeps_that_stopped_somebody_or_are_not_over_say_nothing() -> None:
    acted = [*SHADOW[:2], made("b", 1, 0.1, propensity=0.96)]
    running = SweepHistory(SWEEP, (COMPLETE.trials[0], trial("b", 0.3, status=Status.RUNNING)))
    cut = SweepHistory(SWEEP, (COMPLETE.trials[0], trial("b", 0.3, status=Status.STOPPED)))
    assert evidence_of(COMPLETE, acted) == []
    assert evidence_of(COMPLETE, SHADOW[2:]) == []  # whether it would have stopped anybody is not known
    assert evidence_of(running, SHADOW) == evidence_of(cut, SHADOW) == []


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", spool_dir=tmp_path / "spool")


def record(store: Store, sweep: Sweep) -> None:
    with store.open_sweep(sweep) as writer:
        for each in COMPLETE.trials:
            writer.start_attempt(each.trial_id, each.config)
            for step, value in zip(each.curve.steps, each.curve.values, strict=True):
                writer.record(each.trial_id, Measurement(int(step), float(value)))
            for own in SHADOW:
                if own.trial_id == each.trial_id:
                    writer.record_decision(own)
            writer.record_event(each.trial_id, TrialEvent.COMPLETED)


def test_a_store_speaks_of_sweeps_like_the_one_to_come(store: Store) -> None:
    record(store, replace(SWEEP, sweep_id="1", task={"kind": "image"}))
    record(store, replace(SWEEP, sweep_id="2", metric="another"))
    record(store, replace(SWEEP, sweep_id="3", space=SearchSpace({"y": Float(0.0, 1.0)})))
    assert len(evidence_of_store(store)) == 3
    (found,) = evidence_of_store(store, SWEEP)
    assert found.losses == losses_of([WINNER, OTHER])
    assert "image" in found.task
    assert evidence_of_store(store, replace(SWEEP, sweep_id="1")) == []  # itself


def test_what_ships_speaks_until_the_store_holds_enough_tasks(store: Store) -> None:
    assert "MetaHP's own sweeps" in str(certified(store, SWEEP, 0.1, 0.9))
    assert certified(None, None, 0.1, 0.9) == certified(store, SWEEP, 0.1, 0.9)
    for number in range(least_tasks(0.3, 0.9)):
        record(store, replace(SWEEP, sweep_id=str(number), task={"number": number}))
    found = certified(store, replace(SWEEP, sweep_id="next"), 0.3, 0.9)
    assert (found.source, found.tasks, found.threshold) == ("the store", 7, 0.05)


def test_a_store_with_a_past_goes_by_sweeps_that_had_one(store: Store) -> None:
    for number in range(7):
        assert certified(store, SWEEP, 0.1, 0.9).source.endswith("without a past")
        with store.open_sweep(replace(SWEEP, sweep_id=f"empty {number}")):
            pass
        for twin in "ab":
            record(store, replace(SWEEP, sweep_id=f"past {number}{twin}", name=f"task {number}"))
    assert certified(store, SWEEP, 0.1, 0.9).source.endswith("with a past")
    assert certified(store, SWEEP, 0.1, 0.9).tasks == len(shipped_evidence(PAST))


@pytest.mark.parametrize("history", [FRESH, PAST])
def test_what_ships_is_enough_to_certify_a_tenth(history: str) -> None:
    evidence = shipped_evidence(history)
    assert len({each.task for each in evidence}) >= least_tasks(0.1, 0.9)
    assert certificate(evidence, 0.1, 0.9).is_certified


def test_damaged_evidence_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "losses.json"
    with pytest.raises(StoreError, match="install MetaHP anew"):
        shipped_evidence(FRESH, path)
    path.write_text('{"thresholds": [0.5], "sweeps": []}')
    with pytest.raises(StoreError, match="other thresholds"):
        shipped_evidence(FRESH, path)
