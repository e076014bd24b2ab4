"""An old Optuna study becomes history: ``python examples/optuna_study.py``, after ``pip install optuna``.

A study is made here, so that there is an old one; with your own, begin at the import, which is the same as
``metahp import optuna URL --store STORE --metric accuracy`` in a shell. What the study has found about a learning rate
is then known to every sweep of the store, and `recommend` answers from it before anything is trained.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from pathlib import Path

import optuna

from metahp.recommend import recommend
from metahp.space import Float, Int, SearchSpace
from metahp.store import Store
from metahp.types import Mode

SPACE = SearchSpace({"learning_rate": Float(1e-5, 1.0, log=True), "units": Int(8, 256, log=True)})
STEPS = 9


def objective(trial: optuna.Trial) -> float:
    """A training that goes best with a learning rate of 0.003 and 64 units."""
    rate = trial.suggest_float("learning_rate", 1e-5, 1.0, log=True)
    units = trial.suggest_int("units", 8, 256, log=True)
    reachable = 0.95 - 0.08 * math.log10(rate / 0.003) ** 2 - 0.05 * math.log2(units / 64) ** 2 / 4
    for step in range(1, STEPS + 1):
        trial.report(reachable * (1 - 0.5**step), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return reachable * (1 - 0.5**STEPS)


def main() -> None:
    """Makes a study, imports it, and asks for a learning rate."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("optuna-example"))
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{folder / 'study.db'}"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name="old", storage=url, direction="maximize", load_if_exists=True)
    study.optimize(objective, n_trials=30)

    store = Store(folder / "store")
    command = ["import", "optuna", url, "--store", store.location, "--metric", "accuracy"]
    subprocess.run([sys.executable, "-m", "metahp_cluster", *command], check=True)

    said = recommend(store, SPACE, "accuracy", Mode.MAX, max_step=STEPS)
    for each in said.configs[:3]:
        print(f"learning_rate={each.config['learning_rate']:.3g} units={each.config['units']}")


if __name__ == "__main__":
    main()
