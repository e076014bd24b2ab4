"""The pages of docs/: the site is built without the network, and their Python runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from metahp.space import Float, SearchSpace
from metahp.store import Store
from metahp.types import Measurement, Mode, Sweep
from metahp_cluster.spec import Budget, Resources
from metahp_cluster.spec import Sweep as SweepFile

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
    commands = (tmp_path / "commands" / "index.html").read_text()
    assert all(f"metahp {name}" in commands for name in ("run", "why", "store check", "import optuna", "model show"))
    assert not (tmp_path / "_hooks.py").exists()


def rows(heading: str) -> dict[str, str]:
    """Key and default of the table below a heading of the page about the sweep file."""
    page = (ROOT / "docs" / "sweep_file.md").read_text()
    table = page.split(f"# {heading}\n")[1].split("\n#")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE))


@pytest.mark.parametrize(
    ("heading", "model"), [("The sweep file", SweepFile), ("budget", Budget), ("resources", Resources)]
)
def test_every_key_of_a_sweep_file_is_on_its_page(heading: str, model: type[BaseModel]) -> None:
    told = rows(heading)
    assert set(told) == set(model.model_fields)
    for key, field in model.model_fields.items():
        assert (told[key] == "needed") == field.is_required(), key
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert told[key] == f"{field.default:g}", key


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
