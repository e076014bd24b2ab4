"""Checking, recovering, merging, exporting and pruning: in Python and by ``metahp store``."""

import json
import os
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from metahp.errors import MetaHPError, StoreError
from metahp.store import Store, sealing, upkeep
from metahp.store import files as store_files
from metahp.types import Measurement
from metahp_cluster import store_cli

CONFIG = {"lr": 0.1, "kernel": (3, 3)}


def write(store: Store, sweep, steps, seal_every: int = 10**9) -> str:
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG)
        for step in steps:
            writer.record("t", Measurement(step, step / 10, float(step)), {"loss": 1.0 / step})
            if step % seal_every == 0:
                writer.seal()
        return writer._spool.spool_id


@pytest.fixture
def pieces(store, sweep, monkeypatch):
    """A store whose results lie in four files."""
    monkeypatch.setattr("metahp.store.segments.Segments.merge", lambda *_: None)
    write(store, sweep, range(1, 41), seal_every=10)
    monkeypatch.undo()
    assert len(files(store)) == 4
    return store


def files(store: Store) -> list[Path]:
    return sorted(store.path.glob("results/*/seg-*.parquet"))


def steps_of(store: Store) -> list[int]:
    return [step for batch in Store(store.path).scan(columns=["step"]) for step in batch["step"].to_pylist()]


def test_merging_goes_on_where_the_owner_of_a_driver_run_tidies_up_meanwhile(pieces, monkeypatch):
    """Who finishes with a run deletes all half-written files in its folder, and somebody may be merging just then."""
    segments = pieces._tables["results"]
    [spool_id], sync, tidied = segments.spools(), store_files.sync, []

    def tidied_first(path: Path) -> None:
        if not tidied and path.match("results/*/.tmp-*"):
            segments.tidy(spool_id)
            tidied.append(path)
        sync(path)

    monkeypatch.setattr(store_files, "sync", tidied_first)
    assert pieces.compact().after == 3  # a file for each table that has rows
    assert tidied
    assert steps_of(pieces) == list(range(1, 41))


def test_a_whole_store_is_whole(pieces):
    report = pieces.check()
    assert report.is_whole
    assert (report.tables["results"].rows, report.tables["results"].segments) == (40, 4)
    assert report.tables["results"].bytes == sum(path.stat().st_size for path in files(pieces))


@pytest.mark.parametrize("place", [1, 3], ids=["in the middle", "at the end"])
def test_damage_is_found_and_can_be_accepted(pieces, place):
    path = files(pieces)[place]
    content = path.read_bytes()
    path.write_bytes(content[:100])
    pieces.cursor()
    report = Store(pieces.path).check()
    assert not report.is_whole
    assert [(hole.first, hole.last) for hole in report.holes] == [(place * 10 + 1, place * 10 + 10)]
    assert list(report.quarantined.values()) == [
        f"its content does not have the digest in its name: rows {place * 10 + 1}-{place * 10 + 10} skipped"
    ]
    assert pieces.cursor().at("results", report.holes[0].spool_id) == place * 10
    assert len(pieces.accept_holes()) == 1
    assert Store(pieces.path).check().is_whole
    assert pieces.cursor().at("results", report.holes[0].spool_id) == (40 if place == 1 else 30)
    path.write_bytes(content)  # it was found in a backup after all
    assert steps_of(pieces) == list(range(1, 41))
    assert Store(pieces.path).check().is_whole


@pytest.mark.parametrize("whole_folder", [False, True])
def test_a_file_deleted_from_the_end_is_missed(pieces, whole_folder):
    spool = pieces._tables["results"].spools()[0]
    for path in files(pieces)[0 if whole_folder else 3 :]:
        path.unlink()
    if whole_folder:
        (pieces.path / "results" / f"spool={spool}").rmdir()
    first = 1 if whole_folder else 31
    assert [(h.first, h.last) for h in Store(pieces.path).holes()] == [(first, 40)]
    assert len(pieces.accept_holes()) == 1
    assert Store(pieces.path).check().is_whole


def test_an_accepted_hole_that_grows_is_a_hole_again(pieces):
    files(pieces)[1].unlink()
    pieces.accept_holes()
    files(pieces)[1].unlink()
    assert [(hole.first, hole.last) for hole in Store(pieces.path).check().holes] == [(11, 30)]


