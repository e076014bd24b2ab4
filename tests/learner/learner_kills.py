"""Kills the learner of a store at random moments while sweeps are written, and looks what its versions know.

    python tests/learner/learner_kills.py --kills 200 [--seed 0] [--directory DIR]

The learner is the process that sweeps start, ``python -m metahp.learner``. A third of them is killed while it writes a
version, a third while it makes another one, a third at any moment. Each version it has saved is read, together with
the rows that its cursor says it has consumed: none of them may be missing in it, none be there twice or with another
value, and no version may be made of the same rows as the one before. At the end what is left is learned, and the last
version must know every row.

Prints one line of JSON and exits with 1 if a promise was broken. A kill takes 8 seconds of work, more on busy cores.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from metahp.features import Scale
from metahp.keras_predictor import KerasPredictor
from metahp.learner import Learner
from metahp.models import newest_version
from metahp.space import Float, SearchSpace
from metahp.starter import is_shipped
from metahp.store import Cursor, Store, SweepWriter
from metahp.store.files import TEMPORARY
from metahp.types import Measurement, Mode, Sweep
from metahp.versions import PREDICTOR, Card, cards

SPACE = SearchSpace({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})
TRIALS, STEPS = 6, 8
REPORT_EVERY_S = 0.02
LOOK_EVERY_S = 0.002
PATIENCE_S = 120.0  # on busy cores a first version takes a minute; a learner that is killed before shows little
KILLS_PER_STORE = 20
PROMISES = ("skipped", "ahead", "doubled", "wrong", "again", "back", "died", "forgotten")

Row = tuple[str, str, int]


class Reports:
    """Sweeps that are written one after another, a report at a time."""

    def __init__(self, store: Store, rng: random.Random) -> None:
        self._store = store
        self._rng = rng
        self._sweeps = 0
        self._writer: SweepWriter | None = None
        self._todo: list[tuple[str, int]] = []
        self._due = 0.0

    def go_on(self) -> None:
        """Accepts a report where one is due, of a new sweep where the last one is over."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + REPORT_EVERY_S
        if not self._todo:
            self.close()
            self._open()
        trial, step = self._todo.pop()
        self._writer.record(trial, Measurement(step, value(trial, step)))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _open(self) -> None:
        name = f"sweep-{self._sweeps}"
        self._sweeps += 1
        self._writer = self._store.open_sweep(Sweep(name, SPACE, "acc", Mode.MAX, STEPS, {}, name))
        names = [f"{name}-{number}" for number in range(TRIALS)]
        for trial in names:
            self._writer.start_attempt(trial, {"x": self._rng.random(), "y": self._rng.random()})
        self._todo = [(trial, step) for step in range(STEPS, 0, -1) for trial in names]


def value(trial: str, step: int) -> float:
    """No two rows of a trial share it."""
    return step / 10 + int(trial.rpartition("-")[2]) / 100


