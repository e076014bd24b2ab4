"""What stands beside every number: the commit, whether files were changed since, the versions, the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("metahp", "ray", "optuna", "keras", "numpy", "scikit-learn")


def about_this_run() -> dict[str, Any]:
    """For a file of results."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "versions": {name: version(name) for name in PACKAGES},
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
    }


def line_about(facts: Iterable[Mapping[str, Any]]) -> str:
    """For the end of a table: every commit that its numbers come from, and the versions and machine of the first."""
    known = list(facts)
    commits = sorted({own["commit"][:10] + "+" * own["changed"] for own in known})
    versions = ", ".join(f"{name} {number}" for name, number in known[0]["versions"].items())
    return f"Commit {', '.join(commits)} (+: with changes); {versions}; {known[0]['machine']}."


def _git(*arguments: str) -> str:
    """What git says of the project; empty where there is no git or no repository."""
    try:
        answer = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=False, timeout=30
        )
    except OSError:
        return ""
    return answer.stdout.strip()
