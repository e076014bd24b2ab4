"""The predictor a store keeps: loaded, brought up to date, trained again when it is damaged."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metahp import versions as kept
from metahp.errors import StoreError
from metahp.keras_predictor import KerasPredictor
from metahp.models import begin, found, load_or_fit, newest_version, up_to_date
from metahp.models import taught as taught_model
from metahp.prior_predictor import PriorPredictor
from metahp.space import Float, SearchSpace
from metahp.store import Store
from metahp.store.upkeep import learned_cursor
from metahp.types import Measurement, Mode, Sweep, SweepHistory
from metahp.versions import KEPT_VERSIONS

SPACE = SearchSpace({"x": Float(0, 1)})


class Predictor:
    """In place of the Keras predictor, which takes seconds to learn: remembers which sweeps it was taught."""

    taught: list[tuple[str, list[str]]]
    contest = None

    def __init__(self, *, seed: int = 0) -> None:
        self.seed, self.taught = seed, []

    def fit(self, history: list[SweepHistory]) -> None:
        self.taught = [("update", [own.sweep.name for own in history])]

    def update(self, history: list[SweepHistory]) -> None:
        self.taught.append(("update", [own.sweep.name for own in history]))

    def save(self, directory: Path) -> None:
        (directory / "taught.json").write_text(json.dumps(self.taught))

    @classmethod
    def load(cls, directory: Path) -> "Predictor":
        predictor = cls()
        predictor.taught = [tuple(lesson) for lesson in json.loads((directory / "taught.json").read_text())]
        return predictor


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def quick(monkeypatch: Any) -> None:
    monkeypatch.setattr("metahp.models.KerasPredictor", Predictor)


def add(store: Store, name: str, *, trials: int = 4, steps: int = 4) -> None:
    rng = np.random.default_rng(len(name))
    made = [
        {
            "config": (config := SPACE.sample(rng)),
            "curve": [(s, config["x"] * (1 - 2.0**-s)) for s in range(1, steps + 1)],
        }
        for _ in range(trials)
    ]
    store.import_sweep(name=name, space=SPACE, metric="m", mode="max", trials=made, max_step=max(steps, 1))


def versions(store: Store) -> list[Path]:
    return sorted(path for path in (store.path / "models").iterdir() if path.is_dir() and path.name[0] != ".")


def taught(store: Store) -> Any:
    return load_or_fit(store, first=Predictor).taught  # type: ignore[arg-type,attr-defined]


def test_where_nothing_was_swept_the_shipped_predictor_begins(store: Store, caplog: Any) -> None:
    assert isinstance(load_or_fit(store), KerasPredictor)
    add(store, "no curves", trials=2, steps=0)
    assert isinstance(load_or_fit(store), KerasPredictor)
    assert not (store.path / "models").exists()

    def damaged() -> KerasPredictor:
        raise StoreError("no such file")

    assert isinstance(load_or_fit(store, first=damaged), PriorPredictor)
    assert "no such file" in caplog.text


@pytest.mark.usefixtures("quick")
def test_each_sweep_is_learned_once(store: Store) -> None:
    add(store, "first")
    assert taught(store) == [("update", ["first"])]
    assert taught(store) == [("update", ["first"])]  # loaded
    add(store, "second")
    assert taught(store) == [("update", ["first"]), ("update", ["second"])]
    assert taught(Store(store.path)) == [("update", ["first"]), ("update", ["second"])]
    assert len(versions(store)) == 2


@pytest.mark.usefixtures("quick")
def test_the_running_sweep_is_learned_when_it_is_over(store: Store) -> None:
    add(store, "first")
    add(store, "running")
    ids = {own.sweep.name: own.sweep.sweep_id for own in store.curves()}
    predictor: Any = load_or_fit(store, first=Predictor, exclude={ids["running"]})
    assert predictor.taught == [("update", ["first"])]
    assert taught(store) == [("update", ["first", "running"])]
    assert isinstance(load_or_fit(Store(store.path.parent / "other"), exclude={"x"}), KerasPredictor)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("damage", ["card.json", "predictor/taught.json", "predictor"])
def test_a_damaged_version_falls_back_to_the_one_before(store: Store, damage: str, caplog: Any) -> None:
    add(store, "first")
    taught(store)
    add(store, "second")
    taught(store)
    broken = versions(store)[-1] / damage
    shutil.rmtree(broken) if broken.is_dir() else broken.write_text("{")
    assert taught(store) == [("update", ["first"]), ("update", ["second"])]
    assert caplog.text.count("cannot be used, an older one or a new one is") == 1


@pytest.mark.usefixtures("quick")
def test_with_all_versions_damaged_it_learns_anew(store: Store) -> None:
    add(store, "first")
    load_or_fit(store)
    (versions(store)[0] / "card.json").write_text("[]")
    assert taught(store) == [("update", ["first"])]


@pytest.mark.usefixtures("quick")
def test_a_store_that_cannot_be_written_still_teaches(store: Store, monkeypatch: Any, caplog: Any) -> None:
    add(store, "first")

    def refuse(self: Predictor, directory: Path) -> None:
        raise StoreError("cannot save the predictor: Read-only file system")

    monkeypatch.setattr(Predictor, "save", refuse)
    assert taught(store) == [("update", ["first"])]
    assert "not kept for the next sweep, which will train it again: cannot save" in caplog.text
    assert list((store.path / "models").iterdir()) == []  # a full disk is no fuller for it
    (store.path / "models").rename(store.path / "gone")
    (store.path / "models").write_text("in the way")
    assert taught(store) == [("update", ["first"])]


@pytest.mark.usefixtures("quick")
def test_folders_that_are_no_versions_are_left_alone(store: Store) -> None:
    strays = ["@eaDir", "backup", "00-old", "zz"]
    for name in strays:
        (store.path / "models" / name).mkdir(parents=True)
        (store.path / "models" / name / "card.json").write_text('{"cursor": {}}')
    add(store, "first")
    taught(store)
    (name,) = {path.name for path in versions(store)} - set(strays)
    assert kept.names(store) == [name]
    assert learned_cursor(store.path) == store.cursor()


@pytest.mark.usefixtures("quick")
def test_old_versions_and_half_written_ones_go(store: Store) -> None:
    for number in range(KEPT_VERSIONS + 2):
        add(store, "s" * (number + 1))
        taught(store)
    assert len(versions(store)) == KEPT_VERSIONS
    half = store.path / "models" / ".tmp-half"
    half.mkdir()
    add(store, "another")
    taught(store)
    assert half.exists()  # somebody may be writing it
    os.utime(half, (0, 0))
    add(store, "one more sweep")
    taught(store)
    assert not half.exists()


def renamed(store: Store, days: list[int]) -> list[str]:
    """The versions of a store, by names as if they had been made so many days ago."""
    names = []
    for path, ago in zip(versions(store), days, strict=True):
        made = int(path.name.replace("-", "")[:12], 16) - ago * 86_400_000
        name = f"{made:012x}"[:8] + "-" + f"{made:012x}"[8:] + path.name[13:]
        card = json.loads((path / "card.json").read_text())
        (path / "card.json").write_text(json.dumps(card | {"version": name}))
        path.rename(path.with_name(name))
        names.append(name)
    return names


@pytest.mark.usefixtures("quick")
def test_of_each_day_the_last_version_stays_and_of_all_the_card(store: Store) -> None:
    for number in range(KEPT_VERSIONS):
        add(store, "s" * (number + 1))
        taught(store)
    old = renamed(store, [3, 3, 2, 2, 2])
    for number in range(KEPT_VERSIONS):
        add(store, "t" * (number + 1))
        taught(store)
    assert [path.name for path in versions(store)][:2] == [old[1], old[4]]
    assert len(versions(store)) == KEPT_VERSIONS + 2
    gone = kept.gone_cards(store)
    assert [card.version for card in gone] == [old[3], old[2], old[0]]
    assert gone[-1].learned
    assert [card.rows for card in gone] == [64, 48, 16]
    with (store.path / "models" / "cards.jsonl").open("a") as file:
        file.write('\n{"version": "torn')
    add(store, "one more")
    taught(store)
    assert len(kept.gone_cards(store)) == 4
    newest = kept.cards(store)[0]
    assert newest.rows == 16 * 11
    assert newest.before == kept.cards(store)[1].version
    assert newest.commit is None or len(newest.commit) == 40


@pytest.mark.usefixtures("quick")
def test_a_rolled_back_predictor_learns_nothing_until_it_is_unpinned(store: Store, caplog: Any) -> None:
    add(store, "first")
    first = taught(store)
    (kept_version,) = versions(store)
    add(store, "second")
    taught(store)
    kept.roll_back(store, kept_version.name)
    assert taught(store) == first
    add(store, "third")
    assert taught(store) == first
    assert up_to_date(store, first=Predictor).version == kept_version.name  # type: ignore[arg-type]
    assert "metahp model unpin" in caplog.text
    assert kept.unpin(store)
    assert not kept.unpin(store)
    assert taught(store) == [*first, ("update", ["second", "third"])]


@pytest.mark.usefixtures("quick")
def test_what_was_trained_meanwhile_does_not_undo_a_rollback(store: Store) -> None:
    add(store, "first")
    taught(store)
    add(store, "second")
    model = found(store)
    kept.roll_back(store, versions(store)[0].name)
    card = kept.cards(store)[0]
    assert kept.publish(store, model.predictor, card) is None
    assert len(versions(store)) == 1


@pytest.mark.usefixtures("quick")
def test_of_two_that_train_from_one_version_the_first_one_is_kept(store: Store) -> None:
    add(store, "first")
    taught(store)
    add(store, "second")
    slow = found(store)
    add(store, "third")
    ahead = up_to_date(store, first=Predictor)  # type: ignore[arg-type]
    late = taught_model(store, slow)
    assert not late.is_saved
    assert late.version == f"{slow.version}+"
    assert newest_version(store) == ahead.version
    assert len(versions(store)) == 2


@pytest.mark.usefixtures("quick")
def test_later_versions_sort_last_whatever_the_clocks_say(store: Store) -> None:
    add(store, "first")
    taught(store)
    (ahead,) = renamed(store, [-2])
    add(store, "second")
    taught(store)
    assert next(path.name for path in versions(store)) == ahead
    assert len(versions(store)) == 2


@pytest.mark.usefixtures("quick")
def test_exactly_the_rows_up_to_the_cursor_are_learned(store: Store, monkeypatch: Any) -> None:
    sweep = Sweep("live", SPACE, "m", Mode.MAX, 4)
    writer = store.open_sweep(sweep)
    for trial, x in (("a", 0.2), ("b", 0.7)):
        writer.start_attempt(trial, {"x": x})
        writer.record(trial, Measurement(1, x))
    writer.seal()
    reports: list[int] = []
    real_cursor = store.cursor

    def arrive_late() -> Any:
        reached = real_cursor()
        writer.record("a", Measurement(2 + len(reports), 0.5))
        writer.seal()
        return reached

    def count(self: Predictor, history: list[SweepHistory]) -> None:
        reports.append(sum(len(trial.curve) for own in history for trial in own.trials))

    monkeypatch.setattr(Predictor, "update", count)
    monkeypatch.setattr(store, "cursor", arrive_late)
    taught(store)
    taught(store)
    assert reports == [2, 3]
    assert [card.rows for card in kept.cards(store)] == [3, 2]
    writer.close()


def test_a_store_may_begin_with_another_predictor(store: Store) -> None:
    begin(store, KerasPredictor(seed=3))
    model = up_to_date(store)
    assert model.is_saved
    assert model.predictor._seed == 3


@pytest.mark.slow
def test_the_real_predictor_comes_back_the_same(store: Store) -> None:
    add(store, "first", trials=8)
    fitted = load_or_fit(store)
    assert isinstance(fitted, KerasPredictor)
    loaded = load_or_fit(store)
    assert loaded is not fitted
    (own,) = store.curves()
    means = [p.condition(own.sweep, own.trials[:4]).predict(own.trials, [4] * 8).mean for p in (fitted, loaded)]
    np.testing.assert_allclose(means[0], means[1], rtol=1e-4, atol=1e-5)
