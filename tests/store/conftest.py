from pathlib import Path

import pytest

from metahp.space import Categorical, Float, SearchSpace
from metahp.store import Store
from metahp.types import Mode, Sweep


@pytest.fixture
def spool_dir(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def store(tmp_path: Path, spool_dir: Path) -> Store:
    return Store(tmp_path / "store", spool_dir=spool_dir)


@pytest.fixture
def space() -> SearchSpace:
    return SearchSpace({"lr": Float(1e-5, 1.0, log=True), "kernel": Categorical(((3, 3), (5, 5)))})


@pytest.fixture
def sweep(space: SearchSpace) -> Sweep:
    return Sweep("sweep-1", space, "accuracy", Mode.MAX, 10, {"kind": "image", "classes": 10}, "digits")
