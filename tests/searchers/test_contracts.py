"""The shipped contracts, held by our classes and, where they do not deviate, by Tune's own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from metahp.space import SearchSpace
from metahp_searchers import MetaScheduler, MetaSearch, from_tune
from metahp_searchers.testing import SchedulerContract, SearcherContract


class RandomSearch(Searcher):
    """The smallest searcher that keeps the contract: BasicVariantGenerator, Tune's own, is no Searcher."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._rng = np.random.default_rng(seed)
        self._space = SearchSpace({})

    def set_search_properties(self, metric: str, mode: str, config: dict[str, Any], **spec: Any) -> bool:
        self._metric, self._mode, self._space = metric, mode, from_tune(config)
        return True

    def suggest(self, trial_id: str) -> dict[str, Any]:
        return self._space.sample(self._rng)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).write_text(json.dumps(self._rng.bit_generator.state))

    def restore(self, checkpoint_path: str) -> None:
        self._rng.bit_generator.state = json.loads(Path(checkpoint_path).read_text())


class TestRandomSearch(SearcherContract):
    @pytest.fixture
    def make_searcher(self) -> Callable[[int], Searcher]:
        return RandomSearch


class TestMetaSearch(SearcherContract):
    @pytest.fixture
    def make_searcher(self, tmp_path: Path) -> Callable[[int], Searcher]:
        return lambda seed: MetaSearch(tmp_path / "store", seed=seed)


class TestMetaSearchWithoutStore(SearcherContract):
    @pytest.fixture
    def make_searcher(self) -> Callable[[int], Searcher]:
        return lambda seed: MetaSearch(None, seed=seed)


@pytest.mark.filterwarnings("ignore")  # Optuna's, about its own
class TestOptunaSearch(SearcherContract):
    stands_strange_results = False  # KeyError where the metric or the iteration is missing
    stands_unknown_trials = False  # KeyError

    @pytest.fixture
    def make_searcher(self) -> Callable[[int], Searcher]:
        return lambda seed: OptunaSearch(seed=seed)


class TestMetaScheduler(SchedulerContract):
    @pytest.fixture
    def make_scheduler(self, tmp_path: Path) -> Callable[[], TrialScheduler]:
        return lambda: MetaScheduler(store=tmp_path / "store")


class TestMetaSchedulerWithoutStore(SchedulerContract):
    @pytest.fixture
    def make_scheduler(self) -> Callable[[], TrialScheduler]:
        return MetaScheduler


class TestMetaSchedulerWithSearch(SchedulerContract):
    @pytest.fixture
    def make_scheduler(self, tmp_path: Path) -> Callable[[], TrialScheduler]:
        return lambda: MetaScheduler(MetaSearch(tmp_path / "store"))


class TestFIFOScheduler(SchedulerContract):
    @pytest.fixture
    def make_scheduler(self) -> Callable[[], TrialScheduler]:
        return FIFOScheduler


class TestASHAScheduler(SchedulerContract):
    stands_strange_results = False
    stands_unknown_trials = False  # KeyError

    @pytest.fixture
    def make_scheduler(self) -> Callable[[], TrialScheduler]:
        return ASHAScheduler
