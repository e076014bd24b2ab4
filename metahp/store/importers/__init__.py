"""Histories of other tools, read as sweeps that `metahp.store.Store.import_sweep` takes. Nothing is ever unpickled.

===================  ====================================================================
`ray_experiments`    the result directories of Ray Tune
`optuna_studies`     the studies in an Optuna storage
`table_sweeps`       a long table in CSV or Parquet, one row per report
`infer_space`        a search space from configurations, where nobody wrote it down
===================  ====================================================================
"""

from metahp.store.importers.found import FoundSweep
from metahp.store.importers.inference import infer_space
from metahp.store.importers.optuna_studies import optuna_studies
from metahp.store.importers.ray_experiments import ray_experiments
from metahp.store.importers.tables import Columns, table_sweeps

__all__ = ["Columns", "FoundSweep", "infer_space", "optuna_studies", "ray_experiments", "table_sweeps"]
