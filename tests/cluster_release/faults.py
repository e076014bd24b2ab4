"""Question: what does a cluster's sweep lose when a part of the cluster is lost, and for how long does it stand still?

Command, as root: ``python tests/cluster_release/faults.py`` (``make test-cluster``), with the names of single faults to
run only those; about a minute and a half each. It prints a table, and fails if a sweep does not come to its end, or if
a loss costs more than `NOTICED_S`, `ELSEWHERE_S` and `AGAIN` allow.

Three nodes in network namespaces of this machine (`nodes.sh`). Trials save a checkpoint with each epoch of 0.7 s, and
write down when and on which node they trained it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from metahp.store import Store
from metahp.types import TrialStatus

NODES = str(Path(__file__).with_name("nodes.sh"))
ADDRESS = "10.78.0.10:6379"
TRIALS, EPOCHS = 4, 8
NOTICED_S = 10.0  # until Ray says that a node is dead
ELSEWHERE_S = 20.0  # until its trial has trained an epoch on another one
AGAIN = 1  # epochs that are trained twice, with a checkpoint each epoch
ARRIVED_S = 2.0  # from the end of an epoch until the driver certainly has its result
TRAIN = """
import json, socket, tempfile, time
from pathlib import Path
from ray import tune

def train(config):
    begin = 0
    if (checkpoint := tune.get_checkpoint()) is not None:
        with checkpoint.as_directory() as folder:
            begin = int((Path(folder) / "epoch").read_text())
    for epoch in range(begin, 100):
        time.sleep(0.7)
        with Path(__file__).with_name("diary").open("a") as diary:
            diary.write(json.dumps([time.time(), socket.gethostname(), config["x"], epoch]) + "\\n")
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "epoch").write_text(str(epoch + 1))
            tune.report({"score": config["x"]}, checkpoint=tune.Checkpoint.from_directory(folder))
