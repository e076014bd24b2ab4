"""The Python of the documents runs, as it stands there; only budgets are made small."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metahp.store import Store
from metahp_cluster.describe_function import described_by

ROOT = Path(__file__).parents[2]
SMALL = {"num_samples=64": "num_samples=3", "num_samples=20": "num_samples=3"}

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def blocks(document: str) -> list[str]:
    """The Python of a document, with small budgets."""
    found = re.findall(r"^```python\n(.*?)^```", (ROOT / document).read_text(encoding="utf-8"), re.M | re.S)
    for large, small in SMALL.items():
        found = [text.replace(large, small) for text in found]
    return found


def run(text: str, **given: Any) -> dict[str, Any]:
    """What is defined when it has run."""
    names = {"__name__": "a_document", **given}
    exec(compile(text, "document", "exec"), names)
    return names


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ``~`` leads."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(config: dict[str, Any]) -> None:
    """What the readme leaves to its reader."""
    from ray import tune

    for epoch in range(1, 4):
        tune.report(
            {"val_accuracy": 1 - abs(np.log10(config["learning_rate"]) + 2) / 4 - 1 / (epoch + config["units"])}
        )


def test_the_ten_lines_of_the_readme(home: Path, ray_here: None) -> None:
    (ten_lines,) = blocks("README.md")
    assert "num_samples=3" in ten_lines
    run(ten_lines, train=train)
    (history,) = Store(home / "sweeps").curves()
    assert (len(history.trials), history.sweep.metric) == (3, "val_accuracy")
    assert history.sweep.task["classes"] == 10


def test_the_how_to(home: Path, ray_here: None) -> None:
    (own_script,) = blocks("docs/howto.md")
    assert "num_samples=3" in own_script
    run(own_script)
    (history,) = Store(home / "sweeps").curves()
    assert (len(history.trials), history.sweep.metric) == (3, "val_loss")


def test_predicting_a_learning_rate(capsys: pytest.CaptureFixture[str]) -> None:
    (recommended,) = blocks("docs/learning_rate.md")
    said = run(recommended)["said"]
    assert 1e-3 < said.configs[0].config["learning_rate"] < 0.1
    assert "learning_rate" in capsys.readouterr().out


def test_describing_a_task(home: Path) -> None:
    described, asserted = blocks("docs/describe.md")
    run(asserted)
    (home / "train.py").write_text(described)
    told = described_by("train.py:task")
    assert {"kind": "image", "classes": 5, "parameters": 325}.items() <= told.items()