def test_a_segment_of_elsewhere_is_no_loss(pieces, store, sweep):
    other = write(store, replace(sweep, sweep_id="other"), range(1, 101))
    (foreign,) = store.path.glob(f"results/spool={other}/*")
    (files(store)[0].parent / foreign.name).write_bytes(foreign.read_bytes())
    report = store.check()
    assert report.is_whole
    assert len(report.quarantined) == 1


def test_a_report_in_two_driver_runs_is_found(store, sweep):
    write(store, sweep, [1, 2])
    spool = store._tables["results"].spools()[0]
    copy = "00000000-0000-7000-8000-000000000000"
    rows = next(store._tables["results"].read(spool))
    for table in store._tables.values():
        table.open_spool(copy)
    store._tables["results"].write(copy, pyarrow.Table.from_batches([rows]))
    report = Store(store.path).check()
    assert report.doubled == {"sweep-1": 2}
    assert not report.is_whole


def test_a_dead_driver_is_recovered(store, sweep):
    writer = store.open_sweep(sweep)
    writer.start_attempt("t", CONFIG)
    writer.record("t", Measurement(1, 0.5))
    assert store.recover() == sealing.Recovery(alive=(writer._spool.path,))
    assert store.check().waiting == ()
    writer._sealer._waiting = 0
    writer._end()  # as if it was killed
    assert store.check().waiting == (writer._spool.spool_id,)
    assert steps_of(store) == []
    assert store.recover().published == (writer._spool.spool_id,)
    assert steps_of(store) == [1]
    assert store.recover() == sealing.Recovery()


def die(writer) -> None:
    writer._sealer._waiting = 0
    writer._end()


def test_a_spool_that_is_refused_stops_no_other_and_no_new_sweep(store, sweep, caplog, monkeypatch):
    writers = [store.open_sweep(replace(sweep, sweep_id=name)) for name in ("a", "b")]
    for writer in writers:
        writer.start_attempt("t", CONFIG)
        writer.record("t", Measurement(1, 0.5))
    for writer in writers:
        die(writer)
    refused = writers[0]._spool.path
    arrow = sealing.Spool.arrow

    def refuse(spool, *arguments):
        if spool.path == refused:
            raise ValueError("a row that no reader knows")
        return arrow(spool, *arguments)

    monkeypatch.setattr(sealing.Spool, "arrow", refuse)
    with pytest.raises(StoreError, match=r"1 driver runs are not published yet, .* a row that no reader knows"):
        store.recover()
    with store.open_sweep(replace(sweep, sweep_id="a")) as again:  # what is only in the refused spool counts
        assert again.start_attempt("t", CONFIG) == 2
        assert again.history().trials[0].curve.values == [0.5]
    assert "the next one tries again: a row that no reader knows" in caplog.text
    assert {own.sweep.sweep_id: len(own.trials) for own in store.curves()} == {"a": 1, "b": 1}
    monkeypatch.undo()
    assert store.recover().published == (refused.stem,)
    assert store.check().is_whole
    assert [len(own.trials[0].curve) for own in store.curves()] == [1, 1]


