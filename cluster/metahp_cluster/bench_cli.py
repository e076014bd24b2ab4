"""``metahp bench``: the benchmarks, where there is a checkout of the project; the package does not carry them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import typer

import metahp
from metahp.errors import MetaHPError

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def bench(context: typer.Context) -> None:
    """Compare with ASHA, random search, Optuna and others on recorded curves; needs a checkout of the project.

    Example: metahp bench replay --tasks synthetic-plain --seeds 1

    Everything that follows is passed on to `python -m benchmarks`: `metahp bench --help` says what there is. Run it
    inside the checkout, or install that with `pip install --editable '.[bench]'` and run it anywhere.
    """
    root = _checkout()
    found = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
    words = [sys.executable, "-m", "benchmarks", *(context.args or ["--help"])]
    raise typer.Exit(subprocess.run(words, env=os.environ | {"PYTHONPATH": found}, check=False).returncode)


def _checkout() -> Path:
    """Where the benchmarks lie: here, above, or around the installed package."""
    here = Path.cwd()
    for folder in (here, *here.parents, Path(metahp.__file__).parents[1]):
        if all((folder / part).is_file() for part in ("benchmarks/__main__.py", "metahp/policy.py")):
            return folder
    raise MetaHPError(
        f"the benchmarks are not part of the package, and no checkout of the project is at {here} or above; "
        "run this inside a checkout"
    )
