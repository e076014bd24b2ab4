"""The small parts: capacity, progress, views, report, log, token, commands without Ray."""

import io
import math
import os
import pickle
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer

import metahp
from metahp.errors import StoreError, SweepSpecError
from metahp.space import Float, SearchSpace
from metahp.store import Store
from metahp.types import LearningCurve, Measurement, Mode, Sweep, SweepHistory, Trial, TrialStatus
from metahp_cluster import environment, figures
from metahp_cluster.cli import app, exit_code, main
from metahp_cluster.forecaster import Forecaster
from metahp_cluster.interrupts import Brake
from metahp_cluster.machine import Node, at_once
from metahp_cluster.progress import Ahead, Progress
from metahp_cluster.quiet import noise_to
from metahp_cluster.report import render
from metahp_cluster.results import SweepResult, facts
from metahp_cluster.spec import Resources
from metahp_cluster.summary import Cost, summarise
from metahp_cluster.views import LineView, LiveView, NoView, clock, summary


@pytest.mark.parametrize(
    ("wanted", "nodes", "trials"),
    [
        (Resources(), [Node(8, 0)], 8),
        (Resources(cpu=0.5), [Node(1, 0)], 2),
        (Resources(gpu=0.25), [Node(64, 2)], 8),
        (Resources(gpu=0.3), [Node(64, 2)], 6),  # three on each card; what is left over cannot be joined
        (Resources(gpu=2), [Node(64, 3), Node(64, 2)], 2),
        (Resources(cpu=4, gpu=1), [Node(6, 8)], 1),
        (Resources(at_once=3), [Node(8, 0)], 3),
        (Resources(at_once=30), [Node(8, 0)], 8),
    ],
)
def test_how_many_trials_run_at_once(wanted: Resources, nodes: list[Node], trials: int) -> None:
    assert at_once(wanted, nodes) == trials


def test_what_can_never_be_scheduled() -> None:
    with pytest.raises(SweepSpecError, match=r"a trial of 1 CPU \+ 1 GPU can never be scheduled.*there is 8 CPU,"):
        at_once(Resources(gpu=1), [Node(8, 0)])
    with pytest.raises(SweepSpecError, match="can never be scheduled"):
        at_once(Resources(cpu=6), [Node(4, 0), Node(4, 0)])


SPACE = SearchSpace({"x": Float(0, 1), "data": {"seed": 0}})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def progress_of_four(clock: Clock) -> Progress:
    """Trials 1 completed, 2 pruned after one epoch, 3 failed, 4 running."""
    progress = Progress("acc", Mode.MAX, SPACE, trials_wanted=6, epochs_each=4, clock=clock)
    for name in "abcd":
        progress.start(name, {"x": 0.5, "data": {"seed": 0}})
    for step in range(1, 5):
        progress.report("a", Measurement(step, step / 10))
    progress.report("b", Measurement(1, math.nan))
    progress.report("d", Measurement(1, 0.7))
    progress.end("a", TrialStatus.COMPLETED)
    progress.end("b", TrialStatus.STOPPED)
    progress.end("c", TrialStatus.ERRORED)
    return progress


def test_progress() -> None:
    clock = Clock()
    progress = progress_of_four(clock)
    assert progress.remaining_s() == 0.0  # no time has passed yet
    clock.now = 60.0
    assert (progress.ended, progress.epochs_used, progress.epochs_saved) == (3, 6, 3)
    leader = progress.incumbent()
    assert leader is not None
    assert (leader.number, leader.best) == (4, 0.7)
    # Trials that are over had 4, 1 and 0 epochs: 5/3 each, of which the running one has 2/3 before it; two are to come.
    assert progress.remaining_s() == pytest.approx((2 / 3 + 2 * 5 / 3) * 10)
    assert summary(progress) == (
        "3/6 trials over, 1 pruned, 1 failed, 1 running, best acc 0.7 (trial 4), 6 epochs, 3 saved"
    )


def test_a_resumed_sweep_counts_what_is_over() -> None:
    history = history_of(("a", TrialStatus.COMPLETED, 4), ("b", TrialStatus.RUNNING, 2))
    progress = Progress("acc", Mode.MAX, SPACE, trials_wanted=3, epochs_each=4)
    progress.take_up(history)
    assert (progress.ended, progress.epochs_used) == (1, 4)
    assert progress.remaining_s() is None  # nothing is known yet of how fast this run is
    progress.start("b", {})
    assert progress.trials["b"].number == 2


