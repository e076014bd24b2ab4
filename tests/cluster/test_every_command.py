"""What every command owes: help, an answer for programs, and one sentence in place of a traceback."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from metahp.store import Store, SweepWriter
from metahp_cluster import bench_cli, cli

Running = tuple[Store, SweepWriter]
Code = int | None

STORE, FILE = "STORE", "SWEEP.YAML"
NOWHERE = ["--address", "http://127.0.0.1:9", "--insecure"]
TABLE = ["--map", "trial=t,step=s,value=v", "--mode", "max"]
ARGUMENTS: dict[str, list[str]] = {
    "run": [FILE],
    "learn": [STORE, "--once"],
    "report": [STORE],
    "why": [STORE, "t-0003"],
    "audit": [STORE],
    "recommend": [FILE, "--store", STORE],
    "plan": [FILE, "--store", STORE],
    "advise": [STORE],
    "ui": [STORE],
    "submit": [FILE, *NOWHERE],
    "resume": [FILE, *NOWHERE],
    "status": ["job", *NOWHERE],
    "logs": ["job", *NOWHERE],
    "stop": ["job", *NOWHERE],
    "list": NOWHERE,
    "store info": [STORE],
    "store check": [STORE],
    "store recover": [STORE],
    "store compact": [STORE],
    "store export": [STORE, "rows.csv", "--replace"],
    "store prune": [STORE, "--older-than", "90d"],
    "import ray": ["old-results", "--store", STORE, "--metric", "acc", "--mode", "max"],
    "import optuna": ["sqlite:///none.db", "--store", STORE],
    "import csv": ["table.csv", "--store", STORE, *TABLE],
    "import parquet": ["table.parquet", "--store", STORE, *TABLE],
    "model list": [STORE],
    "model show": [STORE, "0"],
    "model rollback": [STORE, "0"],
    "model unpin": [STORE],
}
"""Of every command: what a user may type, with a store and a sweep file to be filled in."""

PASSED_ON = ["bench"]
"""Those whose words are somebody else's, here the benchmarks'."""

LOOK = [name for name, words in ARGUMENTS.items() if STORE in words[:1] and name != "ui"]
"""Those that look into a store and end."""

SWEEP = """
name: a sweep
trainable: train.py:train
space: {x: {float: [0.0, 1.0]}}
metric: acc
mode: max
budget: {trials: 2, epochs: 2}
"""


def leaves(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Typer may bring a click of its own, so groups are known by what they have."""
    if hasattr(command, "commands"):
        for part, child in command.commands.items():
            yield from leaves(child, f"{name} {part}".strip())
    else:
        yield name, command


