"""Full, read-only, vanished and unsuitable disks; drivers that die."""

import contextlib
import errno
import itertools
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from metahp.errors import StoreError
from metahp.store import Store
from metahp.store.files import network_filesystem
from metahp.types import Measurement

CONFIG = {"lr": 0.1, "kernel": (3, 3)}
MOUNTINFO = """\
22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw
31 22 0:25 / /home rw,relatime shared:9 - nfs4 server:/home rw,vers=4.2
32 31 0:26 / /home/me/fast\\040disk rw - xfs /dev/nvme0n1 rw
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 3 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", path], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def fill(path: Path) -> Path:
    ballast = path / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


def stored(store: Store) -> list[int]:
    return sorted(step for batch in store.scan(columns=["step"]) for step in batch["step"].to_pylist())


def test_a_full_spool_disk_refuses_and_goes_on(tmp_path, small_disk, sweep):
    store = Store(tmp_path / "store", spool_dir=small_disk / "spool")
    writer = store.open_sweep(sweep)
    writer.start_attempt("t", CONFIG)
    accepted = []

    def report_for_ever():
        for step in itertools.count(1):
            writer.record("t", Measurement(step, 0.5), {"note": "x" * 500})
            accepted.append(step)

    ballast = fill(small_disk)
    with pytest.raises(StoreError, match=r"cannot record a result at .*full; free some space; nothing that was acc"):
        report_for_ever()
    assert writer.history().trials[0].curve.last_step == len(accepted)
    ballast.unlink()
    step = len(accepted) + 1
    assert writer.record("t", Measurement(step, 0.5))
    writer.close()
    assert stored(store) == [*accepted, step]


def test_a_full_store_disk_delays_publishing_only(tmp_path, small_disk, sweep, caplog):
    store = Store(small_disk / "store", spool_dir=tmp_path / "spool")
    writer = store.open_sweep(sweep)
    writer.start_attempt("t", CONFIG)
    ballast = fill(small_disk)
    assert writer.record("t", Measurement(1, 0.5))
    with pytest.raises(StoreError, match=r"cannot publish \w+ at .*No space left on device; free some space"):
        writer.seal()
    assert writer.record("t", Measurement(2, 0.5))
    with pytest.raises(StoreError, match="No space left"):
        writer.close()
    ballast.unlink()
    store.open_sweep(replace(sweep, sweep_id="next")).close()
    assert stored(store) == [1, 2]
    assert store.holes() == []


def test_a_store_mounted_read_only_can_be_read_but_not_written(tmp_path, small_disk, sweep):
    store = Store(small_disk / "store", spool_dir=tmp_path / "spool")
    with store.open_sweep(sweep) as writer:
        writer.start_attempt("t", CONFIG)
        for step in range(1, 4):
            writer.record("t", Measurement(step, 0.5))
            writer.seal()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert stored(Store(store.path)) == [1, 2, 3]
    with pytest.raises(StoreError, match=r"cannot write sweeps at .*Read-only file system; mount it writable or use"):
        store.open_sweep(sweep)
    with pytest.raises(StoreError, match=r"cannot open the store at .*Read-only file system"):
        Store(small_disk / "new")
    assert not [path for path in (tmp_path / "spool").rglob("*") if path.is_file()]


def test_a_store_that_was_deleted_meanwhile_loses_nothing(store, sweep, tmp_path):
    writer = store.open_sweep(sweep)
    store.path.rename(tmp_path / "moved")
    writer.start_attempt("t", CONFIG)
    writer.record("t", Measurement(1, 0.5))
    with pytest.raises(StoreError, match="was it deleted or unmounted meanwhile"):
        writer.close()
    (tmp_path / "moved").rename(store.path)
    store.open_sweep(replace(sweep, sweep_id="next")).close()
    assert stored(store) == [1]


def test_a_network_disk_is_told_from_a_local_one():
    assert network_filesystem(Path("/home/me/.local/state"), MOUNTINFO) == "nfs4"
    assert network_filesystem(Path("/home/me/fast disk/spool"), MOUNTINFO) is None
    assert network_filesystem(Path("/var/tmp"), MOUNTINFO) is None
    assert network_filesystem(Path("/var/tmp"), "") is None


def test_an_automounted_disk_is_what_lies_on_top():
    over = "40 22 0:30 / /net/me rw - autofs auto.home rw\n41 40 0:31 / /net/me rw - nfs4 server:/me rw\n"
    assert network_filesystem(Path("/net/me/spool"), MOUNTINFO + over) == "nfs4"
    assert network_filesystem(Path("/net/me"), over + "42 41 0:32 / /net/me rw - ext4 /dev/x rw\n") is None
    bucket = "50 22 0:40 / /mnt/bucket rw - fuse.gcsfuse team rw\n"
    assert network_filesystem(Path("/mnt/bucket/spool"), MOUNTINFO + bucket) == "fuse.gcsfuse"


def test_a_spool_on_a_network_disk_is_refused(store, sweep, monkeypatch):
    monkeypatch.setattr("metahp.store.spool.network_filesystem", lambda _: "nfs4")
    with pytest.raises(StoreError, match=r"the spool needs a local disk, but .* is on nfs4, .* pass spool_dir="):
        store.open_sweep(sweep)


def test_a_broken_spool_is_left_alone_and_stops_nobody(store, sweep, spool_dir, caplog):
    folder = spool_dir / store.store_id
    folder.mkdir(parents=True)
    (folder / "0123.db").write_bytes(b"not sqlite at all" * 100)
    store.open_sweep(sweep).close()
    assert "is not readable and stays as it is" in caplog.text
    assert (folder / "0123.db").exists()


def test_only_the_owner_can_read_the_spool(store, sweep, spool_dir):
    old = os.umask(0)
    try:
        writer = store.open_sweep(sweep)
        files = [path for path in spool_dir.rglob("*") if path.is_file()]
        assert len(files) >= 2
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
        assert (spool_dir / store.store_id).stat().st_mode & 0o777 == 0o700
        writer.close()
    finally:
        os.umask(old)


def test_the_living_are_not_taken_for_dead(store, sweep, spool_dir):
    first = store.open_sweep(sweep)
    first.start_attempt("t", CONFIG)
    with store.open_sweep(replace(sweep, sweep_id="other")):
        pass
    assert first.record("t", Measurement(1, 0.5))
    first.close()
    assert stored(store) == [1]


def test_a_driver_that_was_killed_while_it_started_leaves_nothing_for_long(store, sweep, spool_dir):
    folder = spool_dir / store.store_id
    folder.mkdir(parents=True)
    young, old = (folder / f"0189000{n}-0000-7000-8000-000000000000.lock" for n in (0, 1))
    for lock in (young, old):
        lock.touch()
        lock.with_suffix(".new").touch()
    os.utime(old, (time.time() - 7200,) * 2)
    assert store.recover().unreadable == ()
    assert sorted(path.suffix for path in folder.iterdir()) == [".lock", ".new"]
    assert young.exists()


def test_many_drivers_start_at_once(store, sweep, spool_dir):
    def start(number: int) -> None:
        with Store(store.path, spool_dir=spool_dir).open_sweep(replace(sweep, sweep_id=f"sweep-{number}")) as writer:
            writer.start_attempt("t", CONFIG)
            writer.record("t", Measurement(number, 0.5))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(start, range(1, 33)))
    assert stored(store) == list(range(1, 33))


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS], ids=errno.errorcode.get)
@pytest.mark.parametrize("call", ["write_bytes", "fsync", "link", "unlink"])
def test_a_disk_that_refuses_any_step_of_publishing(store, sweep, monkeypatch, call, number):
    """Reports are accepted meanwhile, the refusal is one sentence, and publishing goes on when the disk works."""

    def refuse(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    writer = store.open_sweep(sweep)
    writer.start_attempt("t", CONFIG)
    with monkeypatch.context() as broken:
        broken.setattr(Path if call in ("write_bytes", "unlink") else os, call, refuse)
        if call == "link":
            broken.setattr(os, "rename", refuse)  # what is tried where there are no hard links
        for step in range(1, 6):
            assert writer.record("t", Measurement(step, 0.5))
        with pytest.raises(StoreError, match=rf"{os.strerror(number)}; \w+") as refusal:
            writer.seal()
        assert "\n" not in str(refusal.value)
        assert writer.record("t", Measurement(6, 0.5))
    writer.close()
    assert stored(store) == [1, 2, 3, 4, 5, 6]
    assert store.check().is_whole


def test_a_disk_that_refuses_to_grow_the_spool(store, sweep):
    """The limit of the process on file sizes makes the kernel refuse sqlite's own writes."""
    writer = store.open_sweep(sweep)
    writer.start_attempt("t", CONFIG)
    writer.record("t", Measurement(1, 0.5))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = writer._spool.path.with_name(f"{writer._spool.path.name}-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"cannot record a result at .*nothing that was accepted"):
            writer.record("t", Measurement(2, 0.5), {"note": "x" * 10_000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert writer.record("t", Measurement(2, 0.5))
    writer.close()
    assert stored(store) == [1, 2]


class BrokenDisk:
    """A connection whose commits fail as sqlite's do when the disk refuses: before or after it has written."""

    def __init__(self, connection: sqlite3.Connection, *, written: bool) -> None:
        self._connection = connection
        self._written = written

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def execute(self, statement: str, *parameters: object) -> sqlite3.Cursor:
        if statement != "COMMIT":
            return self._connection.execute(statement, *parameters)
        if self._written:
            self._connection.execute("COMMIT")
        problem = sqlite3.OperationalError("disk I/O error")
        problem.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise problem


@pytest.mark.parametrize("written", [False, True], ids=["nothing written", "all written"])
def test_a_disk_that_fails_when_a_report_is_synced(store, sweep, written):
    """It is not accepted, and may be sent again, whatever of it had reached the disk."""
    writer = store.open_sweep(sweep)
    writer.start_attempt("t", CONFIG)
    writer.record("t", Measurement(1, 0.5))
    whole = writer._spool._connection
    writer._spool._connection = BrokenDisk(whole, written=written)
    with pytest.raises(StoreError, match=r"cannot record a result at .*: disk I/O error; check the disk; nothing that"):
        writer.record("t", Measurement(2, 0.5))
    assert writer.history().trials[0].curve.last_step == 1
    writer._spool._connection = whole
    writer.record("t", Measurement(2, 0.5))
    writer.record("t", Measurement(3, 0.5))
    writer.close()
    assert stored(store) == [1, 2, 3]
    assert store.check().is_whole


def run_script(name: str, *arguments: str, timeout: float = 540) -> dict[str, int]:
    paths = os.pathsep.join(str(Path(__file__).parents[2] / part) for part in (".", "searchers", "cluster"))
    script = Path(__file__).with_name(name)
    environment = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, script, *arguments], capture_output=True, text=True, timeout=timeout, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_killed_drivers_lose_and_double_nothing():
    result = run_script("storm.py", "--kills", "200")
    assert result["accepted"] > 300
    assert min(result["looks"], result["compactor_kills"], result["compactions"]) > 0


@pytest.mark.slow
def test_a_power_cut_loses_nothing(small_disk):
    if shutil.which("mkfs.ext4", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
        pytest.skip("needs mkfs.ext4")
    result = run_script("power.py", "--images", "2")
    assert result["accepted"] > 0


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_drivers_of_ray_tune_lose_and_double_nothing():
    result = run_script("driver_kills.py", "--kills", "20", timeout=1740)
    assert result["kills"] == 20
    assert min(result["acknowledged"], result["completed"]) > 0
