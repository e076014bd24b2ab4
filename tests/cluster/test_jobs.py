"""Sweeps submitted to a real Ray cluster that asks for a token."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from metahp.errors import ClusterError, SweepSpecError
from metahp.store import Store
from metahp.types import TrialStatus
from metahp_cluster import jobs_cli
from metahp_cluster.jobs import ClusterJobs
from metahp_cluster.submit import OUTPUT, prepared

LAUNCH = Path(__file__).parents[2] / "cluster" / "launch" / "local_nodes.sh"

SLOW = """
import time
from ray import tune

def train(config):
    for epoch in range(100):
        time.sleep(0.5)
        tune.report({"score": config["x"] * epoch})
"""

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """That of somebody who may use a cluster of one node."""
    own = {"HOME": str(tmp_path_factory.mktemp("home")), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    plain = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")} | own
    with subprocess.Popen(
        [str(LAUNCH), "1", "2"], env=plain, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as nodes:
        assert nodes.stdin is not None
        assert nodes.stdout is not None
        lines = (line.removeprefix("export ") for line in nodes.stdout if line.startswith("export "))
        told = dict(word.split("=", 1) for line in (next(lines), next(lines)) for word in line.split())
        del told["RAY_ADDRESS"]  # who submits need not reach the cluster itself
        yield plain | told
        nodes.stdin.close()


@pytest.fixture
def call(environment: dict[str, str], tmp_path: Path) -> Call:
    """Runs the command ``metahp`` against the cluster."""

    def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "metahp_cluster", *arguments],
            cwd=tmp_path,
            env=environment | changes,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.mark.ray
@pytest.mark.slow
def test_a_submitted_sweep_runs_on_the_cluster(call: Call, sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    store = tmp_path / "shared" / "store"
    path = sweep_file(store=str(store), output=str(tmp_path / "shared" / "out"))
    done = call("submit", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"1 nodes \(.*: 2 CPU\): 1 CPU per trial → 2 at once", done.stdout)
    assert "5/5 trials over" in done.stdout
    (history,) = Store(store).curves()
    assert [trial.status for trial in history.trials] == [TrialStatus.COMPLETED] * 5
    (job,) = json.loads(call("list", "--json").stdout)
    assert (job["sweep"], job["status"]) == ("quadratic", "SUCCEEDED")
    assert "5/5 trials over" in call("logs", job["job_id"]).stdout


@pytest.mark.ray
@pytest.mark.slow
def test_a_stopped_sweep_is_kept_and_goes_on(call: Call, sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    shared: dict[str, Any] = {"store": str(tmp_path / "store"), "output": str(tmp_path / "out"), "name": "slow"}
    path = sweep_file(SLOW, **shared, budget={"trials": 3, "epochs": 6})
    job_id = re.search(r"metahp-\w+", call("submit", str(path), "--no-wait", "--no-check").stdout)
    assert job_id is not None
    seen = _until_reported(Store(shared["store"]))
    assert call("stop", job_id.group()).returncode == 0
    resumed = call("resume", str(path), "--no-check")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    (history,) = Store(shared["store"]).curves()
    assert [(trial.status, trial.curve.last_step) for trial in history.trials] == [(TrialStatus.COMPLETED, 6)] * 3
    assert seen in {trial.trial_id for trial in history.trials}


def _until_reported(store: Store) -> str:
    """The first trial that the store has a result of."""
    import time

    for _ in range(600):
        trials = [trial for history in store.curves() for trial in history.trials if len(trial.curve)]
        if trials:
            return trials[0].trial_id
        time.sleep(0.1)
    raise AssertionError("nothing was reported within a minute")


@pytest.mark.ray
def test_without_the_token_nobody_gets_in(call: Call, sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    path = sweep_file(store=str(tmp_path / "store"))
    for token in ("", "f" * 64):
        done = call("submit", str(path), RAY_AUTH_TOKEN=token, RAY_AUTH_TOKEN_PATH="")
        assert done.returncode == 2
        assert "does not let us in" in done.stderr
        assert "RAY_AUTH_TOKEN" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.ray
def test_a_job_that_is_not_there(call: Call) -> None:
    for command in ("status", "logs", "stop"):
        done = call(command, "metahp-none")
        assert done.returncode == 2
        assert "metahp-none" in done.stderr
        assert "Traceback" not in done.stderr


def test_nothing_at_the_address() -> None:
    with pytest.raises(ClusterError, match=r"nothing answers at http://127\.0\.0\.1:9"):
        ClusterJobs("http://127.0.0.1:9")
    with pytest.raises(ClusterError, match=r"e\.g\. http://head:8265"):
        ClusterJobs("ray://head:10001")


def test_what_stays_behind_is_refused(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(SweepSpecError, match="relative to the sweep file"):
        prepared(sweep_file(), store=None, output=None, resume=False)
    (tmp_path / "elsewhere.py").write_text("def train(config): pass")
    inner = tmp_path / "inner"
    inner.mkdir()
    path = sweep_file(trainable="../elsewhere.py:train").rename(inner / "sweep.yaml")
    with pytest.raises(SweepSpecError, match="the folder that travels"):
        prepared(path, store="/shared/store", output=None, resume=False)


def test_paths_of_the_head_node_are_kept(sweep_file: Callable[..., Path]) -> None:
    sent = prepared(sweep_file(), store="s3://bucket/store", output=None, resume=True)
    assert sent.arguments == ("run", "sweep.yaml", "--store", "s3://bucket/store", "--output", OUTPUT, "--resume")
    sent = prepared(sweep_file(store="~/store", output="/shared/out"), store=None, output=None, resume=False)
    assert sent.arguments == ("run", "sweep.yaml", "--store", "~/store", "--output", "/shared/out")


class Interrupted:
    def follow(self, job_id: str) -> Iterator[str]:
        yield f"log of {job_id}\n"
        raise KeyboardInterrupt


def test_ctrl_c_ends_the_showing_and_says_how_to_see_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    told = io.StringIO()
    with pytest.raises(typer.Exit) as ended:
        jobs_cli._follow(Interrupted(), "job-1", told, " --address http://head:8265")  # type: ignore[arg-type]
    assert ended.value.exit_code == 130
    assert "`metahp logs -f job-1 --address http://head:8265`" in told.getvalue()
    assert capsys.readouterr().out == ""
