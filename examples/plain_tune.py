"""A plain Ray Tune script with MetaHP's searcher and scheduler: ``python examples/plain_tune.py``.

Nothing of MetaHP runs the trials here, and any other scheduler or searcher of Tune can take the place of ours. Run it
twice: the second sweep knows what the first one has seen.
"""

from __future__ import annotations

import argparse
from typing import Any

import keras
from ray import tune
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from metahp_searchers import MetaScheduler, MetaSearch

EPOCHS = 15


class Report(keras.callbacks.Callback):
    """Tells Tune how each epoch went."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Report what Keras has measured."""
        tune.report({name: float(value) for name, value in (logs or {}).items()})


def train(config: dict[str, Any]) -> None:
    """Which of three growers made this wine?"""
    keras.utils.set_random_seed(0)
    table, grower = load_wine(return_X_y=True)
    table = StandardScaler().fit_transform(table)
    model = keras.Sequential(
        [
            keras.layers.Input((table.shape[1],)),
            keras.layers.Dense(config["units"], activation="relu"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(config["learning_rate"]), loss="sparse_categorical_crossentropy")
    model.fit(table, grower, epochs=EPOCHS, validation_split=0.3, shuffle=True, verbose=0, callbacks=[Report()])


def main(store: str, trials: int) -> tune.ResultGrid:
    """Run one sweep."""
    search = MetaSearch(store, task={"kind": "tabular-classification", "classes": 3, "examples": 178}, max_t=EPOCHS)
    tuner = tune.Tuner(
        train,
        param_space={"learning_rate": tune.loguniform(1e-4, 1e-1), "units": tune.lograndint(4, 65)},
        tune_config=tune.TuneConfig(
            metric="val_loss",
            mode="min",
            num_samples=trials,
            search_alg=search,
            scheduler=MetaScheduler(search),
            max_concurrent_trials=2,
            reuse_actors=True,  # a worker that has imported TensorFlow is worth keeping
        ),
    )
    return tuner.fit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default="~/sweeps", help="where sweeps are kept")
    parser.add_argument("--trials", type=int, default=16)
    given = parser.parse_args()
    best = main(given.store, given.trials).get_best_result(scope="all")
    print(f"best val_loss {best.metrics['val_loss']:.4f} by {best.config}")
