"""A store that an earlier version wrote is read for ever."""

import runpy
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from metahp.store import Store
from metahp.types import MadeDecision, Measurement

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


def told(made: MadeDecision) -> str:
    """What version 1 wrote of a decision, as text: NaN is not NaN."""
    known = ("action", "reason", "probability", "threshold", "forecast", "propensity", "carried_out", "acquisition")
    return repr([made.trial_id, made.step, made.model_version, *(getattr(made.decision, name) for name in known)])


def test_old_decisions_are_read_and_continued(tmp_path):
    shutil.copytree(GOLDEN / "store_v1_decisions", tmp_path / "store")
    made = runpy.run_path(str(GOLDEN / "make_store_v1_decisions.py"))
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    assert store.curves() == [made["HISTORY"]]
    assert list(map(told, store.decisions("sweep-two"))) == list(map(told, made["DECISIONS"]))
    assert store.check().is_whole
    more = replace(made["DECISIONS"][-1], step=3)
    with store.open_sweep(made["SWEEP"]) as writer:
        writer.start_attempt("a", {"lr": 0.5, "api_key": "open sesame"}, restored=True)
        writer.record_decision(more)
    assert list(map(told, store.decisions("sweep-two"))) == list(map(told, [*made["DECISIONS"], more]))
