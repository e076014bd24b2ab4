"""What it costs to learn 10,000 new rows, by how many there are already; and how soon a running sweep knows them.

    python -m benchmarks.learner_cost [--rows 10_000,1_000_000,10_000_000] [--repeats 3] [--directory DIR]

A store is made of sweeps of 400 trials with 25 reports each, in spaces of two hyperparameters. It is learned once; then
one such sweep is added at a time, and learned by `metahp.learner.Learner`. Prints one line of JSON per size: the CPU
seconds of all threads, the median over the repeats with the smallest and the largest, and what loading the last version
takes of them. Then, in the largest store and beside a learner process: how long after its last report a new sweep is
known to the predictor of a running one, and how long the decisions of that one take: before, while a version is made
ready in its thread, and when one takes over.

Numbers to expect (one core beside other work, 3 repeats, in five minutes): 2.4 s with 10,000 rows, 2.5 s with
1,000,000, 3.1 s with 10,000,000, where loading the last version takes .9 s of them. A new sweep was known after 14 s,
in which the learner and the running sweep wait for their next look; writing a decision down took 0.07 ms.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from metahp.learner import INTERVAL_S, Learner
from metahp.models import load_version, newest_version
from metahp.space import Float, SearchSpace
from metahp.store import Store
from metahp.store.schema import SCHEMA_VERSION, TABLES
from metahp.store.segments import Segments
from metahp.types import Action, Carrier, Decision, FloatArray, Mode, Sweep
from metahp.versions import cards
from metahp_searchers import MetaSearch

SPACE = SearchSpace({"lr": Float(1e-4, 1e-1, log=True), "dropout": Float(0.0, 0.5)})
TRIALS, STEPS = 400, 25
ROWS = TRIALS * STEPS
PATIENCE_S = 300.0
LEARNED_AT_ONCE = 50  # sweeps, while the store is made: half a million rows as Python objects fit in memory


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="10_000,1_000_000,10_000_000")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as temporary:
        store = Store(Path(temporary) / "store", spool_dir=Path(temporary) / "spool")
        learner, sweeps = Learner(store), 0
        for rows in sorted(int(part) for part in options.rows.split(",")):
            while sweeps * ROWS < rows:
                add_sweep(store, sweeps)
                sweeps += 1
                if sweeps % LEARNED_AT_ONCE == 0:
                    learner.step()
            learner.step()
            found = []
            for _ in range(options.repeats):
                add_sweep(store, sweeps)
                sweeps += 1
                found.append(cpu_s(learner.step))
            _print("CPU s per 10,000 new rows", found, rows=rows)
            _print("  of them to load the version before", [cpu_s(lambda: _load_newest(store))], rows=rows)
        for figure, values in in_a_running_sweep(store).items():
            _print(figure, values, rows=sweeps * ROWS)
    return 0


def add_sweep(store: Store, number: int) -> None:
    """One more finished sweep; its results are written past the spool, which would take minutes."""
    rng, name = np.random.default_rng(number), f"sweep-{number:05d}"
    configs = [SPACE.sample(rng) for _ in range(TRIALS)]
    with store.open_sweep(_sweep(name)) as writer:
        with writer.batch():
            for trial, config in enumerate(configs):
                writer.start_attempt(f"{name}-{trial}", config)
        spool_id = writer._spool.spool_id
    units = SPACE.encode(configs)[0]
    Segments(store._place, "results").write(spool_id, _rows(name, spool_id, curves(units, rng)))


def curves(units: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Scores ``(TRIALS, STEPS)`` with a peak somewhere, that rise at different speeds, with noise."""
    peak, rate = rng.uniform(0.2, 0.8, units.shape[1]), rng.uniform(0.1, 0.5)
    last = 0.9 - 0.5 * np.square(units - peak).sum(axis=1)
    rise = 1.0 - np.exp(-rate * np.arange(1, STEPS + 1))
    scores: FloatArray = last[:, None] * rise + rng.normal(0.0, 0.005, (len(units), STEPS))
    return scores


