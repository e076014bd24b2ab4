"""The predictor goes on learning while sweeps run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from metahp import versions
from metahp.errors import StoreError
from metahp.learner import Learner
from metahp.models import newest_version
from metahp.policy import Policy
from metahp.prior_predictor import PriorPredictor
from metahp.space import Float, SearchSpace
from metahp.store import Store
from metahp.types import Measurement, Mode, Sweep, Trial
from metahp.versions import cards, roll_back, unpin
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


def test_of_two_learners_one_works(store: Store) -> None:
    record(store, "first", 0.3)
    learner, other = Learner(store), Learner(store)
    assert other.leads()
    assert not learner.leads()
    assert learner.step() is None
    assert other.step() is not None
    other._lock.release()
    assert learner.leads()


def test_a_learner_that_waits_does_not_load_tensorflow(store: Store) -> None:
    record(store, "first", 0.3)
    code = f"""
import sys
from metahp.learner import Learner
from metahp.store import Store
learner, rounds = Learner(Store({str(store.path)!r}, create=False)), iter([True, False])
learner.follow(0.1, lambda: next(rounds))
assert not learner.leads()
assert not {{"tensorflow", "keras"}} & set(sys.modules)
"""
    working = Learner(store)
    assert working.leads()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this kernel does not share cores by session")
@pytest.mark.parametrize("own_session", [True, False])
def test_a_learner_yields_to_trials_of_other_sessions_too(own_session: bool) -> None:
    code = """
import json, os
from pathlib import Path
from metahp.learner import yield_to_trials
group = Path("/proc/self/autogroup")
before = group.read_text().split()
yield_to_trials()
print(json.dumps([os.nice(0), before, group.read_text().split()]))
"""
    own = Path("/proc/self/autogroup").read_text()
    ran = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=Path(__file__).parents[2],
        start_new_session=own_session,
        stdout=subprocess.PIPE,
        text=True,
    )
    niceness, before, after = json.loads(ran.stdout)
    assert niceness == 19
    # Processes that were started outside any session have no group: the file is empty.
    assert after == ([*before[:-1], "5"] if own_session else before)
    assert Path("/proc/self/autogroup").read_text() == own


def rolled_back(store: Store) -> tuple[Learner, str]:
    """A learner at work on two sweeps, and the version of the first one, to which it was rolled back."""
    learner = Learner(store)
    record(store, "first", 0.3)
    first = learner.step()
    assert first is not None
    record(store, "second", 0.3)
    assert learner.step() is not None
    roll_back(store, first)
    assert learner.step() is None
    return learner, first


def test_a_rollback_holds_while_a_learner_is_at_work(store: Store) -> None:
    learner, first = rolled_back(store)
    record(store, "third", 0.3)
    assert learner.step() is None
    assert newest_version(store) == first
    unpin(store)
    assert learner.step() is not None
    assert set(cards(store)[0].learned) == {"second", "third"}


def test_what_was_rolled_back_is_learned_again_without_new_rows(store: Store) -> None:
    learner, _ = rolled_back(store)
    unpin(store)
    assert learner.step() is not None
    assert set(cards(store)[0].learned) == {"second"}


def test_rows_whose_version_was_not_saved_are_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    record(store, "first", 0.3)
    learner, published = Learner(store), versions.publish

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(versions, "publish", full)
    assert learner.step() is None
    monkeypatch.setattr(versions, "publish", published)
    assert learner.step() is not None


def test_a_store_that_cannot_be_locked_ends_no_learner(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    learner, rounds = Learner(store), iter([True, True, False])

    def refuse(self: Learner) -> bool:
        raise OSError("stale file handle")

    monkeypatch.setattr(Learner, "leads", refuse)
    learner.follow(0.01, lambda: next(rounds))


def test_a_version_that_cannot_be_loaded_is_tried_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh_module, "newest_version", lambda _: "v2")
    loaded: list[str] = []

    def damaged(_: Store, version: str) -> None:
        loaded.append(version)
        raise StoreError("damaged")

    monkeypatch.setattr(refresh_module, "load_version", damaged)
    refresher = refresh_module.Refresher(store, Sweep("s", SPACE, "acc", Mode.MAX, 6))
    for _ in range(2):
        refresher._look(Policy(PriorPredictor(), version="v1"), [])
    assert loaded == ["v2"]
    other = refresh_module.Refresher(store, Sweep("s", SPACE, "acc", Mode.MAX, 6))
    other._look(Policy(PriorPredictor(), version="v2+"), [])  # which has learned more than v2
    assert loaded == ["v2"]


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
    assert search.brain.version == version
    assert policy._memory._posterior is not None  # no hook has to condition it
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
    with pytest.raises(StoreError, match="0 versions begin with"):
        said("model", "show", str(store.path), "none")
    assert "144 reports in all" in shown
    said("model", "rollback", str(store.path), first)
    assert newest_version(store) == first
    with pytest.raises(StoreError, match="keeps no model"):
        said("model", "rollback", str(store.path), second)
    assert "only its card is kept" in said("model", "show", str(store.path), second)
    assert [card["version"] for card in json.loads(said("model", "list", str(store.path), "--all", "--json"))] == [
        second,
        first,
    ]
    assert "before metahp model unpin" in said("model", "list", str(store.path))
    assert said("learn", str(store.path), "--once").strip() == "nothing is new"
    assert said("model", "unpin", str(store.path)).strip() == "it learns again"
    assert said("learn", str(store.path), "--once").strip() > first


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
