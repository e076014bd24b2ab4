"""Damaged, lost, foreign and overlapping segments."""

import errno
import json
import logging
import os
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas
import polars
import pyarrow as pa
import pytest

import metahp.store
from metahp import shipped
from metahp.store import Store, sealing, segments
from metahp.types import Measurement

CONFIG = {"lr": 0.1, "kernel": (3, 3)}
ROWS = 40


@pytest.fixture
def pieces(store, sweep, monkeypatch):
    """A store with four segments of results that were not merged, its driver gone."""
    monkeypatch.setattr(sealing, "_chunks", lambda first, last: [(first, last)] if first <= last else [])
    monkeypatch.setattr("metahp.store.segments.Segments.merge", lambda *_: None)
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG)
        for step in range(1, ROWS + 1):
            writer.record("t", Measurement(step, step / 100))
            if step % 10 == 0:
                writer.seal()
    monkeypatch.undo()
    assert len(results(store)) == 4
    return store


def results(store) -> list[Path]:
    return sorted(store.path.glob("results/*/seg-*.parquet"))


def read_steps(store) -> list[int]:
    """By a reader that has seen nothing before."""
    return [step for batch in Store(store.path).scan(columns=["step"]) for step in batch["step"].to_pylist()]


DAMAGE = {
    "torn": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "empty": lambda path: path.write_bytes(b""),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "flipped": lambda path: flip(path, path.stat().st_size * 4),
    "flipped footer": lambda path: flip(path, (path.stat().st_size - 60) * 8),
    "text": lambda path: path.write_text("hello"),
    "renamed": lambda path: path.rename(path.with_name("notes.parquet")),
    "other range": lambda path: path.rename(path.with_name(path.name.replace("seg-000000000011", "seg-000000000012"))),
    "a link": lambda path: (path.rename(path.parents[3] / "x"), path.symlink_to(path.parents[3] / "x")),
    "a directory": lambda path: (path.unlink(), path.mkdir()),
}


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_only_the_damaged_rows_are_missing(pieces, damage, caplog):
    caplog.set_level(logging.WARNING)
    damage(results(pieces)[1])
    expected = [*range(1, 11), *range(21, ROWS + 1)]
    assert read_steps(pieces) == expected
    assert "cannot be trusted" in caplog.text
    assert [str(h)[:28] for h in Store(pieces.path).holes()] == ["results: rows 11-20 of spool"]
    reasons = list(pieces.path.glob("quarantine/results/*/*.reason.json"))
    assert len(reasons) == 1
    assert json.loads(reasons[0].read_text())["reason"]
    assert len(results(pieces)) == 3
    caplog.clear()
    assert list(Store(pieces.path).history("sweep-1").trials[0].curve.steps) == expected
    assert not caplog.records  # said once


def test_a_segment_of_another_spool_is_refused(pieces, store, sweep):
    mine = results(pieces)
    with store.open_sweep(sweep) as writer:
        for step in range(101, 201):
            writer.record("t", Measurement(step, 0.5))
    (foreign,) = set(results(store)) - set(mine)
    shutil.copy(foreign, mine[1].with_name(foreign.name))
    assert sorted(read_steps(pieces)) == [*range(1, ROWS + 1), *range(101, 201)]
    assert len(list(pieces.path.glob("quarantine/results/*/*.reason.json"))) == 1


