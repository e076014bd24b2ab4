import json
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from metahp.space import Categorical, Float, SearchSpace
from metahp.store import Store, sealing
from metahp.types import Mode, Sweep
from metahp_cluster import cli


@pytest.fixture(autouse=True)
def nothing_is_published_unasked() -> Iterator[None]:
    """Else the sealing thread comes in between on a busy machine, and files are other than a test expects."""
    with mock.patch.object(sealing, "SEAL_S", 3600.0):
        yield


@pytest.fixture
def spool_dir(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def store(tmp_path: Path, spool_dir: Path) -> Store:
    return Store(tmp_path / "store", spool_dir=spool_dir)


@pytest.fixture
def space() -> SearchSpace:
    return SearchSpace({"lr": Float(1e-5, 1.0, log=True), "kernel": Categorical(((3, 3), (5, 5)))})


@pytest.fixture
def sweep(space: SearchSpace) -> Sweep:
    return Sweep("sweep-1", space, "accuracy", Mode.MAX, 10, {"kind": "image", "classes": 10}, "digits")


@pytest.fixture
def metahp(monkeypatch, capsys):
    """Runs the command; gives its exit code and what it printed, parsed where ``--json`` is among the arguments."""

    def run(*arguments: object):
        monkeypatch.setattr("sys.argv", ["metahp", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        output = json.loads(said.out) if "--json" in arguments and said.out else said.out
        return end.value.code or 0, output, said.err

    return run
