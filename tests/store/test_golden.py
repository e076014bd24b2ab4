"""A store that an earlier version wrote is read for ever."""

import runpy
import shutil
from pathlib import Path

import pytest

from metahp.store import Store
from metahp.types import Measurement

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("version", [1])
def test_an_old_store_is_read_and_continued(tmp_path, version):
    shutil.copytree(GOLDEN / f"store_v{version}", tmp_path / "store")
    expected = runpy.run_path(str(GOLDEN / f"make_store_v{version}.py"))["HISTORY"]
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    assert store.curves() == [expected]
    assert store.holes() == []
    assert not (store.path / "quarantine").exists()
    assert {t: sum(batch.num_rows for batch in store.scan(t)) for t in ("sweeps", "trials", "results")} == {
        "sweeps": 4,
        "trials": 7,
        "results": 10,
    }
    with store.open_sweep(expected.sweep) as writer:
        assert writer.start_attempt("b", expected.trials[1].config) == 3
        assert writer.record("b", Measurement(1, 0.5))
    assert store.history("sweep-one").trials[1].curve.values == [0.5]
