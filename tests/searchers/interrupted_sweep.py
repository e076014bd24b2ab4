"""A sweep that is killed and restored: ``interrupted_sweep.py start|restore DIRECTORY``."""

import sys
import time
from pathlib import Path
from typing import Any

import ray
from ray import tune

from metahp_searchers import MetaScheduler, MetaSearch

WHAT, DIRECTORY = sys.argv[1], Path(sys.argv[2])


def train(config: dict[str, Any]) -> None:
    for epoch in range(1, 5):
        time.sleep(0.25)
        tune.report({"score": config["x"] * (1 + epoch / 100)})
        with (Path(config["directory"]) / "acknowledged").open("a") as file:
            file.write(f"{config['x']!r} {epoch}\n")
    with (Path(config["directory"]) / "finished" / f"{config['x']:.15f}").open("a") as file:
        file.write("x")


class NeverStops(MetaScheduler):
    """So that all trials are comparable."""

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Any) -> str:
        return "CONTINUE"


def new_tuner() -> tune.Tuner:
    search = MetaSearch(DIRECTORY / "sweeps", seed=0, max_t=4)
    return tune.Tuner(
        train,
        param_space={"x": tune.uniform(0, 1), "directory": str(DIRECTORY)},
        tune_config=tune.TuneConfig(
            metric="score",
            mode="max",
            num_samples=8,
            search_alg=search,
            scheduler=NeverStops(search),
            max_concurrent_trials=2,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(storage_path=str(DIRECTORY / "ray"), name="sweep", verbose=0),
    )


if __name__ == "__main__":
    ray.init("local", num_cpus=2, include_dashboard=False)
    experiment = str(DIRECTORY / "ray" / "sweep")
    tuner = new_tuner() if WHAT == "start" else tune.Tuner.restore(experiment, trainable=train)
    results = tuner.fit()
    print("resumed with" if WHAT == "restore" else "done with", len(results), "results")
    ray.shutdown()
