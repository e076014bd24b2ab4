"""Imports point one way: metahp_cluster -> metahp_searchers -> metahp, and metahp knows nothing of Ray."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = {
    "metahp": {"ray", "metahp_searchers", "metahp_cluster", "benchmarks", "examples"},
    "searchers/metahp_searchers": {"metahp_cluster", "benchmarks", "examples"},
    "cluster/metahp_cluster": {"benchmarks", "examples"},
}


def imported(source: str) -> set[str]:
    tree = ast.parse(source)
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module and not n.level]
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_point_one_way(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    wrong = {
        str(path.relative_to(ROOT)): bad for path in files if (bad := imported(path.read_text()) & FORBIDDEN[package])
    }
    assert not wrong


def test_a_wrong_import_is_seen() -> None:
    assert "ray" in imported("def f():\n    from ray.tune import Tuner")
    assert "ray" in imported("import ray.tune as t")


def test_every_package_is_typed() -> None:
    assert all((ROOT / package / "py.typed").exists() for package in FORBIDDEN)