class Versions:
    """Every version of a store, judged once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: dict[str, Cursor] = {}
        self.verdict = Counter[str]()

    def look(self) -> None:
        for card in reversed(cards(self._store)):
            if card.version not in self._seen:
                self._judge(card)

    def _judge(self, card: Card) -> None:
        cursor, known = Cursor.from_json(json.dumps(card.cursor)), rows_of(self._store, card.version)
        there, claimed = published(self._store), consumed(self._store, cursor)
        before = list(self._seen.values())[-1:]
        self._seen[card.version] = cursor
        self.verdict.update(
            versions=1,
            rows=len(claimed),
            ahead=len(set(known) - set(claimed)),
            skipped=len(set(claimed) - set(known)),
            doubled=sum(len(levels) > 1 for _, levels in known.values()),
            wrong=sum(row not in there or differ(levels, there[row], scale) for row, (scale, levels) in known.items()),
            again=sum(cursor == other for other in before),
            back=sum(behind(cursor, other) for other in before),
        )


def differ(levels: list[float], score: float, scale: Scale) -> bool:
    """Whether these are not the levels of a score. Those below the floor share one: few first reports lie far apart."""
    return not np.allclose(levels, scale.levels(np.array([score])))


def rows_of(store: Store, version: str) -> dict[Row, tuple[Scale, list[float]]]:
    """What a version knows: the levels of every row, and the scale of its sweep."""
    known: dict[Row, tuple[Scale, list[float]]] = {}
    for name, task in KerasPredictor.load(store.path / "models" / version / PREDICTOR)._knowledge.tasks.items():
        if is_shipped(name):  # what ships is no row of the store
            continue
        seen = task.observations
        steps = np.rint(seen.fraction * STEPS).astype(int)
        for trial, step, level in zip(seen.trial, steps, seen.level, strict=True):
            known.setdefault((name, seen.trial_ids[trial], int(step)), (task.scale, []))[1].append(float(level))
    return known


def published(store: Store) -> dict[Row, float]:
    rows = [row for batch in store.scan() for row in batch.to_pylist()]
    return {(row["sweep_id"], row["trial_id"], row["step"]): row["objective"] for row in rows}


def consumed(store: Store, cursor: Cursor) -> list[Row]:
    """The rows up to a cursor, of trials whose start it knows, in sweeps of two such trials: one alone says nothing."""
    columns = ["sweep_id", "trial_id", "spool_id", "spool_seq"]
    started = {
        row["trial_id"]
        for batch in store.scan("trials", columns)
        for row in batch.to_pylist()
        if row["spool_seq"] <= cursor.at("trials", row["spool_id"])
    }
    found = [
        (row["sweep_id"], row["trial_id"], row["step"])
        for batch in store.scan("results", [*columns, "step"])
        for row in batch.to_pylist()
        if row["trial_id"] in started and row["spool_seq"] <= cursor.at("results", row["spool_id"])
    ]
    trials = Counter(sweep_id for sweep_id, _ in {row[:2] for row in found})
    return [row for row in found if trials[row[0]] > 1]


def behind(cursor: Cursor, other: Cursor) -> bool:
    """Whether a cursor has read less of anything than another one."""
    return any(cursor.at(table, s) < last for table, spools in other.reached.items() for s, last in spools.items())


def life(store: Store, reports: Reports, versions: Versions, is_time: Callable[[], bool]) -> Counter[str]:
    """One learner, from its start to its violent end."""
    left_before = half_written(store)
    command = [sys.executable, "-m", "metahp.learner", str(store.path), "--interval", "0.1"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        latest = time.monotonic() + PATIENCE_S
        while not is_time() and time.monotonic() < latest and process.poll() is None:
            reports.go_on()
            versions.look()
            time.sleep(LOOK_EVERY_S)
        died = process.poll() is not None
        process.kill()
    return Counter(kills=1, died=died, half_written=half_written(store) > left_before)


def some_moment(store: Store, rng: random.Random, number: int) -> Callable[[], bool]:
    """When the next learner is to be killed: in turn while it writes, some time after a version, whenever."""
    if number % 3 == 0:
        left_before = half_written(store)
        return lambda: half_written(store) > left_before
    if number % 3 == 1:
        return after(rng.uniform(0.0, 4.0), newest_version(store), store)
    latest = time.monotonic() + rng.uniform(0.0, 12.0)
    return lambda: time.monotonic() >= latest


def after(seconds: float, version: str | None, store: Store) -> Callable[[], bool]:
    """So long after there is a newer version than this one."""
    since: list[float] = []

    def is_time() -> bool:
        if not since and newest_version(store) != version:
            since.append(time.monotonic())
        return bool(since) and time.monotonic() >= since[0] + seconds

    return is_time


def half_written(store: Store) -> int:
    return sum(1 for _ in (store.path / "models").glob(f"{TEMPORARY}*"))


def store_with_kills(directory: Path, rng: random.Random, kills: int) -> Counter[str]:
    """Sweeps in a new store beside learners that are killed, and the verdict about all versions."""
    store = Store(directory / "store", spool_dir=directory / "spool")
    reports, versions, total = Reports(store, rng), Versions(store), Counter[str](dict.fromkeys(PROMISES, 0))
    for number in range(kills):
        total.update(life(store, reports, versions, some_moment(store, rng, number)))
    reports.close()
    Learner(store).step()
    versions.look()
    total.update(versions.verdict, stores=1, forgotten=forgotten(store))
    return total


def forgotten(store: Store) -> int:
    """Rows that the newest version does not know after all is learned."""
    version = newest_version(store)
    return len(set(consumed(store, store.cursor())) - set(rows_of(store, version) if version else ()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    rng, total = random.Random(options.seed), Counter[str]()
    with tempfile.TemporaryDirectory(dir=options.directory) as temporary:
        while total["kills"] < options.kills:
            kills = min(options.kills - total["kills"], KILLS_PER_STORE)
            total.update(store_with_kills(Path(temporary) / f"store-{total['stores']}", rng, kills))
    print(json.dumps(total))
    return int(any(total[promise] for promise in PROMISES))


if __name__ == "__main__":
    sys.exit(main())
