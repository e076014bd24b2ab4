"""Cuts the power at random moments and looks whether anything a driver had accepted is lost.

    sudo python tests/store/power.py --images 20 [--seed 0] [--directory DIR]

Store and spool lie on an ext4 file system in an image file. A driver reports, publishes and merges as fast as it can;
at a random moment it is stopped and the image is copied: the copy holds what had reached the disk, and nothing that
only the kernel knew. It is mounted, which replays its journal, and must hold every accepted report once. What a real
disk does with its own cache is not simulated. Needs the right to mount; prints one line of JSON and exits with 1 if
anything was lost or doubled.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storm import SWEEP, drive, fork, keys

from metahp.store import Store

WITH_MKFS = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # not on every user's path
IMAGE_MB = 48
Key = tuple[str, int, int]


@contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    at.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", image, at], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", at], check=True)


def cut(directory: Path, seconds: float, seed: int) -> tuple[set[Key], Path]:
    """Runs a driver for a while; returns what it had accepted, and the disk as it was at that moment."""
    image, copy = directory / "disk.img", directory / "copy.img"
    with image.open("wb") as file:
        file.truncate(IMAGE_MB << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, env=os.environ | {"PATH": WITH_MKFS})
    with mounted(image, directory / "disk") as disk:
        pid, pipe = fork(lambda pipe: drive(disk / "store", disk / "spool", pipe, seed))
        time.sleep(seconds)
        os.kill(pid, signal.SIGSTOP)
        os.set_blocking(pipe, False)
        said = read_all(pipe)
        shutil.copyfile(image, copy)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(pipe)
    return {key_of(line) for line in said.decode().splitlines() if line != "ready"}, copy


def read_all(pipe: int) -> bytes:
    said = b""
    while True:
        try:
            said += os.read(pipe, 1 << 16)
        except BlockingIOError:
            return said[: said.rfind(b"\n") + 1]


def key_of(line: str) -> Key:
    trial, attempt, step = line.split()
    return trial, int(attempt), int(step)


def found(directory: Path, copy: Path) -> dict[str, object]:
    with mounted(copy, directory / "after") as disk:
        store = Store(disk / "store", spool_dir=disk / "spool")
        store.open_sweep(SWEEP).close()
        report = store.check()
        return {"keys": keys(Store(disk / "store")), "holes": len(report.holes), "bad": len(report.quarantined)}


def storm_of_cuts(directory: Path, images: int, seed: int) -> dict[str, int]:
    rng = random.Random(seed)
    total = dict.fromkeys(("images", "accepted", "lost", "doubled", "holes", "unreadable"), 0)
    for number in range(images):
        # Every fourth driver ends by itself after a while; these must not.
        accepted, copy = cut(directory, rng.uniform(0.3, 1.5), seed * 7919 + number * 4 + 1)
        there = found(directory, copy)
        total["images"] += 1
        total["accepted"] += len(accepted)
        total["lost"] += len(accepted - set(there["keys"]))
        total["doubled"] += sum(count > 1 for count in there["keys"].values())
        total["holes"] += there["holes"]
        total["unreadable"] += there["bad"]
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as temporary:
        result = storm_of_cuts(Path(temporary), options.images, options.seed)
    print(json.dumps(result))
    return int(any(result[promise] for promise in ("lost", "doubled", "holes", "unreadable")))


if __name__ == "__main__":
    sys.exit(main())
