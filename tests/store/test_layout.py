import json
from pathlib import Path

import pytest

from metahp.errors import StoreError, StoreVersionError
from metahp.store import Cursor, Store


def rewrite(store: Store, **changes) -> None:
    file = store.path / "STORE.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_store_is_created_where_there_is_none(tmp_path):
    store = Store(tmp_path / "a" / "b")
    assert store.path == tmp_path / "a" / "b"
    assert Store(store.path).store_id == store.store_id
    assert store.sweeps() == store.curves() == store.holes() == []
    assert list(store.scan()) == []


def test_places_by_uri_home_and_relative_path(tmp_path, monkeypatch):
    store = Store(tmp_path / "a b")
    assert Store(f"file://{tmp_path}/a%20b").store_id == store.store_id
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Store("~/a b").store_id == store.store_id
    monkeypatch.chdir(tmp_path)
    assert Store("a b").path == store.path


@pytest.mark.parametrize("uri", ["ftp://host/x", "file://host/x", "HTTP://x"])
def test_other_uris_are_refused(uri):
    with pytest.raises(StoreError, match=r"use a path, e\.g\. ~/sweeps, or a bucket: s3://, gs://, az://"):
        Store(uri)


def test_the_spool_is_in_the_state_directory(tmp_path, monkeypatch, sweep):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    store = Store(tmp_path / "store")
    writer = store.open_sweep(sweep)
    assert list((tmp_path / "state" / "metahp" / "spool" / store.store_id).glob("*.db"))
    writer.close()


def test_other_directories_are_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(
        StoreError, match=r"is no store: it holds 'thesis.tex' and no STORE.json; use a new or an empty"
    ):
        Store(tmp_path)
    with pytest.raises(StoreError, match="use the path of a directory"):
        Store(tmp_path / "thesis.tex")


@pytest.mark.parametrize(
    "text", ["", "[" * 100_000, "[]", "{}", '{"format": "x"}', "\xff", '{"format": "metahp-store"}']
)
def test_a_broken_description_is_refused(store, text):
    (store.path / "STORE.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreError, match=r"STORE.json does not describe a store .* restore it from a backup"):
        Store(store.path)


def test_the_store_id_is_not_trusted_as_a_path(store):
    rewrite(store, store_id="../../etc")
    with pytest.raises(StoreError, match="does not describe a store"):
        Store(store.path)


def test_a_store_of_a_newer_version_is_refused(store):
    before = (store.path / "STORE.json").read_text()
    rewrite(store, format_version=3, min_reader_version=2)
    with pytest.raises(
        StoreVersionError, match=r"needs a MetaHP that reads format version 2, this one .* upgrade MetaHP"
    ):
        Store(store.path)
    rewrite(store, **json.loads(before))


def test_a_newer_store_that_can_be_read_is_not_written(store, sweep):
    rewrite(store, format_version=2)
    newer = Store(store.path)
    assert newer.sweeps() == []
    with pytest.raises(StoreVersionError, match="has format version 2, this MetaHP writes 1; upgrade MetaHP to add"):
        newer.open_sweep(sweep)
    assert sorted(path.name for path in Path(store.path).iterdir()) == ["STORE.json"]


def test_cursor_json():
    cursor = Cursor({"sweeps": {"a": 1}, "results": {"a": 7, "b": 9}})
    assert Cursor.from_json(cursor.to_json()) == cursor
    assert (cursor.at("results", "b"), cursor.at("trials", "b"), cursor.at("results", "c")) == (9, 0, 0)
    for text in ("", "[1]", '{"results": 3}', '{"results": {"a": "x"}}'):
        with pytest.raises(StoreError, match="not a cursor of a store"):
            Cursor.from_json(text)
