"""A real Ray Tune run and the simulator, given the same curves, searcher and scheduler, do the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler, HyperBandScheduler, TrialScheduler

from benchmarks.methods.random_search import RandomSearch
from benchmarks.simulator import simulate
from benchmarks.tasks import Curve, Task
from metahp.space import Float, SearchSpace
from metahp.types import Mode
from metahp_searchers.ray_space import to_tune

TRIALS, STEPS = 12, 9

Call = tuple[Any, ...]


def make_curve() -> Any:
    """The scores of a configuration; made here, so that workers get it by value and need not import this file."""

    def scores_of(x: float) -> list[float]:
        scores = [x + (1.0 - x) * step / 20 for step in range(1, 10)]
        if x > 0.85:
            return [*scores[:2], float("nan"), *scores[3:]]
        return scores[:4] if 0.6 < x < 0.8 else scores

    return scores_of


def make_trainable(scores_of: Any) -> Any:
    def train(config: dict[str, Any]) -> None:
        import tempfile
        from pathlib import Path

        scores = scores_of(config["x"])
        checkpoint = tune.get_checkpoint()
        done = int((Path(checkpoint.path) / "step").read_text()) if checkpoint else 0
        for step, score in list(enumerate(scores, 1))[done:]:
            with tempfile.TemporaryDirectory() as directory:
                (Path(directory) / "step").write_text(str(step))
                tune.report({"score": score}, checkpoint=tune.Checkpoint.from_directory(directory))
        if len(scores) < 9:
            raise RuntimeError("this training dies")

    return train


class Search(RandomSearch):
    """Random search that notes its calls, trials by the order of their suggestion."""

    def __init__(self, log: list[Call]) -> None:
        super().__init__(seed=0)
        self.log, self.numbers = log, {}

    def suggest(self, trial_id: str) -> dict[str, Any]:
        self.numbers[trial_id] = len(self.numbers)
        config = super().suggest(trial_id)
        self.log.append(("suggest", self.numbers[trial_id], config["x"]))
        return config

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self.log.append(("result", self.numbers[trial_id], result["training_iteration"], repr(result["score"])))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        step = result and (result["training_iteration"], result["done"])
        self.log.append(("complete", self.numbers[trial_id], step, error))


def noting(base: type[TrialScheduler], search: Search, **settings: Any) -> TrialScheduler:
    """A scheduler of Ray's that also notes its calls."""

    class Noting(base):  # type: ignore[misc, valid-type]
        def note(self, what: str, trial: Any, *more: Any) -> None:
            search.log.append((what, search.numbers[trial.trial_id], *more))

        def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
            self.note("add", trial)
            super().on_trial_add(tune_controller, trial)

        def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
            before = trial.last_result.get("training_iteration", 0)
            decision = super().on_trial_result(tune_controller, trial, result)
            self.note("decide", trial, result["training_iteration"], before, decision)
            return decision

        def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
            self.note("end", trial, result["training_iteration"])
            super().on_trial_complete(tune_controller, trial, result)

        def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
            self.note("error", trial)
            super().on_trial_error(tune_controller, trial)

        def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
            self.note("remove", trial)
            super().on_trial_remove(tune_controller, trial)

    return Noting(**settings)


def asha(search: Search) -> TrialScheduler:
    return noting(ASHAScheduler, search, max_t=STEPS + 1, grace_period=1, reduction_factor=3)


def hyperband(search: Search) -> TrialScheduler:
    return noting(HyperBandScheduler, search, max_t=STEPS, reduction_factor=3)


@pytest.fixture
def one_worker() -> Iterator[None]:
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("one_worker")
@pytest.mark.parametrize(
    ("scheduler", "happens"),
    [(asha, {"CONTINUE", "STOP", "error", "nan"}), (hyperband, {"CONTINUE", "STOP", "PAUSE", "remove"})],
)
def test_a_real_run_calls_in_the_same_order(
    scheduler: Any, happens: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")  # one training is meant to die
    scores_of = make_curve()
    task = Task(
        name="test/ray",
        family="test",
        space=SearchSpace({"x": Float(0.0, 1.0)}),
        metric="score",
        mode=Mode.MAX,
        max_step=STEPS,
        source=lambda configs: [
            Curve(scores := np.array(scores_of(c["x"])), np.arange(1.0, len(scores) + 1), fails=len(scores) < STEPS)
            for c in configs
        ],
    )
    simulated: list[Call] = []
    search = Search(simulated)
    simulate(task, search, scheduler(search), workers=1, num_samples=TRIALS)

    real: list[Call] = []
    search = Search(real)
    tuner = tune.Tuner(
        make_trainable(scores_of),
        param_space=to_tune(task.space),
        tune_config=tune.TuneConfig(
            metric="score",
            mode="max",
            search_alg=search,
            scheduler=scheduler(search),
            num_samples=TRIALS,
            # A reused worker may go to any pending trial (Tune keeps a set of them): no order to compare with pauses.
            reuse_actors=scheduler is asha,
        ),
        run_config=tune.RunConfig(storage_path=str(tmp_path), verbose=0),
    )
    tuner.fit()

    assert happens <= {word for entry in simulated for word in entry}
    assert real == simulated