def test_compacting_merges_and_tidies(pieces):
    old, young = (files(pieces)[0].parent / f".tmp-{name}" for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    assert pieces.check().left_over == 1
    done = pieces.compact()
    assert (done.after, done.left_over) == (3, 1)  # one of each table
    assert young.exists()
    assert len(files(pieces)) == 1
    assert steps_of(pieces) == list(range(1, 41))
    assert pieces.compact() == upkeep.Compaction(done.after, done.after, 0)


def test_what_killed_writers_left_beside_the_tables_goes_too(pieces):
    """Ends of driver runs, forecasts, notes of what was pruned: all are written beside their names first."""
    spool = files(pieces)[0].parent.name.removeprefix("spool=")
    folders = ["", "ended", "forecasts", "shares", "pruned", f"quarantine/results/{spool}"]
    for folder in folders:
        path = pieces.path / folder / ".tmp-dead"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
        os.utime(path, (time.time() - 7200,) * 2)
    assert pieces.check().left_over == len(folders)
    assert pieces.compact().left_over == len(folders)
    assert not list(pieces.path.rglob(".tmp-*"))


def test_two_mergers_leave_exactly_one_file(pieces, monkeypatch):
    """The worst moment: each has written its own merged file before either deletes anything."""
    segments = Store(pieces.path)._tables["results"]
    (spool,) = segments.spools()
    rows = pyarrow.Table.from_batches(segments.read(spool))
    segments.write(spool, rows)
    segments.write(spool, rows.replace_schema_metadata({"other": "bytes"}).combine_chunks())
    other = rows.set_column(5, rows.schema.field(5), [["ok"] * 40])
    segments.write(spool, other)
    assert len(files(pieces)) >= 5
    for reader in (Store(pieces.path), Store(pieces.path)):
        reader._tables["results"].drop_needless(spool)
    assert len(files(pieces)) == 1
    assert steps_of(pieces) == list(range(1, 41))


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_export(store, sweep, tmp_path, suffix):
    write(store, sweep, [1, 2, 3])
    write(store, sweep, [2])  # begins again before step 2
    write(store, replace(sweep, sweep_id="other"), [1])
    read = pq.read_table if suffix == "parquet" else pyarrow.csv.read_csv
    curves, results = tmp_path / f"curves.{suffix}", tmp_path / f"results.{suffix}"
    assert store.export(curves, "curves", sweep_ids=["sweep-1"]) == 2
    rows = read(curves).to_pylist()
    assert [(row["sweep"], row["trial"], row["step"], row["value"]) for row in rows] == [
        ("sweep-1", "t", 1, 0.1),
        ("sweep-1", "t", 2, 0.2),
    ]
    assert json.loads(rows[0]["config"])["lr"] == 0.1
    assert store.export(results, "results") == 5
    assert read(results).num_rows == 5
    with pytest.raises(StoreError, match="is there already; give another name, or replace it: --replace"):
        store.export(results)
    assert store.export(results, replace=True, sweep_ids=["other"]) == 1
    with pytest.raises(StoreError, match=r"must end in \.parquet or \.csv"):
        store.export(tmp_path / "x.xlsx")
    with pytest.raises(StoreError, match=r"there is no folder .*none; make it first"):
        store.export(tmp_path / "none" / "x.csv")
    with pytest.raises(StoreError, match=r"it is within the store, whose readers would take it for a part"):
        store.export(store.path / "results" / "x.parquet")


def test_pruning_deletes_what_is_old_and_nothing_else(store, sweep, monkeypatch):
    write(store, sweep, [1, 2])
    write(store, replace(sweep, sweep_id="young", name="young"), [1])
    assert store.prune("1h") == []
    monkeypatch.setattr(upkeep, "_now", lambda: datetime.max)
    (old,) = store.prune("1h", sweep_ids=["sweep-1"], dry_run=True)
    assert (old.sweep_id, old.name, old.rows) == ("sweep-1", "digits", 2 + 1 + 2)
    assert len(store.sweeps()) == 2
    assert store.prune("1h", sweep_ids=["sweep-1"]) == [old]
    assert [own.sweep_id for own in store.sweeps()] == ["young"]
    assert Store(store.path).check().is_whole
    (note,) = (store.path / "pruned").iterdir()
    assert json.loads(note.read_text())["sweep_id"] == "sweep-1"


def test_a_sweep_that_is_written_here_is_not_pruned(store, sweep, monkeypatch):
    monkeypatch.setattr(upkeep, "_now", lambda: datetime.max)
    with store.open_sweep(sweep) as writer:
        writer.seal()
        assert store.prune("1h") == []
    assert len(store.prune("1h")) == 1


def test_what_the_predictor_has_not_learned_yet_is_kept(store, sweep, monkeypatch, metahp):
    monkeypatch.setattr(upkeep, "_now", lambda: datetime.max)
    write(store, sweep, [1, 2])
    version = "0195f7c2-5e3a-7b6d-8d4e-3f2a1b0c9d8e"
    card = store.path / "models" / version / "card.json"
    for name, text in ((version, json.dumps({"cursor": json.loads(store.cursor().to_json())})), (".tmp-9", "{}")):
        (store.path / "models" / name).mkdir(parents=True)
        (store.path / "models" / name / "card.json").write_text(text)
    write(store, replace(sweep, sweep_id="new"), [1])
    assert [old.sweep_id for old in store.prune("1h", dry_run=True)] == ["sweep-1"]
    assert [old.is_learned for old in store.prune("1h", dry_run=True, unlearned=True)] == [True, False]
    said = metahp("store", "prune", store.path, "--older-than", "1h")[1]
    assert "1 sweeps would be deleted" in said
    assert "1 more are kept until the predictor has learned from them" in said
    card.write_text("damaged: nobody knows what was learned")
    assert len(store.prune("1h", dry_run=True)) == 2


@pytest.mark.parametrize("age", ["", "90", "d", "-3d", "3y", "9999999999w"])
def test_an_age_is_checked(store, age):
    with pytest.raises(StoreError, match=r"an age is a number of days|before the calendar begins"):
        store.prune(age)


def test_the_commands_on_a_store(pieces, metahp, tmp_path):
    code, said, _ = metahp("store", "info", pieces.path, "--json")
    assert code == 0
    assert said["sweeps"][0] | {"task": 0} == {
        "sweep_id": "sweep-1",
        "name": "digits",
        "metric": "accuracy",
        "mode": "max",
        "task": 0,
        "trials": 1,
        "reports": 40,
        "best": 4.0,
    }
    assert said["tables"]["results"]["rows"] == 40
    assert metahp("store", "check", pieces.path, "--json")[1]["whole"] is True
    assert metahp("store", "recover", pieces.path, "--json") == (
        0,
        {"published": [], "alive": [], "unreadable": [], "refused": {}},
        "",
    )
    assert metahp("store", "compact", pieces.path, "--json")[1]["before"] > 4
    out = tmp_path / "out.csv"
    assert metahp("store", "export", pieces.path, out, "--json")[1] == {"file": str(out), "table": "curves", "rows": 40}
    assert metahp("store", "prune", pieces.path, "--older-than", "1d", "--json")[1] == {"deleted": False, "sweeps": []}


def test_the_commands_in_words(pieces, metahp, tmp_path):
    assert "sweep-1" in metahp("store", "info", pieces.path)[1]
    assert metahp("store", "recover", pieces.path)[1].startswith("published: 0 dead driver runs")
    files(pieces)[1].write_bytes(b"")
    code, said, _ = metahp("store", "check", pieces.path)
    assert code == store_cli.DAMAGED
    assert "missing: results: rows 11-20 of spool" in said
    assert "metahp store check --accept-holes" in said
    assert "NOT whole" in said
    code, said, _ = metahp("store", "check", pieces.path, "--accept-holes")
    assert code == 0
    assert "accepted: 1 holes" in said
    assert "files became" in metahp("store", "compact", pieces.path)[1]
    assert "30 rows of curves are in" in metahp("store", "export", pieces.path, tmp_path / "x.parquet")[1]
    assert "0 sweeps would be deleted" in metahp("store", "prune", pieces.path, "--older-than", "1d")[1]


def test_names_on_a_terminal_are_only_shown(store, sweep, metahp):
    write(store, replace(sweep, name="[/red] \x1b[2J\u202etxt", metric="[bold]m"), [1])
    code, said, _ = metahp("store", "info", store.path)
    assert (code, "[/red] " in said, "[bold]m" in said) == (0, True, True)
    assert not {"\x1b", "\u202e"} & set(said)


def test_an_empty_store_a_missing_one_and_a_wrong_sweep(store, metahp, tmp_path):
    code, said, _ = metahp("store", "info", store.path)
    assert (code, "holds no sweeps yet" in said) == (0, True)
    assert metahp("store", "check", store.path)[0] == 0
    assert "0 rows" in metahp("store", "export", store.path, tmp_path / "none.csv")[1]
    for command in ("info", "check", "recover", "compact"):
        code, _, error = metahp("store", command, tmp_path / "nowhere")
        assert (code, error[:28]) == (2, "metahp: there is no store at")
    assert not (tmp_path / "nowhere").exists()
    code, _, error = metahp("store", "export", store.path, tmp_path / "x.csv", "--sweep", "none")
    assert code == 2
    assert "holds no sweep 'none'; metahp store info lists" in error
    assert issubclass(StoreError, MetaHPError)