def in_a_running_sweep(store: Store) -> dict[str, list[float]]:
    """Until a new sweep is known to one that runs beside the learner, and how long hooks of that one take meanwhile."""
    number = len(store.sweeps())
    reported = f"sweep-{number:05d}"
    running = Running(store)
    for _ in range(200):
        running.report()
    before = [running.report() for _ in range(200)]
    command = [sys.executable, "-m", "metahp.learner", str(store.path), "--interval", str(INTERVAL_S)]
    hooks: list[float] = []
    swaps: list[float] = []
    began = time.monotonic()
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as learner:
        try:
            add_sweep(store, number)
            while not (swaps and reported in _learned(store, running.version)):
                version = running.version
                hooks.append(running.report())
                swaps += hooks[-1:] if running.version != version else []
                time.sleep(0.01)
                if time.monotonic() > began + PATIENCE_S:
                    raise SystemExit("the learner has learned nothing")
            taken = time.monotonic() - began
        finally:
            learner.kill()
    return {
        "s until a running sweep knows": [taken],
        "ms of a decision before": [1000 * s for s in before],
        "ms of a decision while a version is made ready": [1000 * s for s in hooks],
        "ms of the decision that changes the version": [1000 * s for s in swaps],
        "ms to write a decision down": [1000 * running.write_down() for _ in range(200)],
    }


class Running:
    """A sweep of thirty trials in the store, whose trials report in turn."""

    def __init__(self, store: Store) -> None:
        search = MetaSearch(store, space=SPACE, metric="accuracy", mode="max", max_t=10 * STEPS, seed=0, learn=False)
        self._brain, self._rng, self._reports = search.brain, np.random.default_rng(0), 0
        for number in range(30):
            config = search.suggest(str(number))
            self._brain.trial_started(str(number), config if isinstance(config, dict) else {}, restored=False)

    @property
    def version(self) -> str:
        """What the decisions are made by."""
        return self._brain.version or ""

    def report(self) -> float:
        """The next trial reports; the seconds that the scheduler's hook takes, with its decision written down."""
        trial, step = str(self._reports % 30), self._reports // 30 + 1
        self._reports += 1
        score = 0.5 + 0.01 * int(trial) * (1.0 - 0.99**step) + self._rng.normal(0.0, 0.005)
        self._brain.trial_reported(trial, {"accuracy": score, "training_iteration": step}, done=False)
        began = time.perf_counter()
        self._brain.decide(trial)
        return time.perf_counter() - began

    def write_down(self) -> float:
        """Seconds to write down a decision with five past trials that carry it."""
        carried_by = tuple(Carrier(f"sweep-{n:05d}", f"sweep-{n:05d}-{n}", 0.1) for n in range(5))
        made = Decision(Action.CONTINUE, "chance to beat 0.9 is 30%", 0.3, 0.2, model="shipped", carried_by=carried_by)
        began = time.perf_counter()
        self._brain.write_down("0", 1, made)
        return time.perf_counter() - began


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of all threads of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def _load_newest(store: Store) -> None:
    version = newest_version(store)
    if version is None:
        raise SystemExit("nothing was learned")
    load_version(store, version)


def _learned(store: Store, version: str) -> set[str]:
    """What the kept versions up to one have learned."""
    return {name for card in cards(store) if card.version <= version for name in card.learned}


def _sweep(name: str) -> Sweep:
    return Sweep(name, SPACE, "accuracy", Mode.MAX, STEPS, {}, name)


def _rows(name: str, spool_id: str, scores: FloatArray) -> pa.Table:
    columns = {
        "sweep_id": pa.array([name] * ROWS),
        "trial_id": pa.array([f"{name}-{n // STEPS}" for n in range(ROWS)]),
        "attempt": pa.array(np.ones(ROWS), pa.int32()),
        "step": pa.array(np.tile(np.arange(1, STEPS + 1), TRIALS)),
        "objective": pa.array(scores.ravel()),
        "objective_state": pa.array(["ok"] * ROWS),
        "metrics": pa.array([[]] * ROWS, TABLES["results"].field("metrics").type),
        "extras_json": pa.nulls(ROWS, pa.string()),
        "time_total_s": pa.array(np.tile(np.arange(1.0, STEPS + 1), TRIALS)),
        "done": pa.array(np.zeros(ROWS, bool)),
        "ingested_utc": pa.array(np.arange(ROWS), pa.timestamp("us")),
        "schema_version": pa.array(np.full(ROWS, SCHEMA_VERSION), pa.int16()),
        "spool_id": pa.array([spool_id] * ROWS),
        "spool_seq": pa.array(np.arange(1, ROWS + 1)),
    }
    return pa.table(columns, schema=TABLES["results"])


def _print(figure: str, values: list[float], *, rows: int) -> None:
    line = {"figure": figure, "rows": rows, "median": float(np.median(values)), "min": min(values), "max": max(values)}
    print(json.dumps({key: round(v, 4) if isinstance(v, float) else v for key, v in line.items()}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
