"""Sweeps of a few trials, of many, and of a single epoch."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.shapes import Shape, _stretched, run_shapes, stretched
from benchmarks.tasks import Curve, load_task

CURVE = Curve(np.array([0.1, 0.2, 0.3, 0.4]), np.array([1.0, 2.0, 3.0, 4.0]))


def test_a_curve_is_told_in_any_number_of_steps() -> None:
    assert _stretched(CURVE, 4, 1).scores.tolist() == [0.4]
    assert _stretched(CURVE, 4, 2).scores.tolist() == [0.2, 0.4]
    longer = _stretched(CURVE, 4, 8)
    assert longer.scores.tolist() == [0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.4]
    assert longer.seconds.tolist() == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]


@pytest.mark.parametrize("steps", [1, 3, 100])
def test_a_training_that_died_dies_where_it_was(steps: int) -> None:
    died = _stretched(Curve(CURVE.scores, CURVE.seconds, fails=True), 8, steps)
    assert died.fails
    assert len(died) == max(1, round(steps / 2))
    assert died.scores[-1] == 0.4
    assert len(_stretched(Curve(np.empty(0), np.empty(0), fails=True), 8, steps)) == 0


def test_the_recorded_number_of_steps_changes_nothing() -> None:
    task = load_task("synthetic-plain/0")
    config = task.space.sample(np.random.default_rng(0))
    same = stretched(task, task.max_step).curve(config)
    assert same.scores.tolist() == task.curve(config).scores.tolist()


def test_the_table(tmp_path: Path) -> None:
    shapes = (Shape(3), Shape(4, 1))
    text = run_shapes("synthetic-plain/0", tmp_path, shapes=shapes)
    few, single = [line.split(" | ") for line in text.splitlines() if line.startswith("| ") and "trials of" in line]
    assert few[0] == "| 3 trials of the recorded epochs"
    assert (single[0], single[3], single[5]) == ("| 4 trials of 1 epochs", "4.0", "4.0")  # nothing can be stopped
    assert (tmp_path / "shapes.csv").exists()
