"""What the documents tell people to type exists."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from metahp_cluster.cli import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    *(ROOT / "cluster").rglob("*.md"),
    *(ROOT / "examples").rglob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
]
FENCES = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def fenced(language: str) -> list[str]:
    return [text for path in DOCUMENTS for kind, text in FENCES.findall(path.read_text()) if kind == language]


def commands() -> list[str]:
    """All lines that call ``metahp``, in fences and in tables."""
    lines = [line for text in fenced("console") for line in text.splitlines()]
    quoted = [word for path in DOCUMENTS for word in re.findall(r"`([^`\n]*metahp [^`\n]*)`", path.read_text())]
    found = [re.sub(r"^\S*bin/", "", line) for line in lines + quoted]
    return sorted({line for line in found if line.startswith("metahp ")})


@pytest.mark.parametrize("line", commands())
def test_the_command_exists(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command = get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
    assert not hasattr(command, "commands"), f"{line}: no such command"
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    assert {word for word in words if word.startswith("-")} <= known


def test_python_in_documents_compiles() -> None:
    assert fenced("python")
    for text in fenced("python"):
        compile(text, "README.md", "exec")


def test_links_lead_somewhere() -> None:
    for path in DOCUMENTS:
        links = re.findall(r"\]\(([^)#]+)\)", path.read_text())
        missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
        assert not missing, f"{path.name}: {missing}"


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for text in fenced("console") for word in re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)}
    assert named <= targets
