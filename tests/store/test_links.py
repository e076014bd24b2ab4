"""A link below a store leads to what is not the store's: nothing there is read, moved or deleted."""

import logging
import os
from pathlib import Path
from uuid import uuid4

import pytest

from metahp import models, versions
from metahp.errors import StoreError
from metahp.store import Store, upkeep
from metahp.types import Measurement

CONFIG = {"lr": 0.1, "kernel": (3, 3)}


@pytest.fixture
def written(store, sweep) -> Store:
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG)
        writer.record("t", Measurement(1, 0.5))
    return store


@pytest.fixture
def victim(tmp_path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    (folder / ".tmp-notes").write_text("more of it")
    for name in (".tmp-notes", "thesis.tex"):
        os.utime(folder / name, (0, 0))
    return folder


def untouched(victim: Path) -> bool:
    return sorted(path.name for path in victim.iterdir()) == [".tmp-notes", "thesis.tex"]


def test_the_folder_of_a_driver_run_that_is_a_link_is_left_alone(written, victim, caplog):
    caplog.set_level(logging.WARNING)
    for table in ("sweeps", "trials", "results", "decisions"):
        (written.path / table / f"spool={uuid4()}").symlink_to(victim)
    reader = Store(written.path, spool_dir=written._spool_root)
    assert sum(batch.num_rows for batch in reader.scan()) == 1
    reader.cursor()
    reader.check()
    reader.compact()
    assert untouched(victim)
    assert "it is a link; what lies behind it is not read" in caplog.text
    assert not (written.path / "quarantine").exists()


def test_pruning_follows_no_link(written, victim, monkeypatch):
    (spool,) = written._tables["sweeps"].spools()
    folder = written.path / "decisions" / f"spool={spool}"
    folder.rmdir()
    folder.symlink_to(victim)
    monkeypatch.setattr(upkeep, "_now", lambda: __import__("datetime").datetime.max)
    with pytest.raises(StoreError, match=r"is a link, and a store holds none; put the folder itself there"):
        written.prune("1h")
    assert untouched(victim)


def test_nothing_is_moved_into_a_quarantine_that_is_a_link(written, victim, caplog):
    (written.path / "quarantine").symlink_to(victim)
    (segment,) = written.path.glob("results/*/seg-*")
    segment.write_bytes(b"damaged")
    assert list(Store(written.path).scan()) == []
    assert "left where it is" in caplog.text
    assert segment.exists()
    assert untouched(victim)


def test_a_table_that_is_a_link_is_refused(written, victim):
    (written.path / "results").rename(victim.parent / "results")
    (written.path / "results").symlink_to(victim.parent / "results")
    with pytest.raises(StoreError, match=r"results is a link, and a store holds none"):
        list(Store(written.path).scan())


def test_the_models_of_somebody_else_are_not_tidied_away(written, victim):
    for name in "abcde":
        (victim / name).mkdir()
    (written.path / "models").symlink_to(victim)
    assert models.newest_version(written) is None
    versions.tidy(written)
    assert all((victim / name).is_dir() for name in "abcde")
