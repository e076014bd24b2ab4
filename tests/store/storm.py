"""Kills drivers at random moments and looks whether anything they had accepted is lost or doubled.

    python tests/store/storm.py --kills 1000 [--seed 0] [--directory DIR]

Each driver resumes the same sweep (and so publishes what its dead predecessor left), reports as fast as it can and
seals and merges all the time; it says what was accepted through a pipe. A reader looks on, and a process that does
nothing but merge is killed for every driver. All are forked from this process, which keeps to one thread, because
starting Python 1,000 times would take most of the time.

Prints one line of JSON and exits with 1 if a promise was broken. ``kills`` are those of drivers; 1,000 take about half
an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from metahp.space import Float, SearchSpace
from metahp.store import Store, sealing, upkeep
from metahp.store import spool as spools
from metahp.types import Measurement, Sweep

SWEEP = Sweep("storm", SearchSpace({"x": Float(0.0, 1.0)}), "loss", "min")
PATIENCE_S = 30.0
TRIALS = [f"trial-{number}" for number in range(6)]


def value(trial: str, attempt: int, step: int) -> float:
    return TRIALS.index(trial) + attempt * 1000.0 + step / 7


def drive(store_path: Path, spool_dir: Path, pipe: int, seed: int) -> None:
    """Reports until it is killed; every fourth driver ends by itself after a while."""
    sealing.SEAL_S, sealing.SEAL_ROWS = 0.005, 20
    sealing.publish.__kwdefaults__["merge_above"] = 3
    rng = random.Random(seed)
    writer = Store(store_path, spool_dir=spool_dir).open_sweep(SWEEP)
    os.write(pipe, b"ready\n")
    known = {trial.trial_id: trial.curve.last_step for trial in writer.history().trials}
    attempts: dict[str, int] = {}
    for _ in range(60 if seed % 4 == 0 else 1_000_000):
        trial = rng.choice(TRIALS)
        if trial not in attempts or rng.random() < 0.02:
            attempts[trial] = writer.start_attempt(trial, {"x": 0.5}, restored=trial in known)
            known[trial] = max(known.get(trial, 0) - rng.randrange(4), 0)
        known[trial] += 1
        report(writer, pipe, trial, attempts[trial], known[trial])
        if rng.random() < 0.1:  # an answer got lost: it is sent again
            report(writer, pipe, trial, attempts[trial], max(known[trial] - 1, 1))
    writer.close()


def report(writer, pipe: int, trial: str, attempt: int, step: int) -> None:
    writer.record(trial, Measurement(step, value(trial, attempt, step), float(step)), {"loss": step})
    os.write(pipe, f"{trial} {attempt} {step}\n".encode())


def read_on(store_path: Path, pipe: int) -> None:
    """Reads the whole store again and again, each time like a new process."""
    while True:
        seen = keys(Store(store_path))
        doubled = [key for key, count in seen.items() if count > 1]
        os.write(pipe, f"{len(seen)} {len(doubled)}\n".encode())


def merge_on(store_path: Path, spool_dir: Path, pipe: int) -> None:
    """Merges small files again and again, each time like a new process; also what drivers left that are no more."""
    while True:
        done = Store(store_path, spool_dir=spool_dir).compact()
        os.write(pipe, f"{done.before - done.after}\n".encode())


def keys(store: Store) -> Counter[tuple[str, int, int]]:
    return Counter(
        (row["trial_id"], row["attempt"], row["step"])
        for batch in store.scan(columns=["trial_id", "attempt", "step", "objective"])
        for row in batch.to_pylist()
        if row["objective"] == value(row["trial_id"], row["attempt"], row["step"])
    )


def fork(work: Callable[[int], None]) -> tuple[int, int]:
    """Runs ``work(pipe)`` in a child; returns its pid and the end of the pipe to read from."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write_end)
        return pid, read_end
    code = 1
    try:
        os.close(read_end)
        work(write_end)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def kill_after(pid: int, pipe: int, seconds: float, *, once_ready: bool = False) -> tuple[list[str], bool]:
    """Lets a child run and kills it; returns what it said and whether it went wrong by itself.

    With ``once_ready`` time runs from its first word: on a slow disk a driver takes a while to start.
    """
    said = b""
    deadline = time.monotonic() + (PATIENCE_S if once_ready else seconds)
    while (left := deadline - time.monotonic()) > 0:
        if select.select([pipe], [], [], left)[0]:
            chunk = os.read(pipe, 1 << 16)
            if once_ready and not said:
                deadline = time.monotonic() + seconds
            said += chunk
            if not chunk:
                break
    os.kill(pid, signal.SIGKILL)
    while chunk := os.read(pipe, 1 << 16):
        said += chunk
    os.close(pipe)
    _, status = os.waitpid(pid, 0)
    failed = os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
    return said.decode().splitlines(), failed


def storm(directory: Path, kills: int, seed: int) -> dict[str, int]:
    store_path, spool_dir = directory / "store", directory / "spool"
    Store(store_path, spool_dir=spool_dir)
    rng = random.Random(seed)
    accepted: set[tuple[str, int, int]] = set()
    failures = compactor_failures = 0
    merged: list[str] = []
    reader, reader_pipe = fork(lambda pipe: read_on(store_path, pipe))
    for number in range(kills):
        compactor, compactor_pipe = fork(lambda pipe: merge_on(store_path, spool_dir, pipe))
        pid, pipe = fork(lambda pipe, number=number: drive(store_path, spool_dir, pipe, seed * 7919 + number))
        said, failed = kill_after(pid, pipe, rng.uniform(0, 0.3), once_ready=rng.random() < 0.8)
        failures += failed
        compacted, failed = kill_after(compactor, compactor_pipe, rng.uniform(0, 0.05))
        compactor_failures += failed
        merged += compacted
        for line in said:
            if line != "ready":
                trial, attempt, step = line.split()
                accepted.add((trial, int(attempt), int(step)))
    looks, reader_failed = kill_after(reader, reader_pipe, 0.01)
    store = Store(store_path, spool_dir=spool_dir)
    spools.LONG_AGO_S = upkeep.ABANDONED_S = 0.0  # nobody is just making a spool or a segment any more
    store.open_sweep(SWEEP).close()
    store.compact()
    found = keys(Store(store_path))
    return {
        "kills": kills,
        "accepted": len(accepted),
        "lost": len(accepted - set(found)),
        "doubled": sum(count > 1 for count in found.values()) + sum(line.split()[1] != "0" for line in looks),
        "driver_errors": failures,
        "compactor_kills": kills,
        "compactions": len(merged),
        "compactor_errors": compactor_failures,
        "reader_errors": int(reader_failed),
        "looks": len(looks),
        "unreadable": len(list(store_path.glob("quarantine/*/*/*"))),
        "holes": len(store.holes()),
        "left_over": sum(path.is_file() for path in spool_dir.rglob("*")) + len(list(store_path.rglob(".tmp-*"))),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        result = storm(options.directory or Path(temporary), options.kills, options.seed)
    print(json.dumps(result))
    errors = ("driver_errors", "reader_errors", "compactor_errors")
    broken = ("lost", "doubled", *errors, "unreadable", "holes", "left_over")
    return int(any(result[promise] for promise in broken))


if __name__ == "__main__":
    sys.exit(main())
