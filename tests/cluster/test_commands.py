"""The real command, interrupted and killed, on a Ray of its own."""

import os
import signal
import stat
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from metahp.store import Store
from metahp.types import SweepHistory

pytestmark = [pytest.mark.ray, pytest.mark.slow]

Start = Callable[..., subprocess.Popen[str]]


def diary(folder: Path) -> list[list[str]]:
    path = folder / "diary"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def wait_for_starts(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while sum(words[1] == "start" for words in diary(folder)) < count:
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < deadline
        time.sleep(0.05)


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=180)
    return output


def kill(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def only_sweep(folder: Path) -> SweepHistory:
    store = Store(folder / "store")
    (sweep,) = store.sweeps()
    return store.history(sweep.sweep_id)


def over_for_sure(lines: list[list[str]]) -> set[str]:
    """The trials after which their worker was given another one: the driver knew that they were over."""
    by_worker: dict[str, list[str]] = {}
    for pid, what, x, *_ in lines:
        if what == "start":
            by_worker.setdefault(pid, []).append(x)
    return {x for started in by_worker.values() for x in started[:-1]}


def test_a_killed_driver_loses_nothing_and_repeats_nothing(
    tmp_path: Path, sweep_file: Callable[..., Path], metahp: Start
) -> None:
    path = sweep_file(space={"x": {"float": [0.0, 1.0]}, "pause": 0.1}, budget={"trials": 8, "epochs": 4})
    driver = metahp("run", str(path))
    wait_for_starts(tmp_path, 5, driver)
    kill(driver)
    time.sleep(3)  # the workers notice that they are alone
    before = diary(tmp_path)
    output = finish(metahp("run", str(path), "--resume"))
    after = diary(tmp_path)[len(before) :]
    history = only_sweep(tmp_path)

    assert "8 completed" in output
    curves = {str(trial.config["x"]): trial.curve for trial in history.trials}
    assert len(curves) == len(history.trials) == 8
    assert all(trial.curve.last_step == 4 for trial in history.trials)
    acknowledged = [(x, int(epoch)) for _, what, x, *rest in before if what == "epoch" for epoch in rest]
    assert len(acknowledged) > 8
    assert all(epoch in curves[x].steps for x, epoch in acknowledged)
    again = {words[2] for words in after if words[1] == "start"}
    finished = over_for_sure(before)
    assert len(finished) >= 3
    assert not finished & again
    unfinished = {words[2] for words in before if words[1] == "start"} - {x for x in curves if x not in again}
    assert unfinished <= again
    assert Counter(words[2] for words in after if words[1] == "start").most_common(1)[0][1] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_keeps_everything_and_goes_on(
    number: signal.Signals, tmp_path: Path, sweep_file: Callable[..., Path], metahp: Start
) -> None:
    path = sweep_file(space={"x": {"float": [0.0, 1.0]}, "pause": 0.2}, budget={"trials": 6, "epochs": 4})
    driver = metahp("run", str(path))
    wait_for_starts(tmp_path, 3, driver)
    if number is signal.SIGINT:
        os.killpg(driver.pid, number)  # a terminal tells the whole group
    else:
        os.kill(driver.pid, number)
    output = finish(driver)
    history = only_sweep(tmp_path)

    assert driver.returncode == 128 + number
    assert f"ended early: interrupted by {number.name}" in output
    assert "Traceback" not in output
    assert f"go on by: metahp run {path} --sweep-id {history.sweep.sweep_id}" in output
    assert 1 <= sum(trial.status.is_over for trial in history.trials) < 6
    reported = [words for words in diary(tmp_path) if words[1] == "epoch"]
    assert sum(len(trial.curve) for trial in history.trials) >= len(reported)

    if number is signal.SIGTERM:
        return  # it goes on in the same way
    again = metahp("run", str(path), "--sweep-id", history.sweep.sweep_id)
    assert "trials: 6 completed" in finish(again)
    assert again.returncode == 0
    starts = Counter(words[2] for words in diary(tmp_path) if words[1] == "start")
    unfinished = {str(trial.config["x"]) for trial in history.trials if not trial.status.is_over}
    assert len(starts) == 6
    assert {x for x, count in starts.items() if count > 1} <= unfinished


def test_the_token_of_the_local_cluster_is_private(
    tmp_path: Path, sweep_file: Callable[..., Path], metahp: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    process = metahp("run", str(sweep_file(budget={"trials": 1, "epochs": 1})))
    output = finish(process)
    assert process.returncode == 0, output
    token = tmp_path / "state" / "metahp" / "ray" / "token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert stat.S_IMODE(token.parent.stat().st_mode) == 0o700
    assert len(token.read_text()) == 64
