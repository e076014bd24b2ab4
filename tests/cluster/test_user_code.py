"""The user's function: found where it was named, and refused with a sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest

from metahp.errors import SweepSpecError
from metahp_cluster import user_code
from metahp_cluster.cli import main


def write(tmp_path: Path, code: str) -> str:
    (tmp_path / "train.py").write_text(code)
    return f"{tmp_path}/train.py:train"


def test_the_function_is_called(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("FACTOR = 2")
    train = user_code.resolve(
        write(tmp_path, "import beside_it\ndef train(config):\n    return beside_it.FACTOR * config['x']\n")
    )
    assert train({"x": 21}) == 42


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1\nimport not_there_at_all\n", "No module named 'not_there_at_all' (line 2)"),
        ("def f(:\n", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3 (line 1)"),
        ("def fit(config): ...\ndef other(config): ...\n", "has no function 'train'; it has fit, other"),
        ("def train(): ...\n", "must take one argument, the configuration: too many positional arguments"),
        ("def train(a, b): ...\n", "must take one argument, the configuration: missing a required argument: 'b'"),
        ("class train: ...\n", "must be a function that takes the configuration, got <class"),
        ("train = 3\n", "must be a function that takes the configuration, got 3"),
    ],
)
def test_what_is_wrong_with_it(tmp_path: Path, code: str, said: str) -> None:
    with pytest.raises(SweepSpecError) as caught:
        user_code.resolve(write(tmp_path, code))
    assert said in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(SweepSpecError, match="there is no file"):
        user_code.resolve(f"{tmp_path}/absent.py:train")


def test_the_command_says_it_in_one_line(
    sweep_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["metahp", "run", str(sweep_file("1 / 0\n"))])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert said[0].endswith("train.py raises while it is imported: ZeroDivisionError: division by zero (line 1)")
