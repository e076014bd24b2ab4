"""The predictor goes on learning while sweeps run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from metahp.errors import StoreError
from metahp.learner import Learner
from metahp.models import newest_version
from metahp.space import Float, SearchSpace
from metahp.store import Store
from metahp.types import Measurement, Mode, Sweep, Trial
from metahp_cluster.cli import app
from metahp_searchers import MetaSearch
from metahp_searchers import refresh as refresh_module

SPACE = SearchSpace({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})


def record(store: Store, name: str, peak: float, trials: int = 12) -> None:
    """A sweep as a driver writes it, still open: nothing says that it is over."""
    rng = np.random.default_rng(len(name))
    sweep = Sweep(name, SPACE, "acc", Mode.MAX, 6, {}, name)
    writer = store.open_sweep(sweep)
    for number in range(trials):
        config = SPACE.sample(rng)
        writer.start_attempt(f"{name}-{number}", config)
        for step in range(1, 7):
            value = (1 - (config["x"] - peak) ** 2) * (1 - 0.5**step)
            writer.record(f"{name}-{number}", Measurement(step, value))
    writer.close("interrupted")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", spool_dir=tmp_path / "spool")


def test_each_step_learns_what_is_new_and_nothing_else(store: Store) -> None:
    learner = Learner(store)
    assert learner.step() is None  # nothing there
    record(store, "first", 0.3)
    first = learner.step()
    assert first is not None
    assert learner.step() is None
    record(store, "second", 0.3)
    second = learner.step()
    assert second is not None
    assert second > first
    assert Learner(store).step() is None  # a successor knows that all is learned


def test_two_learners_take_turns(store: Store) -> None:
    record(store, "first", 0.3)
    learner, other = Learner(store), Learner(store)
    with other._lock:
        assert learner.step() is None
    assert learner.step() is not None


def test_a_running_sweep_uses_what_was_learned_meanwhile(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh_module, "LOOK_EVERY_S", 0.0)
    search = MetaSearch(store, space=SPACE, metric="acc", mode="max", max_t=6, seed=0)
    search.suggest("a")
    record(store, "elsewhere", 0.3, trials=30)
    version = Learner(store).step()
    assert version is not None
    before = search.brain._policy
    for number in range(200):
        search.suggest(f"t{number}")
        if search.brain._policy is not before:
            break
        time.sleep(0.05)
    policy = search.brain._policy
    assert policy is not None
    assert policy is not before
    sweep = search.brain.sweep
    assert sweep is not None
    queries = [Trial("good", {"x": 0.3, "y": 0.5}), Trial("bad", {"x": 1.0, "y": 0.5})]
    good, bad = policy.predictor.condition(sweep, []).predict(queries, [6, 6]).mean
    assert good > bad  # the sweep itself has shown nothing yet


def test_the_command_lists_and_rolls_back(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> str:
        app(list(arguments), standalone_mode=False)
        return capsys.readouterr().out

    record(store, "first", 0.3)
    first = said("learn", str(store.path), "--once").strip()
    record(store, "second", 0.3)
    second = said("learn", str(store.path), "--once").strip()
    assert said("learn", str(store.path), "--once").strip() == "nothing is new"
    listed = json.loads(said("model", "list", str(store.path), "--json"))
    assert [(card["version"], card["learned"]) for card in listed] == [(second, {"second": 12}), (first, {"first": 12})]
    shown = said("model", "show", str(store.path), second)
    assert second in shown
    assert "learned 12 trials of second" in shown
    assert "not judged" in shown  # twelve trials are too few
    with pytest.raises(StoreError, match="0 versions begin with"):
        said("model", "show", str(store.path), "none")
    said("model", "rollback", str(store.path), first)
    assert newest_version(store) == first
    with pytest.raises(StoreError, match="keeps no model"):
        said("model", "rollback", str(store.path), second)


@pytest.mark.slow
def test_killed_learners_skip_and_repeat_nothing() -> None:
    """A real process, killed at random moments and while it writes; `learner_kills` says what is looked at."""
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    command = [sys.executable, str(Path(__file__).with_name("learner_kills.py")), "--kills", "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=540, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kills"] == 4
    assert found["rows"] > 100
