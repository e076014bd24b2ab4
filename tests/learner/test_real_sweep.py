"""On a real Ray: results reach the store, a learner makes versions of them, and the same sweep goes on with these."""

import logging
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from ray import tune

from metahp.models import load_version
from metahp.policy import Policy
from metahp.space import Float, SearchSpace
from metahp.store import Store
from metahp.types import Action, Measurement, Mode, Sweep
from metahp.versions import cards
from metahp_searchers import MetaScheduler, MetaSearch
from metahp_searchers import refresh as refresh_module

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SPACE = SearchSpace({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})
EPOCHS = 6


def score(config: dict[str, float], step: int) -> float:
    return (1 - (config["x"] - 0.3) ** 2 - 0.3 * (config["y"] - 0.6) ** 2) * (1 - 0.5**step)


def record(store: Store, name: str, pause_s: float = 0.0) -> None:
    """A sweep of somebody else, a report at a time."""
    rng = np.random.default_rng(len(name))
    with store.open_sweep(Sweep(name, SPACE, "acc", Mode.MAX, EPOCHS)) as writer:
        for number in range(20):
            config = SPACE.sample(rng)
            writer.start_attempt(f"{name}-{number}", config)
            for step in range(1, EPOCHS + 1):
                writer.record(f"{name}-{number}", Measurement(step, score(config, step)))
            time.sleep(pause_s)


@pytest.fixture
def news(caplog: pytest.LogCaptureFixture) -> Any:
    """What a script shows of a sweep; Ray's loggers do not hand it on."""
    logger = logging.getLogger("ray.metahp")
    logger.addHandler(caplog.handler)
    logger.setLevel(logging.INFO)
    yield caplog
    logger.removeHandler(caplog.handler)


def test_a_sweep_goes_on_with_what_is_learned_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, news: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("METAHP_LEARN", "1")
    monkeypatch.setenv("METAHP_LEARN_EVERY", "2")
    monkeypatch.setattr(refresh_module, "LOOK_EVERY_S", 1.0)
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    record(store, "past")
    colleague = threading.Thread(target=record, args=(store, "colleague", 1.0))
    search = MetaSearch(store, max_t=EPOCHS, seed=0)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)

    def seen() -> set[str]:
        made = store.decisions(search.brain.sweep_id) if search.brain.records else []
        return {own.model_version for own in made if own.model_version not in (None, "prior", "shipped")}

    class Enough(tune.Stopper):
        """When two versions have decided and the sweep itself was learned, or after three minutes."""

        def __init__(self) -> None:
            self.began, self.looked = time.monotonic(), 0.0

        def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
            return False

        def stop_all(self) -> bool:
            if time.monotonic() - self.looked < 1.0:
                return False
            self.looked = time.monotonic()
            own = any(search.brain.sweep_id in card.learned for card in cards(store))
            return (len(seen()) >= 2 and own) or self.looked - self.began > 180.0

    def train(config: dict[str, float]) -> None:
        for step in range(1, 7):
            time.sleep(0.2)
            value = (1 - (config["x"] - 0.3) ** 2 - 0.3 * (config["y"] - 0.6) ** 2) * (1 - 0.5**step)
            tune.report({"acc": value})

    try:
        colleague.start()
        tune.Tuner(
            train,
            param_space={"x": tune.uniform(0.0, 1.0), "y": tune.uniform(0.0, 1.0)},
            tune_config=tune.TuneConfig(
                metric="acc",
                mode="max",
                num_samples=400,
                search_alg=search,
                scheduler=MetaScheduler(search),
                max_concurrent_trials=2,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(storage_path=str(tmp_path / "ray"), verbose=0, stop=Enough()),
        ).fit()
    finally:
        ray.shutdown()
        colleague.join()

    versions = sorted(seen())
    assert len(versions) >= 2
    said = [line.getMessage() for line in news.records if "goes on with model" in line.getMessage()]
    assert len(said) >= 2
    assert all(any(f"goes on with model {version}" in line for line in said) for version in versions[1:])
    learned = {name for card in cards(store) for name in card.learned}
    assert search.brain.sweep_id in learned  # its own results too have come round
    kept = [card.version for card in cards(store)]
    starts = [own for own in store.decisions(search.brain.sweep_id) if own.decision.action is Action.START]
    assert any(own.model_version in versions and own.decision.carried_by for own in starts)
    # The newest version proposes something else than the oldest one, all else being equal.
    history = store.history(search.brain.sweep_id)
    old, new = (
        Policy(load_version(store, version)).suggest(history.sweep, history.trials[:8], np.random.default_rng(0))
        for version in (kept[-1], kept[0])
    )
    assert old.config != new.config