"""
WATCH = """
import ray, sys, time
ray.init(address=sys.argv[1], logging_level="error", log_to_driver=False)
print("watching", flush=True)
while sum(node["Alive"] for node in ray.nodes()) == 3: time.sleep(0.05)
print("noticed at", time.time(), flush=True)
"""
Figures = dict[str, str]
Entry = tuple[float, str, float, int]  # when, where, which configuration, which epoch


class Cluster:
    """Three nodes with one core each, and a folder that all of them see.

    Attributes:
        folder: of the sweep.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / "sweep"
        self.folder.mkdir()
        self.environment = {
            **os.environ,
            "METAHP_NODES": str(root / "nodes"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_ADDRESS": ADDRESS,
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
            "XDG_STATE_HOME": str(root / "state"),
        }

    def nodes(self, *arguments: object) -> str:
        """Runs `nodes.sh`; what it printed."""
        done = subprocess.run(
            ["bash", NODES, *map(str, arguments)], env=self.environment, text=True, stdout=subprocess.PIPE, check=True
        )
        return done.stdout

    def start(self) -> None:
        """Starts three nodes."""
        for node in range(3):
            self.nodes("start", node, "--num-cpus=1")

    def python(self, *arguments: str, node: int = 0, **environment: str) -> subprocess.Popen[str]:
        """Starts Python in a node."""
        return subprocess.Popen(
            ["bash", NODES, "exec", str(node), sys.executable, *arguments],
            env=self.environment | environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def sweep(self, *options: str, **changes: Any) -> subprocess.Popen[str]:
        """Starts a sweep on the head node; two trials at once, so that one core is to spare."""
        sweep = {
            "name": "faults",
            "trainable": "train.py:train",
            "space": {"x": {"float": [0.0, 1.0]}},
            "metric": "score",
            "mode": "max",
            "budget": {"trials": TRIALS, "epochs": EPOCHS},
            "resources": {"at_once": 2},
            "store": "store",
            "output": "out",
            "scheduler": "none",
            "learn": False,
        } | changes
        (self.folder / "train.py").write_text(TRAIN)
        (self.folder / "sweep.yaml").write_text(yaml.safe_dump(sweep))
        return self.python("-m", "metahp_cluster", "run", *options, str(self.folder / "sweep.yaml"))

    def diary(self) -> list[Entry]:
        """Every epoch that was trained."""
        path = self.folder / "diary"
        return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []

    def wait_for(self, what: Callable[[list[Entry]], Any]) -> Any:
        """Waits until the diary has it, two minutes at most."""
        deadline = time.monotonic() + 120
        while not (found := what(self.diary())):
            if time.monotonic() > deadline:
                raise TimeoutError(f"after two minutes the trials have come no further than {self.diary()[-1:]}")
            time.sleep(0.05)
        return found

    def ended(self) -> Counter[TrialStatus]:
        """How many trials stand where, in the store."""
        (history,) = Store(str(self.folder / "store")).curves()
        return Counter(trial.status for trial in history.trials)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster, gone afterwards with all its processes."""
    with tempfile.TemporaryDirectory(prefix="mhp-", ignore_cleanup_errors=True) as root:
        made = Cluster(Path(root))
        try:
            made.nodes("up", 3)
            made.start()
            yield made
        finally:
            made.nodes("down")


def raylet_killed(at: Cluster) -> Figures:
    """kill -9 of the process by which Ray runs a node."""
    return _lost(at, lambda node: os.kill(int(at.nodes("raylet", node)), signal.SIGKILL))


def cable_cut(at: Cluster) -> Figures:
    """The network cable of a node is pulled, and plugged in again when the sweep is over."""
    return _lost(at, lambda node: at.nodes("cut", node), mend=True)


def _lost(at: Cluster, lose: Callable[[int], object], *, mend: bool = False) -> Figures:
    """What a sweep makes of the loss of a node on which a trial has trained two epochs."""
    watch = at.python("-c", WATCH, ADDRESS)
    assert watch.stdout is not None
    watch.stdout.readline()
    sweep = at.sweep()
    node, x = at.wait_for(_busy_worker)
    lost_at = time.time()
    lose(node)
    output, _ = sweep.communicate(timeout=200)
    noticed_at = _noticed_at(watch)
    if mend:
        at.nodes("mend", node)
    _check(sweep, output)
    diary = at.diary()
    again_at = min(when for when, where, which, _ in diary if which == x and where != f"mhp{node}")
    return {
        "noticed after": _within(noticed_at - lost_at, NOTICED_S),
        "an epoch trained elsewhere after": _within(again_at - lost_at, ELSEWHERE_S),
        "epochs trained twice": _at_most(_twice(diary), AGAIN),
        "trials finished": _all_finished(at),
    }


def private_disks(at: Cluster) -> Figures:
    """Checkpoints go to a path that is another disk on each node."""
    output, _ = (sweep := at.sweep(output=str(Path(at.environment["METAHP_NODES"]) / "private"))).communicate(
        timeout=200
    )
    said = next((line.strip() for line in output.splitlines() if "storage" in line.lower()), "nothing about it")
    trained_on = Counter(where for _, where, *_ in at.diary())
    return {
        "trials finished": _finished(at),
        "epochs trained on": ", ".join(f"{where} {count}" for where, count in sorted(trained_on.items())),
        "exit code": str(sweep.returncode),
        "said": said,
    }


def wrong_token(at: Cluster) -> Figures:
    """Somebody with another token."""
    code = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False); print(ray.cluster_resources())"
    began = time.time()
    stranger = at.python("-c", code, ADDRESS, node=1, RAY_AUTH_TOKEN=secrets.token_hex(32))
    output, _ = stranger.communicate(timeout=200)
    if stranger.returncode == 0:
        raise SystemExit(f"the cluster let somebody in who has another token: {output}")
    return {"refused after": f"{time.time() - began:.1f} s", "said": _last_error(output)}


def head_lost(at: Cluster) -> Figures:
    """Power loss of the head node, on which the sweep's driver runs; all nodes are started again, the sweep resumed."""
    sweep = at.sweep()
    at.wait_for(lambda diary: bool(_over(diary, time.time())) and len(diary) > 12)
    lost_at = time.time()
    at.nodes("kill", 0)
    sweep.communicate(timeout=60)
    before = at.diary()
    for node in (1, 2):
        at.nodes("kill", node)
    at.start()
    resumed = at.sweep("--resume")
    output, _ = resumed.communicate(timeout=200)
    _check(resumed, output)
    done = _over(before, lost_at)
    again = {x for *_, x, _ in at.diary()[len(before) :]}
    return {
        "trials finished": _all_finished(at),
        "finished trials that ran again": _at_most(len(done & again), 0),
        "epochs trained twice": _at_most(_twice(at.diary()), 2 * AGAIN),  # two trials were running
        "from the loss to the first new epoch": f"{at.diary()[len(before)][0] - lost_at:.1f} s",
    }


def _noticed_at(watch: subprocess.Popen[str]) -> float:
    """When Ray said for the first time that a node is dead."""
    output, _ = watch.communicate(timeout=60)
    found = re.search(r"noticed at ([\d.]+)", output)
    if found is None:
        raise SystemExit(f"nobody noticed that a node was lost:\n{output[-2000:]}")
    return float(found[1])


def _busy_worker(diary: list[Entry]) -> tuple[int, float] | None:
    """A node other than the head with a trial that is two epochs old."""
    counts = Counter((where, x) for _, where, x, _ in diary if where != "mhp0")
    return next(((int(where[-1]), x) for (where, x), epochs in counts.items() if 2 <= epochs < EPOCHS - 2), None)


def _over(diary: list[Entry], now: float) -> set[float]:
    """The trials that have had their last epoch for a while: its result is on its way to the driver at first."""
    return {
        x for x, epochs in Counter(x for when, _, x, _ in diary if when < now - ARRIVED_S).items() if epochs >= EPOCHS
    }


def _twice(diary: list[Entry]) -> int:
    return len(diary) - len({(x, epoch) for *_, x, epoch in diary})


def _finished(at: Cluster) -> str:
    others = [f"{count} {status}" for status, count in at.ended().items() if status is not TrialStatus.COMPLETED]
    return ", ".join([f"{at.ended()[TrialStatus.COMPLETED]} of {TRIALS}", *others])


def _all_finished(at: Cluster) -> str:
    if at.ended() != {TrialStatus.COMPLETED: TRIALS}:
        raise SystemExit(f"not all trials came to their end: {_finished(at)}")
    return _finished(at)


def _within(seconds: float, limit: float) -> str:
    if seconds > limit:
        raise SystemExit(f"took {seconds:.1f} s, {limit:.0f} s are allowed")
    return f"{seconds:.1f} s"


def _at_most(count: int, limit: int) -> str:
    if count > limit:
        raise SystemExit(f"counted {count}, {limit} are allowed")
    return str(count)


def _check(sweep: subprocess.Popen[str], output: str) -> None:
    if sweep.returncode != 0:
        raise SystemExit(f"the sweep ended with exit code {sweep.returncode}:\n{output[-4000:]}")


def _last_error(output: str) -> str:
    errors = [line.strip() for line in output.splitlines() if "token" in line.lower() or "error" in line.lower()]
    return errors[-1][:160] if errors else output.strip()[-160:]


FAULTS: dict[str, Callable[[Cluster], Figures]] = {
    "raylet": raylet_killed,
    "cable": cable_cut,
    "disks": private_disks,
    "token": wrong_token,
    "head": head_lost,
}


def main(names: list[str]) -> None:
    """Runs faults, each on a cluster of its own, and prints what came of them."""
    print("| fault | figure | |\n|---|---|---|", flush=True)
    for name in names or FAULTS:
        with cluster() as at:
            for figure, value in FAULTS[name](at).items():
                print(f"| {name} | {figure} | {value} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
