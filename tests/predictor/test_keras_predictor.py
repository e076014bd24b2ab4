"""The predictor learns across sweeps, knows hyperparameters by name and value, and comes back as it was saved."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metahp.errors import StoreError, StoreVersionError
from metahp.features import encode
from metahp.keras_predictor import KerasPredictor
from metahp.policy import Policy
from metahp.predictor import Experienced, Posterior, Predictor
from metahp.prior_predictor import PriorPredictor
from metahp.space import Categorical, Float, Int, SearchSpace
from metahp.types import LearningCurve, Mode, Prediction, Sweep, SweepHistory, Trial

STEPS = 27
NEW_TASKS = (100, 101, 102, 103)


def queries(space: SearchSpace, count: int = 60, seed: int = 5) -> list[Trial]:
    rng = np.random.default_rng(seed)
    return [Trial(f"q{n}", space.sample(rng)) for n in range(count)]


def rank_correlation(left: Any, right: Any) -> float:
    ranks = [np.argsort(np.argsort(values)) for values in (left, right)]
    return float(np.corrcoef(*ranks)[0, 1])


def same(left: Prediction, right: Prediction, tolerance: float = 1e-9) -> bool:
    return np.allclose(left.mean, right.mean, atol=tolerance) and np.allclose(left.std, right.std, atol=tolerance)


def test_it_speaks_the_protocols(learned: KerasPredictor, toy_task: Any) -> None:
    assert isinstance(learned, Predictor)
    assert isinstance(learned, Experienced)
    assert isinstance(learned.condition(toy_task(0).sweep(), []), Posterior)


def test_candidates_promise_what_is_predicted_of_trials_not_started(learned: KerasPredictor, toy_task: Any) -> None:
    task, asked = toy_task(100), queries(toy_task(100).space, 9)
    told = [Trial(q.trial_id, q.config, LearningCurve.of([(1, 0.1 * n)])) for n, q in enumerate(asked[:4])]
    points = encode(task.space, [q.config for q in asked[4:]])
    for seen in ([], told):
        posterior = learned.condition(task.sweep("new"), seen)
        assert same(posterior.promise(points, 7), posterior.predict(asked[4:], [7] * 5))


@pytest.mark.parametrize("number", NEW_TASKS)
def test_pruned_histories_rank_the_finals_of_a_new_task(learned: KerasPredictor, toy_task: Any, number: int) -> None:
    task = toy_task(number)
    asked = queries(task.space)
    prediction = learned.condition(task.sweep("new"), []).predict(asked, [STEPS] * len(asked))
    assert rank_correlation(prediction.mean, [task.final(q.config) for q in asked]) > 0.4


def test_first_suggestions_are_far_better_than_random(learned: KerasPredictor, toy_task: Any) -> None:
    policy, ours, random = Policy(learned), [], []
    for number in NEW_TASKS:
        task, rng = toy_task(number), np.random.default_rng(number)
        finals = np.sort([task.final(q.config) for q in queries(task.space, 200)])
        suggestion = policy.suggest(task.sweep("new"), [], rng).config
        ours.append(finals[-1] - task.final(suggestion))
        random.append(finals[-1] - finals.mean())
    assert np.mean(ours) < 0.4 * np.mean(random)


def test_intervals_are_about_as_wide_as_they_say(learned: KerasPredictor, toy_task: Any) -> None:
    covered = []
    for number in NEW_TASKS:
        task = toy_task(number)
        asked = queries(task.space, 40)
        told = [Trial(q.trial_id, q.config, task.curve(q.config, 9)) for q in asked[:10]]
        prediction = learned.condition(task.sweep("new"), told).predict(asked[10:], [STEPS] * 30)
        truth = np.array([task.final(q.config) for q in asked[10:]])
        bands = [(prediction.quantile(low), prediction.quantile(1 - low)) for low in (0.1, 0.4)]
        covered.append([(truth > low) & (truth < high) for low, high in bands])
    wide, narrow = np.mean(covered, axis=(0, 2))
    assert wide >= 0.65  # of what claims 80 %
    assert narrow <= 0.6  # of what claims 20 %: curves without noise of tasks that are alike are easier than real ones


def test_a_seen_curve_sharpens_its_own_end(learned: KerasPredictor, toy_task: Any) -> None:
    task = toy_task(100)
    asked = queries(task.space, 20)
    posterior = learned.condition(task.sweep("new"), [Trial("x", asked[0].config, task.curve(asked[0].config))])
    begun = [Trial(q.trial_id, q.config, task.curve(q.config, 12)) for q in asked]
    blind, told = (posterior.predict(trials, [STEPS] * 20) for trials in (asked, begun))
    truth = np.array([task.final(q.config) for q in asked])
    assert np.abs(told.mean - truth).mean() < 0.5 * np.abs(blind.mean - truth).mean()
    assert (told.std < blind.std)[1:].all()


def test_a_curve_counts_whether_or_not_it_was_conditioned_on(learned: KerasPredictor, toy_task: Any) -> None:
    task = toy_task(101)
    *seen, late = (Trial(q.trial_id, q.config, task.curve(q.config, 4)) for q in queries(task.space, 9))
    at_once = learned.condition(task.sweep("new"), [*seen, late]).predict([late], [STEPS])
    posterior = learned.condition(task.sweep("new"), seen)
    later, never = (posterior.predict([trial], [STEPS]) for trial in (late, Trial("q8", late.config)))
    assert later.mean[0] == pytest.approx(at_once.mean[0], abs=0.02)
    assert later.std[0] == pytest.approx(at_once.std[0], rel=0.2)
    assert later.std[0] < 0.9 * never.std[0]


def test_min_and_max_and_units_are_the_same_problem(toy_task: Any, prune: Callable[..., SweepHistory]) -> None:
    predictions = []
    for mode, factor in ((Mode.MAX, 1.0), (Mode.MIN, 1000.0)):
        predictor = KerasPredictor(seed=1)
        predictor.fit([prune(toy_task(n, mode=mode, factor=factor), 20) for n in range(2)])
        task = toy_task(100, mode=mode, factor=factor)
        asked = queries(task.space, 20)
        told = [Trial(q.trial_id, q.config, task.curve(q.config, 3)) for q in asked[:5]]
        mean = predictor.condition(task.sweep("new"), told).predict(asked, [STEPS] * 20).mean
        predictions.append(mode.sign * mean / factor)
    assert np.allclose(*predictions, atol=1e-3)


OVERLAPPING = SearchSpace(
    {"model": {"lr": Float(1e-5, 1e-2, log=True), "units": Int(32, 512, log=True)}, "dropout": Float(0.0, 0.5)}
)


def test_spaces_that_only_overlap_still_help(learned: KerasPredictor, toy_task: Any) -> None:
    asked, task = queries(OVERLAPPING), toy_task(100)
    prediction = learned.condition(Sweep("new", OVERLAPPING, "other", Mode.MAX, 90), []).predict(asked, [90] * 60)
    flat = [{"learning_rate": q.config["model"]["lr"], "units": q.config["model"]["units"]} for q in asked]
    assert rank_correlation(prediction.mean, [task.final(config) for config in flat]) > 0.4
    proposed = learned.experience(Sweep("new", OVERLAPPING, "other", Mode.MAX, 90))
    assert proposed is not None
    assert all(OVERLAPPING.contains(config) for config in proposed.best().configs())


def test_a_foreign_history_changes_nothing(learned: KerasPredictor) -> None:
    space = SearchSpace({"depth": Int(1, 9), "eta": Float(0.0, 1.0), "gamma": Float(0.0, 1.0)})
    sweep, asked = Sweep("new", space, "score", Mode.MAX, 9), queries(space, 10)
    told = [Trial(q.trial_id, q.config, LearningCurve.of([(1, 0.1 * n)])) for n, q in enumerate(asked[:4])]
    assert learned.experience(sweep) is None
    own, prior = (p.condition(sweep, told).predict(asked, [9] * 10) for p in (learned, PriorPredictor()))
    assert same(own, prior)


def test_a_resumed_sweep_is_not_its_own_history(toy_task: Any, prune: Callable[..., SweepHistory]) -> None:
    predictor = KerasPredictor()
    predictor.fit([prune(toy_task(0), 15)])
    assert predictor.experience(toy_task(0).sweep()) is None
    assert predictor.experience(toy_task(0).sweep("another")) is not None


def test_it_works_before_it_learned_anything(toy_task: Any) -> None:
    task, predictor = toy_task(100), KerasPredictor()
    predictor.fit([])
    assert len(predictor.condition(task.sweep(), []).predict(queries(task.space, 3), [1, 2, 3])) == 3
    assert predictor.experience(task.sweep()) is None


def test_the_same_seed_gives_the_same_predictor(toy_history: Sequence[SweepHistory], toy_task: Any) -> None:
    task, predictions = toy_task(100), []
    for _ in range(2):
        predictor = KerasPredictor(seed=3)
        predictor.fit(toy_history[:2])
        predictions.append(predictor.condition(task.sweep("new"), []).predict(queries(task.space), [STEPS] * 60))
    assert same(*predictions, tolerance=1e-4)


def test_update_learns_new_and_grown_sweeps(toy_task: Any, prune: Callable[..., SweepHistory]) -> None:
    predictor, task = KerasPredictor(), toy_task(100)
    predictor.fit([prune(toy_task(0), 15)])
    predictor.update([prune(toy_task(0), 30), *(prune(toy_task(n), 30) for n in (1, 2, 3))])
    predictor.update([])
    asked = queries(task.space)
    experience = predictor.experience(task.sweep("new"))
    assert experience is not None
    assert experience.judge(encode(task.space, [q.config for q in asked]), 1.0).shape == (4, 60)
    prediction = predictor.condition(task.sweep("new"), []).predict(asked, [STEPS] * 60)
    assert rank_correlation(prediction.mean, [task.final(q.config) for q in asked]) > 0.4


def test_update_meets_a_new_space(toy_task: Any, prune: Callable[..., SweepHistory]) -> None:
    space = SearchSpace({"learning_rate": Float(1e-4, 1e-1, log=True), "units": Int(8, 64)})
    predictor = KerasPredictor()
    predictor.fit([prune(toy_task(0), 15)])
    predictor.update([prune(toy_task(1, space=space), 15)])
    sweep = Sweep("new", space, "score", Mode.MAX, STEPS)
    assert np.isfinite(predictor.condition(sweep, []).predict(queries(space, 5), [9] * 5).mean).all()


SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
from metahp.keras_predictor import KerasPredictor
from metahp.types import Sweep, Trial
from metahp.space import SearchSpace
space = SearchSpace.from_json(sys.argv[2])
rng = np.random.default_rng(5)
asked = [Trial(f"q{n}", space.sample(rng)) for n in range(60)]
posterior = KerasPredictor.load(Path(sys.argv[1])).condition(Sweep("new", space, "score", "max", 27), [])
prediction = posterior.predict(asked, [27] * 60)
import keras
print(json.dumps([keras.backend.backend(), prediction.mean.tolist(), prediction.std.tolist()]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "tolerance"), [("tensorflow", 1e-9), ("jax", 1e-4)])
def test_a_fresh_process_predicts_the_same(
    learned: KerasPredictor, saved: Path, toy_task: Any, backend: str, tolerance: float
) -> None:
    space = toy_task(0).space
    here = learned.condition(toy_task(0).sweep("new"), []).predict(queries(space), [STEPS] * 60)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(saved), space.to_json()],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    used, mean, std = json.loads(done.stdout.splitlines()[-1])
    assert used == backend
    assert same(Prediction(np.array(mean), np.array(std)), here, tolerance)


def test_nothing_is_pickled(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == ["arrays.npz", "predictor.json"]
    with np.load(saved / "arrays.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays)


def copy_of(saved: Path, tmp_path: Path) -> Path:
    for file in saved.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.mark.parametrize("name", ["arrays.npz", "predictor.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "garbage"])
def test_a_damaged_predictor_is_refused(saved: Path, tmp_path: Path, name: str, damage: str) -> None:
    file = copy_of(saved, tmp_path) / name
    content = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"\x00garbage")
    with pytest.raises(StoreError, match="train anew"):
        KerasPredictor.load(tmp_path)


def edited(saved: Path, tmp_path: Path, **changes: Any) -> Path:
    file = copy_of(saved, tmp_path) / "predictor.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return tmp_path


def test_a_predictor_of_another_version_is_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreVersionError, match="has format 99"):
        KerasPredictor.load(edited(saved, tmp_path, format=99))


def test_a_predictor_of_another_kind_is_refused(saved: Path) -> None:
    with pytest.raises(StoreError, match="kind 'keras'"):
        PriorPredictor.load(saved)


def test_a_vocabulary_that_does_not_fit_is_refused(saved: Path, tmp_path: Path) -> None:
    data = json.loads((saved / "predictor.json").read_text())["data"]
    data["vocabulary"]["labels"] = data["vocabulary"]["labels"][:1]
    with pytest.raises(StoreError, match="train anew"):
        KerasPredictor.load(edited(saved, tmp_path, data=data))


def test_an_unfitted_predictor_can_be_saved(tmp_path: Path, toy_task: Any) -> None:
    KerasPredictor(seed=4).save(tmp_path)
    assert KerasPredictor.load(tmp_path).experience(toy_task(0).sweep()) is None


def test_odd_sweeps_in_the_history_do_no_harm(toy_task: Any, prune: Callable[..., SweepHistory]) -> None:
    rng = np.random.default_rng(0)
    wide = SearchSpace({f"x{n:02d}": Float(0.0, 1.0) for n in range(40)})
    words = SearchSpace({"word": Categorical(tuple(f"w{n}" for n in range(500)))})

    def odd(name: str, space: SearchSpace, *curves: Sequence[float]) -> SweepHistory:
        trials = [
            Trial(str(n), space.sample(rng), LearningCurve.of(list(enumerate(curve, 1))))
            for n, curve in enumerate(curves)
        ]
        return SweepHistory(Sweep(name, space, "score", Mode.MAX), tuple(trials))

    nan = float("nan")
    predictor = KerasPredictor()
    predictor.fit(
        [
            odd("nothing", wide),
            odd("one", wide, [0.1, 0.2]),
            odd("NaN", wide, [nan], [nan, nan]),
            odd("constant", wide, [0.5, 0.5], [0.5]),
            odd("jump", wide, [0.1, 1e30], [0.2, -1e30], [0.3, 0.1]),
            odd("long", wide, list(rng.random(2000)), [0.5]),
            odd("words", words, *([float(n)] * 3 for n in range(30))),
            odd("empty space", SearchSpace({}), [0.1], [0.2]),
            prune(toy_task(0), 30),
            prune(toy_task(1, factor=1000.0), 30),
        ]
    )
    task = toy_task(100)
    asked = queries(task.space)
    prediction = predictor.condition(task.sweep("new"), []).predict(asked, [STEPS] * 60)
    assert rank_correlation(prediction.mean, [task.final(q.config) for q in asked]) > 0.4