COMMANDS = dict(leaves(typer.main.get_command(cli.app)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a user stands, with a sweep file."""
    place = tmp_path / "folder"
    place.mkdir()
    (place / "train.py").write_text("def train(config): ...\n", encoding="utf-8")
    (place / FILE).write_text(SWEEP, encoding="utf-8")
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def metahp(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The command as the shell runs it: exit code, output, errors."""

    def call(name: str, store: Path, *more: str) -> tuple[Code, str, str]:
        words = [str(store) if word == STORE else word for word in ARGUMENTS[name]]
        monkeypatch.setattr("sys.argv", ["metahp", *name.split(), *words, *more])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return ended.value.code or 0, out, err

    return call


def test_no_command_is_forgotten_here() -> None:
    assert {*ARGUMENTS, *PASSED_ON} == set(COMMANDS)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_it_says_what_it_does_and_answers_programs(name: str) -> None:
    command = COMMANDS[name]
    assert len(command.help or "") > 20
    options = {option: each for each in command.params for option in each.opts}
    assert "--json" in options
    assert all(each.help for option, each in options.items() if option.startswith("--"))


@pytest.mark.parametrize("name", [*ARGUMENTS, *PASSED_ON])
def test_it_has_an_example_that_could_be_typed(name: str) -> None:
    (example,) = re.findall(r"^Example: (metahp .*)$", COMMANDS[name].help or "", re.MULTILINE)
    words = shlex.split(example)[1:]
    assert words[: len(name.split())] == name.split()
    known = {option for each in COMMANDS[name].params for option in each.opts}
    assert {word for word in words if word.startswith("--")} <= known or name in PASSED_ON


@pytest.mark.parametrize("name", ARGUMENTS)
def test_what_has_to_be_given_has_a_plain_name(name: str) -> None:
    valued = [each for each in COMMANDS[name].params if not getattr(each, "is_flag", False)]
    assert [each.name for each in valued if not each.metavar] == []


@pytest.mark.parametrize("name", ["run", "store check"])
def test_switches_do_not_speak_of_booleans(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["metahp", *name.split(), "--help"])
    with pytest.raises(SystemExit):
        cli.main()
    (line,) = [line for line in capsys.readouterr().out.splitlines() if " --json " in line]
    assert "bool" not in line


def test_help_begins_with_what_one_needs_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["metahp", "--help"])
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr().out
    first = [
        said.index(f" {name} ") for name in ("run", "submit", "list", "recommend", "plan", "why", "store", "bench")
    ]
    assert first == sorted(first)


def test_completion_is_there_and_needs_no_home(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a shell asks when one presses Tab, and what becomes of a home that cannot be written."""
    asked = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['metahp']; from metahp_cluster.cli import main; main()"],
        env=os.environ | {"_METAHP_COMPLETE": "complete_bash", "COMP_WORDS": "metahp re", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.stdout.split() == ["resume", "recommend", "report"], asked.stderr
    monkeypatch.setenv("HOME", str(folder / FILE))  # not even root can write into a file
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))  # of CI there may be none
    monkeypatch.setattr("sys.argv", ["metahp", "--install-completion", "bash"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == cli.WRONG_INPUT
    assert "completion cannot be installed in your home" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name, words in ARGUMENTS.items() if STORE in words and name != "ui"])
def test_a_store_that_is_not_there_is_one_sentence(name: str, metahp: Any, tmp_path: Path) -> None:
    code, out, err = metahp(name, tmp_path / "typo")
    assert code == cli.WRONG_INPUT
    assert out == ""
    assert err.startswith("metahp: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("name", LOOK)
def test_an_empty_store_gets_an_answer_or_a_sentence(name: str, metahp: Any, tmp_path: Path) -> None:
    code, out, err = metahp(name, Store(tmp_path / "store").path)
    assert (code, bool(out), bool(err)) in ((0, True, False), (cli.WRONG_INPUT, False, True))


@pytest.mark.parametrize("name", [name for name in LOOK if not name.startswith("model") and name != "learn"])
def test_a_running_sweep_is_answered_in_json_and_in_forty_columns(
    name: str, metahp: Any, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    code, out, _ = metahp(name, running[0].path)
    assert code == 0
    assert out
    code, out, _ = metahp(name, running[0].path, "--json")
    assert code == 0
    json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


RESTING = ["report", "audit", "why", "advise", "plan", "recommend"]
"""Those whose answers rest on what is left."""


@pytest.mark.parametrize("name", ["store info", "store check", "store export", "model list", "learn", *RESTING])
def test_a_corrupt_segment_costs_its_rows_alone(name: str, metahp: Any, running: Running, tmp_path: Path) -> None:
    store = shutil.copytree(running[0].path, tmp_path / "copy")
    damaged = sorted(store.rglob("results*/**/*.parquet"))[0]
    damaged.write_bytes(b"no parquet")
    code, out, err = metahp(name, store)
    assert code == (4 if name == "store check" else 0)
    assert out
    assert ("metahp: warning: " in err) == (name in RESTING)
    if name == "store check":
        assert damaged.name in out


@pytest.mark.parametrize(
    ("name", "phrases"),
    {
        "store info": ["s-1", "s-0", "acc (max)", "trials: 21"],
        "why": ["t-0003", "chance to beat the best", "most to blame: ", "the most similar trials"],
        "audit": ["trials were to be stopped", "epochs saved", "certif"],
        "advise": ["best acc so far: 0.8", "10 more trials", "hours of training"],
        "recommend": ["1. acc 0.", "learning_rate: 0.", "kind: ", "by: ", "past sweeps"],
        "plan": ["2 trials of at most 2 epochs", "best acc at the end: 0."],
        "list": ["s-1", "name: an earlier one", "state: running", "last word: "],
        "report": ["report.html"],
    }.items(),
)
def test_forty_columns_lose_no_words(
    name: str, phrases: list[str], metahp: Any, running: Running, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setitem(ARGUMENTS, "list", ["--store", STORE])
    space = "{learning_rate: {float: [1.0e-4, 1.0], log: true}, kind: {choice: [a, b]}}"
    (folder / FILE).write_text(SWEEP.replace("{x: {float: [0.0, 1.0]}}", space), encoding="utf-8")
    code, out, _ = metahp(name, running[0].path)
    assert code == 0
    told = " ".join(out.split())
    assert [phrase for phrase in phrases if phrase not in told] == []
    assert "…" not in out


@pytest.mark.parametrize("name", ["why", "report", "advise", "audit", "store export", "store prune", "model show"])
def test_what_a_store_does_not_hold_is_one_sentence(name: str, metahp: Any, running: Running) -> None:
    wrong = {"why": ["--sweep", "no-such"], "model show": []}.get(name, ["--sweep", "no-such"])
    code, out, err = metahp(name, running[0].path, *wrong)
    assert (code, out) == (cli.WRONG_INPUT, "")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("name", ["run", "plan", "recommend", "submit", "resume"])
def test_a_sweep_file_that_is_wrong_is_one_sentence(name: str, metahp: Any, folder: Path, tmp_path: Path) -> None:
    (folder / FILE).write_text(SWEEP.replace("mode: max", "mode: upwards"), encoding="utf-8")
    code, out, err = metahp(name, Store(tmp_path / "store").path)
    assert (code, out) == (cli.WRONG_INPUT, "")
    assert "mode" in err
    (folder / FILE).unlink()
    code, out, err = metahp(name, tmp_path / "store")
    assert (code, out) == (cli.WRONG_INPUT, "")
    assert FILE in err


@pytest.mark.parametrize("name", ["submit", "resume", "status", "logs", "stop", "list"])
def test_a_cluster_that_does_not_answer_is_one_sentence(name: str, metahp: Any, tmp_path: Path) -> None:
    code, out, err = metahp(name, tmp_path)
    assert (code, out) == (cli.WRONG_INPUT, "")
    assert "127.0.0.1:9" in err


@pytest.mark.parametrize("name", ["run", "recommend", "plan"])
def test_a_home_that_cannot_be_written_is_one_sentence(
    name: str, metahp: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [name for name in os.environ if name.startswith(("XDG_", "RAY_AUTH"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(folder / FILE))  # not even root can write into a file
    (folder / FILE).write_text(f"{SWEEP}store: ~/store\n", encoding="utf-8")
    monkeypatch.setitem(ARGUMENTS, name, [FILE])
    code, out, err = metahp(name, tmp_path)
    assert (code, out) == (cli.WRONG_INPUT, "")
    assert str(folder) in err


def test_the_benchmarks_run_in_a_checkout_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["metahp", "bench", "replay", "--help"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert "--history" in capfd.readouterr().out
    monkeypatch.setattr(bench_cli.metahp, "__file__", str(folder / "metahp" / "__init__.py"))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == cli.WRONG_INPUT
    assert "no checkout of the project" in capfd.readouterr().err
