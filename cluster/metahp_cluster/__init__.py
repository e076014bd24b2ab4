"""Running sweeps on Ray.

>>> from metahp_cluster import Budget, Sweep, run
>>> result = run(Sweep(name="digits", trainable=train, space={"learning_rate": {"float": [1e-4, 1e-1], "log": True}},
...                    metric="val_accuracy", mode="max", budget=Budget(trials=20, epochs=10)))
>>> result.best_config

===================  =================================================================
`Sweep`, `run`       a sweep, and running it; `load_sweep` reads one from a file
`SweepResult`        what it came to
`cli`                the same from the command line
===================  =================================================================
"""

from metahp_cluster.results import SweepResult
from metahp_cluster.run import run
from metahp_cluster.spec import Budget, Resources, Sweep, load_sweep

__all__ = ["Budget", "Resources", "Sweep", "SweepResult", "load_sweep", "run"]
