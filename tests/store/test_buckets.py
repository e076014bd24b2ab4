"""A store in a bucket, on a server that speaks S3."""

import contextlib
import pickle
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import obstore
import pytest

from metahp.errors import StoreError
from metahp.store import Store, layout
from metahp.types import Measurement

CONFIG = {"lr": 0.1, "kernel": (3, 3)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, Path(__file__).with_name("s3_server.py"), url.rpartition(":")[2]]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(urllib.request.Request(f"{url}/team", method="PUT"))
                break
            time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def bucket(server, monkeypatch, tmp_path) -> str:
    """A place in a bucket that no other test uses."""
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    return f"s3://team/{tmp_path.name}/sweeps"


@pytest.fixture
def cloud(bucket, spool_dir) -> Store:
    return Store(bucket, spool_dir=spool_dir)


def write(store: Store, sweep, steps, seal_every: int = 10**9) -> None:
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG)
        for step in steps:
            writer.record("t", Measurement(step, step / 10, float(step)))
            if step % seal_every == 0:
                writer.seal()


def steps_of(store: Store) -> list[int]:
    return sorted(step for batch in store.scan(columns=["step"]) for step in batch["step"].to_pylist())


def objects(store: Store, table: str = "results") -> list[str]:
    place = store._place
    return [f"{table}/{f.name}/{o.name}" for f in place.list(table) for o in place.list(f"{table}/{f.name}")]


def test_a_sweep_goes_into_a_bucket_and_comes_back(cloud, bucket, sweep, spool_dir):
    write(cloud, sweep, range(1, 31), seal_every=10)
    again = Store(bucket + "/", spool_dir=spool_dir, create=False)
    assert (again.store_id, again.location, repr(again)) == (cloud.store_id, bucket, f"Store('{bucket}')")
    assert steps_of(again) == list(range(1, 31))
    assert again.curves() == cloud.curves()
    assert again.check().is_whole
    assert len(objects(cloud)) == 1  # merged
    assert steps_of(pickle.loads(pickle.dumps(again))) == list(range(1, 31))
    write(again, sweep, [5])
    assert list(again.history("sweep-1").trials[0].curve.steps) == [1, 2, 3, 4, 5]


def test_it_is_read_from_the_mirror_the_second_time(cloud, bucket, sweep, monkeypatch):
    write(cloud, sweep, [1, 2])
    assert steps_of(Store(bucket)) == [1, 2]
    asked = []
    real = obstore.get
    monkeypatch.setattr("metahp.store.buckets.obstore.get", lambda s, name: asked.append(name) or real(s, name))
    assert steps_of(Store(bucket)) == [1, 2]
    assert asked == ["STORE.json"]
    (copy,) = cloud.path.glob("results/*/*.parquet")
    copy.write_bytes(b"damaged")
    assert steps_of(Store(bucket)) == [1, 2]
    assert Store(bucket).check().is_whole


def test_a_copy_in_the_mirror_that_is_damaged_later_is_fetched_again(cloud, bucket, sweep):
    write(cloud, sweep, [1, 2])
    reader = Store(bucket)
    assert steps_of(reader) == [1, 2]
    (copy,) = reader.path.glob("results/*/*.parquet")
    copy.write_bytes(copy.read_bytes()[:-100])
    assert steps_of(reader) == [1, 2]
    assert reader.check().is_whole


def test_a_bucket_that_denies_is_no_bucket_of_damaged_files(cloud, bucket, sweep, monkeypatch, tmp_path):
    write(cloud, sweep, [1, 2])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    reader = Store(bucket)

    def deny(*_):
        raise obstore.exceptions.PermissionDeniedError("403")

    monkeypatch.setattr("metahp.store.buckets.obstore.get", deny)
    with pytest.raises(StoreError, match=r"cannot read a segment at .*403; give yourself the right"):
        steps_of(reader)
    monkeypatch.undo()


def test_of_many_creators_one_wins(bucket):
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: Store(bucket).store_id, range(8)))
    assert len(ids) == 1
    place = layout.place_of(f"{bucket}/race")
    with ThreadPoolExecutor(8) as pool:
        for n in range(10):
            won = list(pool.map(lambda who, n=n: place.create(f"x/{n}", bytes([who])), range(8)))
            assert won.count(True) == 1
            assert place.read(f"x/{n}") == bytes([won.index(True)])


def test_drivers_at_once(cloud, bucket, sweep, spool_dir):
    def drive(number: int) -> None:
        write(Store(bucket, spool_dir=spool_dir), replace(sweep, sweep_id=f"sweep-{number}"), range(1, 11))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(drive, range(4)))
    assert steps_of(cloud) == sorted([*range(1, 11)] * 4)
    assert len(cloud.sweeps()) == 4


def test_an_answer_that_got_lost_doubles_nothing(cloud, sweep, monkeypatch):
    real, lost = obstore.put, []

    def put(*arguments, **named):
        real(*arguments, **named)
        if not lost:
            lost.append(arguments[1])
            raise obstore.exceptions.GenericError("timed out after success")

    writer = cloud.open_sweep(sweep)
    writer.start_attempt("t", CONFIG)
    writer.record("t", Measurement(1, 0.5))
    monkeypatch.setattr("metahp.store.buckets.obstore.put", put)
    with pytest.raises(StoreError, match="timed out after success; check the network, the bucket and your credentials"):
        writer.seal()
    writer.close()
    assert lost
    assert steps_of(cloud) == [1]
    assert cloud.check().is_whole


