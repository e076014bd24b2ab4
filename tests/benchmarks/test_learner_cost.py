"""The store in which the cost of learning is measured holds what it says."""

from pathlib import Path

from benchmarks.learner_cost import ROWS, add_sweep
from metahp.store import Store


def test_its_sweeps_are_as_good_as_real_ones(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    add_sweep(store, 0)
    (own,) = store.curves()
    assert sum(len(trial.curve) for trial in own.trials) == ROWS
    assert all(own.sweep.space.contains(trial.config) for trial in own.trials)
    assert len({trial.curve.last_step for trial in own.trials}) == 1
    assert store.check().is_whole
