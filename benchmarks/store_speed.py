"""How fast the store is: accepting reports, many drivers at once, and reading when it has grown large.

    python -m benchmarks.store_speed [--rows 10_000_000] [--drivers 16] [--seconds 5] [--repeats 5] [--directory DIR]

Prints one line of JSON per figure: the median over the repeats, with the smallest and the largest. Each repeat of
``append``, of Tune's callback and of ``drivers`` is a run of ``--seconds``; the large store is built once (10 million
rows: some two minutes) and read again and again, each time by a process that has read nothing before.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa

from metahp.space import Float, SearchSpace
from metahp.store import Cursor, Store
from metahp.store.schema import SCHEMA_VERSION, TABLES
from metahp.store.segments import Segments
from metahp.types import Measurement, Sweep

SWEEP = Sweep("s", SearchSpace({"lr": Float(1e-4, 1e-1, log=True)}), "accuracy", "max", 50)  # type: ignore[arg-type]
STEPS = 50
ROWS_PER_SWEEP = 50_000
METRICS = {"accuracy": 0.9, "loss": 0.1, "val_loss": 0.2, "learning_rate": 1e-3}

T = TypeVar("T")
Figures = dict[str, list[float]]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--drivers", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as temporary:
        for figures in _measure(Path(temporary), options):
            _print(figures)
    return 0


def _measure(place: Path, options: argparse.Namespace) -> Iterator[Figures]:
    repeats = range(options.repeats)
    yield {"fsync of this disk: p50 in ms": [fsync_ms(place) for _ in repeats]}
    yield _merged(append(place / f"append-{n}", options.seconds) for n in repeats)
    yield _merged(tune_callback(place / f"tune-{n}", options.seconds) for n in repeats)
    for rows in (1, 20):
        yield _merged(drivers(place / "drivers", options.drivers, options.seconds, rows) for _ in repeats)
    sweeps = max(options.rows // ROWS_PER_SWEEP, 2)
    began = time.perf_counter()
    cursor = build(place / "large", sweeps)
    yield {"large store: rows": [float(sweeps * ROWS_PER_SWEEP)], "large store: built in s": [_since(began)]}
    yield _merged(_in_new_process(read_large, place / "large", cursor) for _ in repeats)


def fsync_ms(place: Path) -> float:
    """What one fsync of 4 kB takes here: no report can be accepted in less."""
    taken = []
    with (place / "fsync").open("wb", buffering=0) as file:
        for _ in range(100):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(_since(began) * 1e3)
    return statistics.median(taken)


def append(place: Path, seconds: float) -> Figures:
    """One driver that reports as fast as it can: ms per call of `SweepWriter.record`, published meanwhile."""
    calls: list[float] = []
    with Store(place / "store", spool_dir=place / "spool").open_sweep(SWEEP) as writer:
        writer.start_attempt("t", {"lr": 0.01})
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            writer.record("t", Measurement(len(calls) + 1, 0.9, 1.0), METRICS)
            calls.append(_since(began) * 1e3)
    shutil.rmtree(place)
    return {**_percentiles("append", calls), "append: rows per s": [len(calls) / seconds]}


def tune_callback(place: Path, seconds: float) -> Figures:
    """What Ray Tune waits for at each report: ms per call of `StoreCallback.on_trial_result`.

    The result is as big as Tune's own, with four metrics; eight trials report in turn.
    """
    from ray.tune.experiment import Trial

    from metahp_searchers import StoreCallback

    config = {"learning_rate": 0.01, "units": 64, "optimizer": {"name": "sgd", "momentum": 0.9}}
    trials = [Trial("benchmark", trial_id=f"{n:08x}", config=config, stub=True) for n in range(8)]
    store = Store(place / "store", spool_dir=place / "spool")
    callback = StoreCallback(store, metric="accuracy", mode="max", max_t=STEPS, name="benchmark")
    callback.setup()
    for trial in trials:
        callback.on_trial_start(0, trials, trial)
    calls: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        trial = trials[len(calls) % len(trials)]
        result = _tune_result(trial.trial_id, len(calls) // len(trials) + 1, config)
        began = time.perf_counter()
        callback.on_trial_result(0, trials, trial, result)
        calls.append(_since(began) * 1e3)
    callback.on_experiment_end(trials)
    _check_count(len(calls), sum(batch.num_rows for batch in store.scan(columns=["step"])))
    shutil.rmtree(place)
    return _percentiles("report in Tune's callback", calls)


def _tune_result(trial_id: str, step: int, config: dict[str, object]) -> dict[str, object]:
    return {
        **METRICS,
        "timestamp": 1_795_000_000,
        "checkpoint_dir_name": None,
        "done": False,
        "training_iteration": step,
        "trial_id": trial_id,
        "date": "2026-11-29_12-00-00",
        "time_this_iter_s": 1.0,
        "time_total_s": float(step),
        "pid": 1234,
        "hostname": "node-1",
        "node_ip": "10.0.0.1",
        "config": config,
        "time_since_restore": float(step),
        "iterations_since_restore": step,
        "experiment_tag": "1_learning_rate=0.0100",
    }


def _percentiles(what: str, calls: list[float]) -> Figures:
    p50, p99 = np.percentile(calls, [50, 99])
    return {f"{what}: p50 in ms": [p50], f"{what}: p99 in ms": [p99]}


def _check_count(accepted: int, published: int) -> None:
    if published != accepted:
        raise SystemExit(f"{accepted} rows were accepted, {published} are there")


def drivers(place: Path, count: int, seconds: float, rows: int) -> Figures:
    """Drivers at once, each with a sweep of its own in one store, ``rows`` reports to a transaction.

    All rows are counted when they have closed.
    """
    Store(place / "store", spool_dir=place / "spool")
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[int] = context.Queue()
    gate = context.Barrier(count + 1)
    processes = [context.Process(target=_drive, args=(place, n, seconds, rows, gate, queue)) for n in range(count)]
    for process in processes:
        process.start()
    gate.wait(timeout=120)
    accepted = sum(queue.get() for _ in processes)
    for process in processes:
        process.join()
    _check_count(accepted, sum(batch.num_rows for batch in Store(place / "store").scan(columns=["step"])))
    shutil.rmtree(place)
    return {f"{count} drivers, {rows} reports to an fsync: rows per s": [accepted / seconds]}


def _drive(
    place: Path, number: int, seconds: float, rows: int, gate: object, queue: multiprocessing.Queue[int]
) -> None:
    store = Store(place / "store", spool_dir=place / "spool")
    with store.open_sweep(replace(SWEEP, sweep_id=f"sweep-{number}")) as writer:
        writer.start_attempt("t", {"lr": 0.01})
        gate.wait()  # type: ignore[attr-defined]
        end, step = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            with writer.batch():
                for _ in range(rows):
                    step += 1
                    writer.record("t", Measurement(step, 0.9, 1.0), METRICS)
    queue.put(step)


def build(place: Path, sweeps: int) -> str:
    """A store of many sweeps, written past the spool; returns the cursor before the last one."""
    store = Store(place / "store", spool_dir=place / "spool")
    rng = np.random.default_rng(0)
    results = Segments(store._place, "results")
    before = ""
    for number in range(sweeps):
        if number == sweeps - 1:
            before = store.cursor().to_json()
        with store.open_sweep(replace(SWEEP, sweep_id=f"sweep-{number:05d}")) as writer:
            for trial in range(ROWS_PER_SWEEP // STEPS):
                if trial % 200 == 0:
                    writer.start_attempt(f"trial-{trial}", {"lr": 0.01})
            spool_id = writer._spool.spool_id
        results.write(spool_id, _rows(f"sweep-{number:05d}", spool_id, rng))
    return before


def _rows(sweep_id: str, spool_id: str, rng: np.random.Generator) -> pa.Table:
    count = ROWS_PER_SWEEP
    values = rng.random(count)
    offsets = pa.array(np.arange(0, 2 * count + 1, 2), pa.int32())
    keys = pa.array(["accuracy", "loss"] * count)
    columns = {
        "sweep_id": pa.array([sweep_id] * count),
        "trial_id": pa.array([f"trial-{n // STEPS}" for n in range(count)]),
        "attempt": pa.array(np.ones(count), pa.int32()),
        "step": pa.array(np.tile(np.arange(1, STEPS + 1), count // STEPS)),
        "objective": pa.array(values),
        "objective_state": pa.array(["ok"] * count),
        "metrics": pa.MapArray.from_arrays(offsets, keys, pa.array(np.repeat(values, 2))),
        "extras_json": pa.nulls(count, pa.string()),
        "time_total_s": pa.array(np.tile(np.arange(1.0, STEPS + 1), count // STEPS)),
        "done": pa.array(np.zeros(count, bool)),
        "ingested_utc": pa.array(np.arange(count), pa.timestamp("us")),
        "schema_version": pa.array(np.full(count, SCHEMA_VERSION), pa.int16()),
        "spool_id": pa.array([spool_id] * count),
        "spool_seq": pa.array(np.arange(1, count + 1)),
    }
    return pa.table(columns, schema=TABLES["results"])


def read_large(place: Path, cursor: str) -> Figures:
    """What a reader waits for in a large store, as a process that has read nothing before."""
    found: Figures = {}
    store = _timed(found, "large store: open in ms", lambda: Store(place / "store", spool_dir=place / "spool"))
    sweeps = _timed(found, "large store: list sweeps in ms", store.sweeps)
    _timed(found, "large store: one sweep in ms", lambda: store.history(sweeps[len(sweeps) // 2].sweep_id))
    since = Cursor.from_json(cursor)
    _timed(found, "large store: what is new, first time, in ms", lambda: store.curves(since=since))
    _timed(found, "large store: what is new, again, in ms", lambda: store.curves(since=since))
    rows = _timed(found, "large store: scan two columns in ms", lambda: _count(store))
    if rows != len(sweeps) * ROWS_PER_SWEEP:
        raise SystemExit(f"{rows} rows were read")
    found["large store: peak memory in MB"] = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]
    return found


def _count(store: Store) -> int:
    return sum(batch.num_rows for batch in store.scan(columns=["step", "objective"]))


def _timed(found: Figures, name: str, work: Callable[[], T]) -> T:
    began = time.perf_counter()
    result = work()
    found[name] = [_since(began) * 1e3]
    return result


def _in_new_process(work: Callable[..., Figures], *arguments: object) -> Figures:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def _since(began: float) -> float:
    return time.perf_counter() - began


def _merged(runs: Iterator[Figures]) -> Figures:
    merged: Figures = {}
    for run in runs:
        for name, values in run.items():
            merged.setdefault(name, []).extend(values)
    return merged


def _print(figures: Figures) -> None:
    for name, values in figures.items():
        low, high = min(values), max(values)
        line = {"figure": name, "median": statistics.median(values), "min": low, "max": high, "repeats": len(values)}
        print(json.dumps({key: round(v, 3) if isinstance(v, float) else v for key, v in line.items()}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