def test_lines_come_seldom_and_say_something_new() -> None:
    out, clock = io.StringIO(), Clock()
    view, progress = LineView(out), progress_of_four(clock)
    for clock.now in (0.0, 1.0, 2.0):
        progress.report("d", Measurement(2, 0.8 + clock.now / 100))
        view.show(progress)
    view.show(progress)
    clock.now = 6.0
    view.show(progress)
    view.show(progress)
    assert [line[:6] for line in out.getvalue().splitlines()] == ["[0:00]", "[0:06]"]


def test_the_live_table_shows_running_trials_and_the_best() -> None:
    out = io.StringIO()
    with LiveView(out) as view:
        view.say("a [bracket] stays")
        view.show(progress_of_four(Clock()))
    shown = out.getvalue()
    assert "a [bracket] stays" in shown
    assert shown.count("4 best") == 2  # drawn twice: by show and at the end
    assert "1/4" in shown
    assert "x=0.5" in shown
    assert "seed" not in shown


@pytest.mark.parametrize("columns", [40, 120])
def test_forty_columns_lose_nothing_of_the_live_table(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = io.StringIO()
    with LiveView(out) as view:
        view.show(progress_of_four(Clock()))
    lines = [re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", line) for line in out.getvalue().splitlines()]
    assert max(map(len, lines)) <= columns
    assert {"3/6", "4", "best", "1/4", "0.7", "x=0.5", "saved"} <= set(" ".join(lines).split())
    assert "…" not in out.getvalue()


def test_views_survive_pickling_as_nothing() -> None:
    for view in (LineView(io.StringIO()), LiveView(io.StringIO())):
        assert type(pickle.loads(pickle.dumps(view))) is NoView


def test_clock() -> None:
    assert [clock(s) for s in (0, 61, 3725)] == ["0:00", "1:01", "1:02:05"]


def history_of(*trials: tuple[str, TrialStatus, int], name: str = "a sweep") -> SweepHistory:
    sweep = Sweep("id-1", SPACE, "acc", Mode.MAX, 4, {}, name)
    return SweepHistory(
        sweep,
        tuple(
            Trial(trial_id, {"x": 0.5}, LearningCurve.of([(s, s / 10) for s in range(1, steps + 1)]), status)
            for trial_id, status, steps in trials
        ),
    )


def result_of(history: SweepHistory, tmp_path: Path, brake: Brake | None = None) -> SweepResult:
    brake = brake or Brake()
    ended = (brake.reason, brake.signal_number, brake.time_is_up)
    return SweepResult(history, 3, 4, str(tmp_path), tmp_path, *ended)


def test_a_report_needs_nothing_else_and_trusts_no_name(tmp_path: Path) -> None:
    history = history_of(
        ("a", TrialStatus.COMPLETED, 4), ("b", TrialStatus.STOPPED, 1), name="<script>alert(1)</script>"
    )
    page = render(result_of(history, tmp_path))
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "plotly.js v" in page  # the code itself, not a link to it
    assert 'src="http' not in page
    told = dict(facts(result_of(history, tmp_path)))
    assert told["epochs trained"] == "5"
    assert told["epochs saved by pruning"] == "3 (38% of 8)"


def test_a_report_shows_what_mattered_and_the_other_sweeps(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for name in ("first", "second"):
        trials = [
            {"config": {"x": n / 20, "data": {"seed": 0}}, "curve": [(s, (n / 20) ** 2 + 1 / s, s) for s in (1, 2)]}
            for n in range(20)
        ]
        store.import_sweep(name=name, space=SPACE, metric="acc", mode="max", trials=trials)
    page = tmp_path / "page.html"
    main_of("report", str(store.path), "--output", str(page))
    text = page.read_text()
    assert all(title in text for title in ("Best so far", "Hyperparameters of all trials", "What mattered"))
    assert "Sweeps of this store" in text
    assert "first" in text
    assert text.count("plotly.js v") == 1
    assert "    &#39;x&#39;: 0.95," in text
    with pytest.raises(StoreError, match="nowhere"):
        main_of("report", str(tmp_path / "nowhere"), "--output", str(page))
    assert not (tmp_path / "nowhere").exists()


def test_the_report_of_a_store(tmp_path: Path) -> None:
    store, page = Store(tmp_path / "store"), tmp_path / "page.html"
    main_of("report", str(store.path), "--all", "--output", str(page))
    assert "This store holds no sweeps yet" in page.read_text()
    for name in ("first", "<second>"):
        trials = [{"config": {"x": n / 20, "data": {"seed": 0}}, "curve": [(1, n / 20, 3.0)]} for n in range(20)]
        store.import_sweep(name=name, space=SPACE, metric="acc", mode="max", trials=trials)
    main_of("report", str(store.path), "--all", "--output", str(page))
    text = page.read_text()
    assert "<dd>40</dd>" in text
    assert "2.0 min" in text
    assert "&lt;second&gt;" in text
    assert "<second>" not in text
    assert text.count("data-figure=") == 1
    with pytest.raises(StoreError, match=r"cannot write the report at /dev/null/page\.html: Not a directory; use"):
        main_of("report", str(store.path), "--all", "--output", "/dev/null/page.html")
    with pytest.raises(typer.BadParameter, match="give one of them"):
        main_of("report", str(store.path), "--all", "--sweep", "s")


def test_what_pruning_saved_is_counted_at_each_trials_own_pace() -> None:
    curves = [(TrialStatus.COMPLETED, 4, 10.0), (TrialStatus.STOPPED, 1, 100.0), (TrialStatus.ERRORED, 0, 1.0)]
    trials = tuple(
        Trial(str(n), {"x": 0.5}, LearningCurve.of([(s, s / 10, s * pace) for s in range(1, steps + 1)]), status)
        for n, (status, steps, pace) in enumerate(curves)
    )
    found = summarise(SweepHistory(Sweep("id-1", SPACE, "acc", Mode.MAX, 4), trials))
    assert found.cost == Cost(trials=3, epochs=5, seconds=140.0)
    assert found.costs[TrialStatus.STOPPED] == Cost(1, 1, 100.0)
    assert (found.epochs_saved, found.seconds_saved) == (3, 300.0)
    assert (found.best, found.line) == (0.4, ((1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4), (5, 0.4)))


def test_an_axis_leaves_out_what_diverged() -> None:
    losses = np.array([*np.linspace(0.1, 1.0, 50), 1e30, np.nan, np.inf])
    shown = figures.focus(losses, -1.0)
    assert shown is not None
    assert shown[0] < 0.1
    assert 0.8 < shown[1] < 1.2
    assert figures.focus(np.linspace(0.0, 1.0, 50), 1.0) is None
    assert figures.focus(np.array([np.nan]), 1.0) is None


def main_of(*arguments: str) -> None:
    app(list(arguments), standalone_mode=False)


def test_a_report_of_nothing(tmp_path: Path) -> None:
    page = render(result_of(history_of(), tmp_path))
    assert "no finite value reported" in page
    assert "none yet" in page


def test_the_command_starts_without_ray_and_tensorflow() -> None:
    """They are slow, and Ray reads its settings when it is imported."""
    code = "import sys, metahp_cluster.cli; print({'ray', 'tensorflow', 'keras'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_exit_codes(tmp_path: Path) -> None:
    over = history_of(*((name, TrialStatus.COMPLETED, 4) for name in "abc"))
    part = history_of(("a", TrialStatus.COMPLETED, 4))
    assert exit_code(result_of(over, tmp_path)) == 0
    late, pointless, interrupted = Brake(), Brake(), Brake()
    late.pull_after(1)
    pointless.pull("all of the first 4 trials failed")
    pointless.pull_after(1)  # the first reason counts
    with interrupted.on_signals():
        signal.raise_signal(signal.SIGINT)
    codes = [exit_code(result_of(part, tmp_path, brake)) for brake in (late, pointless, interrupted)]
    assert codes == [3, 2, 130]


def test_noise_goes_to_the_log_and_words_to_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    with open(os.dup(1), "w") as terminal, noise_to(log, terminal) as words:
        os.write(1, b"from C\n")
        subprocess.run([sys.executable, "-c", "import sys; print('a child', file=sys.stderr)"], check=True)
        print("hello", file=words, flush=True)
    os.write(1, b"after\n")
    assert log.read_text() == "from C\na child\n"
    assert capfd.readouterr().out == "hello\nafter\n"


def test_a_full_disk_takes_no_noise_and_ends_nothing() -> None:
    with noise_to(Path("/dev/full"), sys.__stdout__ or sys.stdout):
        print("no room for this")
        print("nor for this", file=sys.stderr, flush=True)


def test_a_terminal_is_known_before_its_descriptor_is_taken(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from metahp_cluster.display import display\n"
        "with display(Path('log'), sys.stdout) as view: print(type(view).__name__)"
    )
    terminal, child_end = os.openpty()
    environ = os.environ | {"TERM": "xterm", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], stdout=child_end, check=True, cwd=tmp_path, env=environ)
    os.close(child_end)
    os.close(terminal)
    assert (tmp_path / "log").read_text() == "LiveView\n"


def test_the_token_is_private_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    before = os.umask(0)
    try:
        path = environment.token_file()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    token = path.read_text()
    assert len(token) == 64
    assert environment.token_file().read_text() == token


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment.DEFAULTS:
        monkeypatch.setenv(name, "mine")
    environment.prepare()
    assert {os.environ[name] for name in environment.DEFAULTS} == {"mine"}


def command(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int | str | None:
    monkeypatch.setattr("sys.argv", ["metahp", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    return left.value.code


def test_version_and_store_info(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--version", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == f"metahp {metahp.__version__}\n"
    store = Store(tmp_path / "store")
    store.import_sweep(
        name="old one",
        space=SPACE,
        metric="acc",
        mode="max",
        trials=[{"config": {"x": 0.1, "data": {"seed": 0}}, "curve": [(1, 0.25)]}],
    )
    monkeypatch.setenv("COLUMNS", "120")
    assert command("store", "info", str(tmp_path / "store"), monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out
    assert "old one" in out
    assert "0.25" in out
    assert command("store", "info", str(tmp_path / "absent"), monkeypatch=monkeypatch) == 2
    assert "there is no store at" in capsys.readouterr().err


def test_a_store_that_cannot_be_written_is_one_sentence(
    sweep_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sweep_file(store="/dev/null/store")
    assert command("run", str(path), monkeypatch=monkeypatch) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "/dev/null/store" in said[0]


def test_a_paused_trial_waits_and_a_repeated_one_counts_once() -> None:
    clock = Clock()
    progress = progress_of_four(clock)
    progress.pause(["d"])
    assert progress.counts[TrialStatus.PAUSED] == 1
    assert progress.running() == []
    assert "0 running, 1 paused" in summary(progress)
    progress.pause([])
    assert [trial.number for trial in progress.running()] == [4]
    progress.start("c", {"x": 0.5})  # it had failed, and is tried again
    progress.report("d", Measurement(1, 0.7))  # a worker was lost, and its trial began anew
    assert (progress.ended, progress.epochs_used, len(progress.running())) == (2, 6, 2)


def test_hours_and_forecasts_are_shown() -> None:
    clock = Clock()
    progress = progress_of_four(clock)
    clock.now = 60.0
    for trial, seconds in (("a", 36.0), ("d", 18.0)):
        progress.report(trial, Measurement(progress.trials[trial].epochs, 0.1, seconds))
    progress.ahead = Ahead(0.72, 0.8, 0.9)
    out = io.StringIO()
    LineView(out).show(progress)
    assert "at the end 0.8 (0.72 to 0.9)" in out.getvalue()
    assert "6 epochs, 3 saved, 0.015 CPU-hours, 0 saved" in out.getvalue()
    assert out.getvalue().strip().endswith("about 0:40 left (0:13 to 1:50)")  # not above all in full


def test_a_running_sweep_is_forecast_from_its_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    sweep = Sweep("s", SearchSpace({"x": Float(0, 1)}), "acc", Mode.MAX, 8, {}, "s")
    with store.open_sweep(sweep) as writer, Forecaster(store, "s", 12, every_s=0.01) as forecaster:
        for number in range(8):
            writer.start_attempt(f"t{number}", {"x": number / 8})
            for step in range(1, 9):
                writer.record(f"t{number}", Measurement(step, number / 8 * (1 - 0.5**step)))
        writer.seal()
        deadline = time.monotonic() + 60
        while forecaster.latest is None and time.monotonic() < deadline:
            time.sleep(0.01)
    ahead = forecaster.latest
    assert ahead is not None
    assert 0.85 < ahead.low <= ahead.likely <= ahead.high <= 1.0
    assert pickle.loads(pickle.dumps(forecaster)) is None