def mutate(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """Torn, overwritten, zeroed, with a flipped bit, with something behind it, or another segment."""
    damaged = bytearray(content)
    start, length = rng.randrange(len(content)), rng.randrange(1, 64)
    match rng.randrange(6):
        case 0:
            damaged[start] ^= 1 << rng.randrange(8)
        case 1:
            del damaged[start:]
        case 2:
            damaged[start : start + length] = rng.randbytes(length)
        case 3:
            damaged[start:] = bytes(len(content) - start)
        case 4:
            damaged += rng.randbytes(length)
        case 5:
            damaged[:] = other
    return bytes(damaged)


def test_a_thousand_mutations_are_all_noticed(pieces):
    rng = random.Random(0)
    path, other = results(pieces)[2], results(pieces)[0].read_bytes()
    content = path.read_bytes()
    for _ in range(1000):
        damaged = mutate(content, other, rng)
        place = path if rng.random() < 0.8 else path.with_name(rename(path.name, rng))
        path.unlink(missing_ok=True)
        place.write_bytes(damaged if place == path else content)
        segments = Store(pieces.path)._tables["results"]
        (spool,) = segments.spools()
        assert [s.first for s in segments.cover(spool)] == [1, 11, 31] or (damaged, place) == (content, path)
        place.unlink(missing_ok=True)
        shutil.rmtree(pieces.path / "quarantine", ignore_errors=True)
    path.write_bytes(content)
    assert read_steps(pieces) == list(range(1, ROWS + 1))


def rename(name: str, rng: random.Random) -> str:
    """Another digit somewhere in the name."""
    digits = [index for index, letter in enumerate(name) if letter.isdigit()]
    index = rng.choice(digits)
    return name[:index] + str((int(name[index]) + rng.randrange(1, 10)) % 10) + name[index + 1 :]


def test_a_store_that_cannot_be_changed_is_read_around_the_damage(pieces, monkeypatch, caplog):
    def refuse(*_args, **_kwargs):
        raise OSError(30, "Read-only file system")

    DAMAGE["torn"](results(pieces)[1])
    monkeypatch.setattr("metahp.store.places.os.rename", refuse)
    assert read_steps(pieces) == [*range(1, 11), *range(21, ROWS + 1)]
    assert "left where it is (Read-only file system)" in caplog.text
    assert len(results(pieces)) == 4


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES], ids=errno.errorcode.get)
def test_a_file_that_the_disk_does_not_give_hides_no_other(pieces, monkeypatch, caplog, number):
    broken, read = results(pieces)[1], Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path == broken:
            raise OSError(number, os.strerror(number))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    reader = Store(pieces.path)
    for _ in range(2):
        assert [step for b in reader.scan(columns=["step"]) for step in b["step"].to_pylist()] == [
            *range(1, 11),
            *range(21, ROWS + 1),
        ]
    assert caplog.text.count(os.strerror(number)) == 1
    assert [(hole.first, hole.last) for hole in reader.holes()] == [(11, 20)]
    assert reader.check().in_place == (f"results/{broken.parent.name}/{broken.name}",)
    assert broken.exists()
    monkeypatch.undo()
    assert len(reader.holes()) == 1  # it is not asked for again at once
    monkeypatch.setattr(segments, "monotonic", lambda: float("inf"))
    assert reader.holes() == []
    assert sum(batch.num_rows for batch in reader.scan()) == ROWS


def test_damage_after_the_first_look_is_noticed_too(pieces):
    reader = Store(pieces.path)
    assert sum(batch.num_rows for batch in reader.scan()) == ROWS
    DAMAGE["torn"](results(pieces)[1])
    assert sum(batch.num_rows for batch in reader.scan()) == ROWS - 10


def test_a_deleted_segment_is_a_hole_and_stops_the_cursor(pieces):
    before = pieces.cursor()
    results(pieces)[1].unlink()
    (spool,) = pieces._tables["results"].spools()
    assert pieces.cursor().at("results", spool) == 10
    assert before.at("results", spool) == ROWS
    assert len(pieces.holes()) == 1


def test_merging_can_stop_anywhere(pieces):
    """Before the small segments are gone, rows are in two files and count once."""
    kept = [(path, path.read_bytes()) for path in results(pieces)]
    segments = Store(pieces.path)._tables["results"]
    (spool,) = segments.spools()
    segments.merge(spool, 1, ROWS)
    assert len(results(pieces)) == 1
    for path, content in kept[1:3]:
        path.write_bytes(content)
    assert read_steps(pieces) == list(range(1, ROWS + 1))
    assert len(pieces._tables["results"].cover(spool)) == 1
    (merged,) = [path for path in results(pieces) if "-000000000040-" in path.name]
    merged.unlink()
    assert read_steps(pieces) == list(range(11, 31))


def test_overlapping_stretches_count_each_row_once(pieces):
    segments = Store(pieces.path)._tables["results"]
    (spool,) = segments.spools()
    rows = pa.Table.from_batches(segments.read(spool))
    segments.write(spool, rows.slice(14, 20))  # rows 15-34
    assert read_steps(pieces) == list(range(1, ROWS + 1))
    assert pieces.holes() == []


