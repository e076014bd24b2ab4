"""What a sweep is expected to cost and find, what to do with a running one, and how such forecasts are settled."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from metahp.advice import Advice, pressed, verdict
from metahp.keras_predictor import KerasPredictor
from metahp.outlook import Outlook, outlook, seconds_per_epoch
from metahp.prior_predictor import PriorPredictor
from metahp.space import Float, SearchSpace
from metahp.store import Store, TrialEvent
from metahp.store.forecasts import SweepForecast
from metahp.store.shares import TrialShare
from metahp.store.spool import uuid7
from metahp.track_record import track_record
from metahp.types import LearningCurve, Measurement, Mode, Sweep, Trial, TrialStatus
from metahp_cluster.plan_cli import advise, plan
from metahp_cluster.plan_text import as_data, planned, target_data

SPACE = SearchSpace({"lr": Float(1e-4, 1e-1, log=True), "x": Float(0.0, 1.0)})


def ended(number: int, lr: float, x: float, score: float, steps: int = 9) -> Trial:
    points = [(step, score * (1 - 0.5 / step), 2.0 * step) for step in range(1, steps + 1)]
    return Trial(f"t{number}", {"lr": lr, "x": x}, LearningCurve.of(points), TrialStatus.STOPPED)


def flat_sweep(count: int = 12) -> tuple[Sweep, list[Trial]]:
    rng = np.random.default_rng(0)
    trials = [ended(n, 10 ** rng.uniform(-4, -1), rng.random(), 0.9 + 1e-4 * rng.random()) for n in range(count)]
    return Sweep("s", SPACE, "accuracy", Mode.MAX, 9), trials


def test_more_trials_cost_more_and_find_no_less(learned: KerasPredictor, toy_task: Callable[..., Any]) -> None:
    ahead = outlook(learned, toy_task(20).sweep("new"), [], 30)
    epochs, gains = ahead.gains()
    assert (np.diff(ahead.epochs, axis=1) >= 1).all()
    assert (np.diff(ahead.best, axis=1) >= 0).all()
    assert ahead.knows_metric
    assert epochs[-1] < 30 * 27 / 2  # halving has stopped most of them
    assert math.isnan(ahead.now)
    assert np.isnan(gains).all()


def test_what_is_forecast_comes_true(learned: KerasPredictor, toy_task: Callable[..., Any]) -> None:
    """The best of 20 good configurations of an unseen task lies in the band, more often than not."""
    inside = 0
    for number in range(20, 28):
        task = toy_task(number)
        ahead = outlook(learned, task.sweep("new"), [], 20, seed=number)
        rng = np.random.default_rng(number)
        best = max(task.final(task.space.sample(rng)) for _ in range(60))
        inside += ahead.final(0.1) <= best <= ahead.final(0.9)
    assert inside >= 5


def test_a_loss_is_forecast_from_high_to_low(learned: KerasPredictor) -> None:
    sweep = Sweep("s", SPACE, "loss", Mode.MIN, 9)
    trials = [ended(n, 1e-3, n / 10, 1.0 + n / 10) for n in range(5)]
    ahead = outlook(PriorPredictor(), sweep, trials, 10)
    assert ahead.final(0.9) <= ahead.final(0.1) <= ahead.now
    assert (ahead.epochs_to(-1e9) == np.inf).all()
    assert (ahead.epochs_to(ahead.now) <= 9).all()


def test_the_same_seed_sees_the_same_worlds(learned: KerasPredictor, toy_task: Callable[..., Any]) -> None:
    one, two = (outlook(learned, toy_task(20).sweep("new"), [], 5, seed=3, worlds=10) for _ in range(2))
    assert np.array_equal(one.best, two.best)


def test_trials_that_only_failed_are_no_obstacle() -> None:
    sweep = Sweep("s", SPACE, "loss", Mode.MIN, 9)
    failed = [Trial(f"t{n}", {"lr": 1e-2, "x": n / 9}, LearningCurve.of([(1, math.nan)])) for n in range(3)]
    ahead = outlook(PriorPredictor(), sweep, failed, 4)
    assert np.isfinite(ahead.best).all()


def test_a_sweep_that_is_all_flat_is_to_be_stopped() -> None:
    sweep, trials = flat_sweep()
    ahead = Outlook(sweep, np.full((3, 1), 9.0), np.full((3, 1), 0.9001), 0.9, True)
    assert verdict(ahead, trials).advice is Advice.STOP
    better = replace(ahead, best=np.full((3, 1), 0.99))
    assert verdict(better, trials).advice is Advice.CONTINUE


def test_an_edge_that_the_best_press_against_is_named() -> None:
    sweep, trials = flat_sweep()
    best = [ended(100 + n, 0.095 + 0.001 * n, 0.5, 0.99) for n in range(4)]
    (edge,) = pressed(sweep, [*trials, *best])
    assert (edge.name, edge.bound, edge.leaders) == ("lr", 0.1, 4)
    assert edge.suggested == pytest.approx(0.1 * 10**0.75)
    assert pressed(sweep, trials) == ()


def test_seconds_are_those_of_trials_that_told() -> None:
    silent = Trial("t", {"lr": 1e-2, "x": 0.1}, LearningCurve.of([(1, 0.5)]))
    assert seconds_per_epoch([silent, ended(0, 1e-2, 0.1, 0.5)]) == 2.0
    assert math.isnan(seconds_per_epoch([silent]))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", spool_dir=tmp_path / "spool")


def run(store: Store, scores: list[float]) -> str:
    """A sweep of the store that is over, by its id."""
    sweep = Sweep(str(uuid7()), SPACE, "accuracy", Mode.MAX, 9, name="digits")
    with store.open_sweep(sweep) as writer:
        for number, score in enumerate(scores):
            writer.start_attempt(f"t{number}", {"lr": 1e-3, "x": number / 10})
            for step, value in ((1, score / 2), (9, score)):
                writer.record(f"t{number}", Measurement(step, value, float(step)))
            writer.record_event(f"t{number}", TrialEvent.COMPLETED)
    return sweep.sweep_id


def forecast(sweep_id: str | None, low: float, high: float, **changed: Any) -> SweepForecast:
    made = SweepForecast("plan", time.time() - 9, sweep_id, "digits", "accuracy", 0, 18.0, low, (low + high) / 2, high)
    return replace(made, **changed)


def test_forecasts_are_settled_by_what_happened(store: Store) -> None:
    early = forecast(None, 0.5, 0.95)
    store.forecasts.add(early)
    assert track_record(store).settled == 0
    sweep_id = run(store, [0.7, 0.9])
    store.forecasts.add(forecast(sweep_id, 0.95, 0.99))
    store.forecasts.add(forecast("another", 0.0, 1.0))
    store.forecasts.add(forecast(None, 0.0, 1.0, made_at=time.time() + 999))
    store.forecasts.add(forecast(sweep_id, 0.0, 1.0, metric="loss"))
    record = track_record(store)
    assert (record.made, record.settled, record.inside, record.worse) == (5, 2, 1, 1)
    assert store.forecasts.all()[0] == early


def test_the_cost_is_settled_when_the_trials_are_over(store: Store) -> None:
    """Two trials of 9 epochs; each of them takes nine seconds, on two devices."""
    silent = replace(forecast(None, 0.0, 1.0), low=None, middle=None, high=None)
    right = replace(silent, trials=2, epochs_low=15.0, epochs_high=20.0, hours_low=0.009, hours_high=0.011)
    for made in (right, replace(right, epochs_high=17.0, hours_high=0.0099), replace(right, trials=3)):
        store.forecasts.add(made)
    sweep_id = run(store, [0.7, 0.9])
    store.shares.note(sweep_id, TrialShare(2.0, "GPU-hours"))
    record = track_record(store)
    assert (record.made, record.settled) == (3, 0)  # no score was foretold
    assert (record.epochs_settled, record.epochs_inside) == (2, 1)
    assert (record.hours_settled, record.hours_inside) == (2, 1)


def test_a_forecast_of_an_earlier_version_is_still_settled(store: Store) -> None:
    store.forecasts.add(forecast(None, 0.5, 0.95))
    (path,) = (store.path / "forecasts").iterdir()
    told = json.loads(path.read_text())
    kept = {key: told[key] for key in list(told)[:10]}
    path.write_text(json.dumps(kept))
    run(store, [0.7, 0.9])
    record = track_record(store)
    assert (record.settled, record.inside, record.epochs_settled) == (1, 1, 0)


def test_a_target_is_said_in_hours_too(store: Store) -> None:
    sweep = Sweep("s", SPACE, "accuracy", Mode.MAX, 9)
    ahead = Outlook(sweep, np.array([[9.0, 18.0], [9.0, 18.0]]), np.array([[0.5, 0.9], [0.95, 0.95]]), math.nan, True)
    share = TrialShare(4.0, "GPU-hours")
    data = as_data(ahead, 2, 900.0, share, None) | target_data(ahead, 0.9, 900.0, share)
    assert data["epochs_to_target"] == pytest.approx([9.9, 13.5, 17.1])
    assert data["device_hours_to_target"] == pytest.approx([9.9, 13.5, 17.1])  # a quarter of an hour on four GPUs each
    text = "\n".join(planned(data, 9))
    assert (
        "accuracy 0.9 is reached in 100% of the cases, then after 14 (10 to 17) epochs, 14 (9.9 to 17) GPU-hours"
        in text
    )
    unknown = as_data(ahead, 2, math.nan, share, None) | target_data(ahead, 0.9, math.nan, share)
    assert unknown["device_hours_to_target"] is None
    assert "hours are not known" in "\n".join(planned(unknown, 9))


def test_a_first_plan_is_kept_and_settled(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("def train(config): ...\n")
    file = tmp_path / "sweep.yaml"
    file.write_text(
        "{name: digits, trainable: 'train.py:train', metric: accuracy, mode: max, budget: {trials: 2, epochs: 9},"
        " space: {lr: {float: [1.0e-4, 0.1], log: true}, x: {float: [0.0, 1.0]}}, store: store, resources: {gpu: 0}}"
    )
    app = typer.Typer()
    app.command()(plan)
    assert not (tmp_path / "store").exists()
    said = CliRunner().invoke(app, [str(file), "--json"])
    assert said.exit_code == 0, said.output
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    (kept,) = store.forecasts.all()
    assert (kept.kind, kept.trials, kept.low) == ("plan", 2, None)  # what ships has measured no accuracy
    run(store, [0.7, 0.9])
    assert track_record(store).epochs_settled == 1
    said = CliRunner().invoke(app, [str(file)])
    assert "of 1 the epochs, " in said.output


def test_advice_counts_by_what_a_trial_gets(store: Store) -> None:
    sweep_id = run(store, [0.7, 0.9, 0.8])
    app = typer.Typer()
    app.command()(advise)
    hours = []
    for share in (None, TrialShare(2.0, "GPU-hours")):
        if share is not None:
            store.shares.note(sweep_id, share)
        data = json.loads(CliRunner().invoke(app, [str(store.path), "--json"]).output)
        assert data["unit"] == ("hours of training" if share is None else share.unit)
        hours.append(data["device_hours"][1])
    assert hours[1] == pytest.approx(2 * hours[0])


def test_a_forecast_that_cannot_be_read_is_left_out(store: Store) -> None:
    store.forecasts.add(forecast(None, 0.0, 1.0))
    (path,) = (store.path / "forecasts").iterdir()
    (path.parent / "torn.json").write_text('{"kind": "pl')
    assert len(store.forecasts.all()) == 1


def test_the_command_gives_advice(store: Store, tmp_path: Path) -> None:
    run(store, [0.7, 0.9, 0.8])
    app = typer.Typer()
    app.command()(advise)
    said = CliRunner().invoke(app, [str(store.path), "--json"])
    assert said.exit_code == 0, said.output
    data = json.loads(said.output)
    assert data["advice"] in [str(each) for each in Advice]
    assert data["best_so_far"] == 0.9
    assert 0.9 <= data["best"][0] <= data["best"][2] <= 1.0
    assert len(store.forecasts.all()) == 1
    text = CliRunner().invoke(app, [str(store.path)]).output
    assert "best accuracy so far: 0.9" in text