def test_damage_in_a_bucket_goes_into_quarantine(cloud, bucket, sweep, tmp_path, monkeypatch):
    monkeypatch.setattr("metahp.store.segments.Segments.merge", lambda *_: None)
    write(cloud, sweep, range(1, 31), seal_every=10)
    name = objects(cloud)[1]
    obstore.put(cloud._place._store, name, b"garbage")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    reader = Store(bucket)
    assert steps_of(reader) == [*range(1, 11), *range(21, 31)]
    report = reader.check()
    assert [(hole.first, hole.last) for hole in report.holes] == [(11, 20)]
    assert len(report.quarantined) == 1
    assert name not in objects(reader)


def test_upkeep_of_a_bucket(cloud, bucket, sweep, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr("metahp.store.segments.Segments.merge", lambda *_: None)
        write(cloud, sweep, range(1, 31), seal_every=10)
    assert cloud.compact().after == 3
    assert steps_of(cloud) == list(range(1, 31))
    assert cloud.export(tmp_path / "x.parquet") == 30
    monkeypatch.setattr("metahp.store.upkeep.age_to_time", lambda _: __import__("datetime").datetime.max)
    assert len(cloud.prune("0d")) == 1
    assert Store(bucket).sweeps() == []
    assert objects(cloud) == []


def test_what_cannot_be_reached_is_one_sentence(bucket, sweep, spool_dir, monkeypatch):
    with pytest.raises(StoreError, match="there is no store at s3://team/"):
        Store(f"{bucket}/none", create=False)
    with pytest.raises(StoreError, match="s3://no-such-bucket/x"):
        Store("s3://no-such-bucket/x")
    obstore.put(layout.place_of(bucket)._store, "thesis.tex", b"")
    with pytest.raises(StoreError, match=r"is no store: it holds 'thesis.tex'"):
        Store(bucket)
    for uri, sentence in (
        ("s3://me:secret@team/x", r"s3://…@team holds credentials; put them into the environment"),
        ("s3:///x", "the URI of a store is s3://bucket/path"),
        ("s3://team/x?region=1", "the URI of a store is s3://bucket/path"),
    ):
        with pytest.raises(StoreError, match=sentence):
            Store(uri)


KEYS = {
    "gs": {"GOOGLE_SKIP_SIGNATURE": "true"},
    "az": {"AZURE_STORAGE_ACCOUNT_NAME": "team", "AZURE_STORAGE_ACCOUNT_KEY": "a2V5"},
}


@pytest.mark.parametrize("scheme", KEYS)
@pytest.mark.parametrize(
    ("path", "location", "prefix"), [("team/a/b/", "team/a/b", "a/b"), ("team", "team", None), ("team/", "team", None)]
)
def test_google_and_azure_are_addressed_like_s3(monkeypatch, tmp_path, scheme, path, location, prefix):
    """No server of theirs is at hand: only what is asked of whom, not what it answers."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, value in KEYS[scheme].items():
        monkeypatch.setenv(name, value)
    place = layout.place_of(f"{scheme}://{path}")
    assert (place.location, place._store.prefix) == (f"{scheme}://{location}", prefix)
    assert "team" in {place._store.config.get("bucket"), place._store.config.get("container_name")}
    assert place.directory != layout.place_of(f"s3://{path}").directory


def test_an_azure_account_that_was_not_named_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(
        StoreError, match=r"cannot use az://team/x: .*Account must be specified; see metahp\.store\.buck"
    ):
        layout.place_of("az://team/x")


def busy(server: str, answers: int) -> None:
    urllib.request.urlopen(urllib.request.Request(f"{server}/_busy?answers={answers}", method="PUT"))


def test_a_busy_server_is_asked_again(cloud, bucket, server, sweep):
    with cloud.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG)
        writer.record("t", Measurement(1, 0.5))
        busy(server, 3)
        writer.seal()
        writer.record("t", Measurement(2, 0.5))
        busy(server, 2)
    busy(server, 2)
    assert steps_of(Store(bucket)) == [1, 2]
    assert cloud.check().is_whole


def test_a_server_that_stays_busy_delays_publishing_only(cloud, server, sweep):
    writer = cloud.open_sweep(sweep)
    writer.start_attempt("t", CONFIG)
    writer.record("t", Measurement(1, 0.5))
    busy(server, 1000)
    try:
        with pytest.raises(
            StoreError, match=r"after 4 retries.*check the network, the bucket and your cred"
        ) as refusal:
            writer.seal()
    finally:
        busy(server, 0)
    assert not {"\n", "<"} & set(str(refusal.value))
    writer.close()
    assert steps_of(cloud) == [1]


def test_a_bucket_that_goes_away_delays_publishing_only(cloud, sweep, spool_dir, monkeypatch, caplog):
    away = threading.Event()
    real = obstore.put

    def put(*arguments, **named):
        if away.is_set():
            raise obstore.exceptions.GenericError("connection refused")
        return real(*arguments, **named)

    monkeypatch.setattr("metahp.store.buckets.obstore.put", put)
    writer = cloud.open_sweep(sweep)
    writer.start_attempt("t", CONFIG)
    away.set()
    for step in range(1, 6):
        assert writer.record("t", Measurement(step, 0.5))
    with pytest.raises(StoreError, match=r"cannot publish .* connection refused; check the network"):
        writer.close()
    away.clear()
    assert cloud.recover().published
    assert steps_of(cloud) == [1, 2, 3, 4, 5]
