"""Decisions as records: by what model, carried by which past trials, with which chance; and they hold nothing up."""

import math
import time
from pathlib import Path
from typing import Any

import pytest

from metahp.errors import StoreError
from metahp.learner import Learner
from metahp.space import Float, SearchSpace
from metahp.store import Store, SweepWriter
from metahp.types import Action, Carrier, Decision, MadeDecision, Measurement, Mode, Sweep
from metahp_searchers import MetaSearch

SPACE = SearchSpace({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})


def score(config: Any, step: int) -> float:
    return (1 - (config["x"] - 0.3) ** 2) * (1 - 0.5**step)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, str]:
    directory = tmp_path_factory.mktemp("records")
    store = Store(directory / "store", spool_dir=directory / "spool")
    with store.open_sweep(Sweep("past", SPACE, "acc", Mode.MAX, 6)) as writer:
        for number in range(20):
            config = {"x": number / 20, "y": (7 * number % 20) / 20}
            writer.start_attempt(f"past-{number}", config)
            for step in range(1, 7):
                writer.record(f"past-{number}", Measurement(step, score(config, step)))
    version = Learner(store).step()
    assert version is not None
    return store, version


def swept(store: Store, trials: int) -> tuple[list[MadeDecision], dict[str, Any]]:
    """The decisions of a sweep whose trials report one after another, and their configurations."""
    search = MetaSearch(store, space=SPACE, metric="acc", mode="max", max_t=6, seed=1, learn=False)
    configs = {}
    for number in range(trials):
        name = f"t{number}"
        config = search.suggest(name)
        assert isinstance(config, dict)
        configs[name] = config
        search.brain.trial_started(name, config, restored=False)
        for step in range(1, 4):
            result = {"acc": score(config, step), "training_iteration": step}
            search.brain.trial_reported(name, result, done=False)
            search.brain.decide(name)
    search.brain.close()
    return store.decisions(search.brain.sweep_id), configs


def test_each_decision_says_what_predicted_and_which_past_trials_carry_it(learned: tuple[Store, str]) -> None:
    store, version = learned
    made, configs = swept(store, 14)
    starts = [own for own in made if own.decision.action is Action.START]
    assert len(starts) == 14
    assert {own.model_version for own in made} == {version, "prior", None}
    assert {own.model_version for own in made if own.step} == {version}  # decisions rest on the past
    for own in made:
        carried_by = own.decision.carried_by
        assert bool(carried_by) == (own.model_version == version)
        assert all(1.0 >= carrier.weight >= 0.0 for carrier in carried_by)
        assert [carrier.weight for carrier in carried_by] == sorted((c.weight for c in carried_by), reverse=True)
    own = next(own for own in starts if own.model_version == version)
    near = {c.trial_id for c in own.decision.carried_by if c.sweep_id == "past"}
    assert near
    x = configs[own.trial_id]["x"]
    assert all(abs(int(name.removeprefix("past-")) / 20 - x) < 0.5 for name in near)


def test_proposals_by_prediction_say_how_likely_they_are_to_lead(learned: tuple[Store, str]) -> None:
    made, _ = swept(learned[0], 14)
    predicted = [own.decision for own in made if own.decision.action is Action.START and own.decision.forecast]
    assert predicted
    assert all(0.0 <= own.probability <= 1.0 and own.acquisition is not None for own in predicted)
    others = [own.decision for own in made if own.decision.action is Action.START and not own.decision.forecast]
    assert all(math.isnan(own.probability) for own in others)


def test_carriers_come_back_as_they_were(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    made = MadeDecision("a", 1, Decision(Action.STOP, carried_by=(Carrier("s", "t", 0.5),), model="v"), "v")
    with store.open_sweep(Sweep("s", SPACE, "acc", Mode.MAX, 6)) as writer:
        writer.start_attempt("a", {"x": 0.5, "y": 0.5})
        writer.record_decision(made)
    (back,) = store.decisions("s")
    assert (back.decision.carried_by, back.decision.model) == (made.decision.carried_by, "v")


def test_a_store_that_refuses_records_holds_no_decision_up(
    learned: tuple[Store, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: SweepWriter, made: MadeDecision) -> None:
        raise StoreError("No space left on device")

    search = MetaSearch(learned[0], space=SPACE, metric="acc", mode="max", max_t=6, seed=1, learn=False)
    config = search.suggest("a")
    assert isinstance(config, dict)
    monkeypatch.setattr(SweepWriter, "record_decision", refuse)
    search.brain.trial_started("a", config, restored=False)
    times = []
    for step in range(1, 30):
        began = time.perf_counter()
        search.brain.write_down("a", step, Decision(Action.CONTINUE, "so", 0.5))
        times.append(time.perf_counter() - began)
    assert sorted(times)[15] < 0.001
    monkeypatch.undo()
    search.brain.close()
    assert len(learned[0].decisions(search.brain.sweep_id)) == 30  # the start too: they waited in memory