def test_a_segment_that_is_merged_while_it_is_read(pieces):
    reader = Store(pieces.path)
    batches = reader.scan(columns=["step"])
    seen = next(batches)["step"].to_pylist()
    other = Store(pieces.path)._tables["results"]
    other.merge(other.spools()[0], 1, ROWS)
    seen += [step for batch in batches for step in batch["step"].to_pylist()]
    assert seen == list(range(1, ROWS + 1))


def test_small_segments_of_a_running_sweep_are_merged(store, sweep, monkeypatch):
    monkeypatch.setattr(sealing, "MANY_SEGMENTS", 5)
    monkeypatch.setattr(sealing.publish, "__kwdefaults__", {"merge_above": 5})
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG)
        for step in range(1, 21):
            writer.record("t", Measurement(step, 0.1))
            writer.seal()
            assert len(results(store)) <= 6
        assert read_steps(store) == list(range(1, 21))
    assert len(results(store)) == 1


def one_liner(tool: str, store: Store) -> str:
    """What the package's docstring says for a tool."""
    text = metahp.store.__doc__.partition(f"\n{tool}::\n\n")[2].partition("\n\n")[0]
    return " ".join(text.split()).replace("<store>", str(store.path))


def test_other_readers_agree(pieces, store, sweep):
    """By the one-liners in the docstring, while small segments that were merged are still there."""
    kept = [(path, path.read_bytes()) for path in results(pieces)]
    pieces.compact()
    for path, content in kept:
        path.write_bytes(content)
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG, restored=True)
        writer.record("t", Measurement(1, 0.5), {"loss": 1.0})
    expected = sorted((row["attempt"], row["step"]) for batch in store.scan() for row in batch.to_pylist())
    assert len(expected) == ROWS + 1
    query = one_liner("DuckDB", store)
    by_duckdb = duckdb.sql(f"SELECT attempt, step FROM ({query})").fetchall()
    by_polars = eval(one_liner("Polars", store), {"pl": polars}).select("attempt", "step").rows()
    by_pandas = eval(one_liner("pandas", store), {"pd": pandas})[["attempt", "step"]].itertuples(index=False)
    assert sorted(by_duckdb) == sorted(by_polars) == sorted(map(tuple, by_pandas)) == expected
    loss = duckdb.sql(f"SELECT metrics['loss'] FROM ({query}) WHERE attempt = 2").fetchall()
    assert loss[0][0] in (1.0, [1.0])


def test_nothing_but_parquet_and_json_is_written(pieces):
    files = [path for path in pieces.path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".parquet", ".json"}


def test_no_file_of_a_predictor_is_a_pickle():
    """What ships has the files of a version in ``models/``, both by `KerasPredictor.save`."""
    files = [path for path in Path(shipped.__file__).parent.iterdir() if path.suffix not in (".py", ".pyc")]
    assert {path.suffix for path in files if path.is_file()} == {".json", ".npz"}
    for path in files:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                assert {arrays[name].dtype.kind for name in arrays} <= set("biufU")


def test_nothing_that_a_store_holds_is_ever_unpickled():
    unpickle = re.compile(
        r"^\s*(?:import|from) (?:\w*pickle|dill|joblib|shelve|marshal)|allow_pickle=True|read_pickle", re.M
    )
    sources = list(Path(metahp.__file__).parent.rglob("*.py"))
    assert len(sources) > 60
    assert not [path for path in sources if unpickle.search(path.read_text())]


def test_names_never_become_paths(store, sweep):
    for name in ("../../etc/x", "a=b/c", "~/x", "x\u202ey"):
        with store.open_sweep(replace(sweep, sweep_id=name, name=name)) as writer:
            writer.start_attempt(name, {**CONFIG, "../up": 1})
            writer.record(name, Measurement(1, 0.5), {"../../m": 1.0})
        assert store.history(name).trials[0].trial_id == name
    names = {entry for _, folders, files in os.walk(store.path.parent) for entry in (*folders, *files)}
    assert not [entry for entry in names if "etc" in entry or ".." in entry or "x\u202ey" in entry]
