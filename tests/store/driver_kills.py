"""Kills the driver of a real Ray Tune sweep at random moments, restores it, and looks what the store made of it.

    python tests/store/driver_kills.py --kills 20 [--seed 0] [--directory DIR]

The sweep is that of ``tests/searchers/interrupted_sweep.py``: its objective is a function of configuration and epoch,
and its workers note what was acknowledged. Every acknowledged report must be in an effective curve, every row there
once, and every effective curve that of an uninterrupted run: with all its steps, where the trial is over. A kill and a
restore take about ten seconds. Prints one line of JSON and exits with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from metahp.store import Store
from metahp.types import TrialStatus

SCRIPT = Path(__file__).parents[1] / "searchers" / "interrupted_sweep.py"
PATIENCE_S = 120.0


def run(directory: Path, what: str, kill_after: int | None) -> bool:
    """Runs the sweep, and kills its driver when so many more reports are acknowledged; whether it was killed."""
    with (directory / "log").open("a") as log:
        command = [sys.executable, str(SCRIPT), what, str(directory)]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment(directory))
        goal, deadline = acknowledged(directory) + (kill_after or 0), time.monotonic() + PATIENCE_S
        while process.poll() is None and time.monotonic() < deadline:
            if kill_after is not None and acknowledged(directory) >= goal:
                process.send_signal(signal.SIGKILL)
            time.sleep(0.02)
        process.kill()
        return process.wait() != 0


def environment(directory: Path) -> dict[str, str]:
    own = {"XDG_STATE_HOME": str(directory / "state"), "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    return os.environ | own | {"TF_CPP_MIN_LOG_LEVEL": "3", "TUNE_GLOBAL_CHECKPOINT_S": "1"}


def acknowledged(directory: Path) -> int:
    file = directory / "acknowledged"
    return len(file.read_text().splitlines()) if file.exists() else 0


def interrupted_sweep(directory: Path, rng: random.Random, most_kills: int) -> int:
    """One sweep, killed and restored until it is over; returns how often it was killed."""
    (directory / "finished").mkdir(parents=True)
    kills, what = 0, "start"
    while run(directory, what, rng.randrange(1, 14) if kills < most_kills else None):
        kills += 1
        what = "restore" if list((directory / "ray" / "sweep").glob("experiment_state-*")) else "start"
        if kills > most_kills:
            raise SystemExit((directory / "log").read_text()[-4000:])
    return kills


def verdict(directory: Path) -> Counter[str]:
    store = Store(directory / "sweeps")
    rows = [row for batch in store.scan() for row in batch.to_pylist()]
    keys = Counter((row["sweep_id"], row["trial_id"], row["attempt"], row["step"]) for row in rows)
    trials = [trial for own in store.curves() for trial in own.trials]
    points = [(trial.config["x"], m) for trial in trials for m in trial.curve.measurements]
    completed = [trial.curve.steps.tolist() for trial in trials if trial.status is TrialStatus.COMPLETED]
    said = set((directory / "acknowledged").read_text().splitlines())
    return Counter(
        acknowledged=acknowledged(directory),
        lost=len(said - {f"{x!r} {m.step}" for x, m in points}),
        doubled=sum(count > 1 for count in keys.values()),
        wrong=sum(not math.isclose(m.value, x * (1 + m.step / 100)) for x, m in points),
        completed=len(completed),
        incomplete=sum(steps != [1, 2, 3, 4] for steps in completed),
        attempts=sum(step == 1 for *_, step in keys),
        holes=len(store.holes()),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    rng, total = random.Random(options.seed), Counter[str]()
    with tempfile.TemporaryDirectory(dir=options.directory) as temporary:
        while total["kills"] < options.kills:
            directory = Path(temporary) / f"sweep-{total['sweeps']}"
            kills = interrupted_sweep(directory, rng, min(options.kills - total["kills"], 5))
            total.update(verdict(directory), kills=kills, sweeps=1)
    print(json.dumps(total))
    return int(any(total[promise] for promise in ("lost", "doubled", "wrong", "incomplete", "holes")))


if __name__ == "__main__":
    sys.exit(main())
