"""The predictor a store keeps: loaded, brought up to date, trained again when it is damaged."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metahp.errors import StoreError
from metahp.keras_predictor import KerasPredictor
from metahp.models import KEPT_VERSIONS, load_or_fit
from metahp.prior_predictor import PriorPredictor
from metahp.space import Float, SearchSpace
from metahp.store import Store
from metahp.types import SweepHistory

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
    return sorted((store.path / "models").iterdir())


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
    (store.path / "models").rename(store.path / "gone")
    (store.path / "models").write_text("in the way")
    assert taught(store) == [("update", ["first"])]


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
