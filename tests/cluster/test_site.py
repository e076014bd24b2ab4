"""The pages of docs/: the site is built without the network, and their Python runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from metahp.space import Float, SearchSpace
from metahp.store import Store
from metahp.types import Measurement, Mode, Sweep

ROOT = Path(__file__).parents[2]


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)


def test_the_site_is_built(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    pages = [tmp_path / "index.html", tmp_path / "integrations" / "index.html"]
    sources = [
        address for page in pages for address in re.findall(r'(?:src|<link [^>]*href)="(http[^"]*)"', page.read_text())
    ]
    assert not sources  # nothing is loaded from elsewhere


@pytest.mark.parametrize("code", blocks("integrations.md"))
def test_integrations(code: str) -> None:
    pytest.importorskip("ConfigSpace")
    pytest.importorskip("optuna")
    exec(compile(code, "integrations.md", "exec"), {})


@pytest.mark.parametrize("code", blocks("reading.md"))
def test_the_store_is_read(code: str, tmp_path: Path) -> None:
    sweep = Sweep("0" * 32, SearchSpace({"x": Float(0, 1)}), "loss", Mode.MIN)
    with Store(tmp_path / "store").open_sweep(sweep) as writer:
        writer.start_attempt("a", {"x": 0.5})
        for step in (1, 2, 3):
            writer.record("a", Measurement(step, 1 / step))
    names: dict[str, object] = {"store": str(tmp_path / "store")}
    exec(compile(code, "reading.md", "exec"), names)
    assert len(names["rows"]) == 3  # type: ignore[arg-type]
