"""`run` with real trials, good and bad ones."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from metahp.errors import StoreConflictError, SweepSpecError
from metahp.space import Float, SearchSpace
from metahp.types import TrialStatus
from metahp_cluster import Budget, Resources, Sweep, SweepResult, load_sweep, run

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_here")]

BAD_TRIALS = """
from ray import tune

def train(config):
    kind = config["kind"]
    if kind == "raises":
        raise RuntimeError("no luck today")
    if kind == "silent":
        return
    for epoch in range(4):
        value = {"nan": float("nan"), "text": "high", "inf": float("inf")}.get(kind, 0.5)
        tune.report({} if kind == "missing" and epoch < 2 else {"score": value})
"""


def run_watched(path: Path, **how: Any) -> tuple[SweepResult, str]:
    watch = io.StringIO()
    return run(load_sweep(path), watch=watch, **how), watch.getvalue()


def test_a_sweep_from_a_file(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    result, seen = run_watched(sweep_file())
    assert result.is_complete
    assert result.halted is None
    assert result.counts == {TrialStatus.COMPLETED: 5}
    assert (result.epochs_used, result.epochs_saved) == (20, 0)
    assert result.best_config is not None
    best = 1 - (result.best_config["x"] - 0.3) ** 2
    assert result.best_value == pytest.approx(best * (1 - 2.718281828 ** (-4 / 3)))
    assert result.store == str(tmp_path / "store")
    assert "5/5 trials over" in seen
    assert "2 at once" in seen
    assert result.report.is_relative_to(tmp_path / "out")
    assert result.sweep_id in result.report.read_text()
    assert len(result.rows()) == 5


def test_a_sweep_from_python_that_prunes(tmp_path: Path) -> None:
    def train(config: dict[str, float]) -> None:
        from ray import tune

        for epoch in range(1, 28):
            tune.report({"loss": config["x"] + 1 / epoch})

    sweep = Sweep(
        name="python",
        trainable=train,
        space=SearchSpace({"x": Float(0.0, 1.0)}),
        metric="loss",
        mode="min",  # type: ignore[arg-type]
        budget=Budget(trials=12, epochs=27),
        resources=Resources(cpu=1.0),
        store=str(tmp_path / "store"),
        output=tmp_path,
        scheduler="asha",
    )
    result = run(sweep)
    assert result.is_complete
    assert result.counts[TrialStatus.STOPPED] > 0
    assert result.epochs_saved == 12 * 27 - result.epochs_used > 0
    assert result.best_value == min(row["loss"] for row in result.rows())


def test_bad_trials_are_data(sweep_file: Callable[..., Path]) -> None:
    kinds = ["good", "raises", "silent", "nan", "inf", "text", "missing"]
    result, seen = run_watched(
        sweep_file(BAD_TRIALS, space={"kind": {"choice": kinds}}, budget={"trials": 7, "epochs": 4})
    )
    assert result.is_complete, result.halted
    by_kind = {trial.config["kind"]: trial for trial in result.history.trials}
    assert set(by_kind) == set(kinds)  # a searcher repeats nothing while something is left to try
    assert by_kind["raises"].status is TrialStatus.ERRORED
    assert "failed: RuntimeError: no luck today" in seen
    assert by_kind["silent"].status is TrialStatus.COMPLETED
    assert "ended without a report" in seen
    assert len(by_kind["silent"].curve) == 0
    for kind in ("nan", "inf", "text"):
        assert by_kind[kind].curve.best(result.history.sweep.mode) is None
    assert by_kind["missing"].curve.last_step == 4
    assert result.best_value == 0.5


def test_an_unknown_metric_ends_the_sweep_with_what_was_reported(sweep_file: Callable[..., Path]) -> None:
    result, seen = run_watched(sweep_file(metric="scroe", budget={"trials": 50, "epochs": 2}))
    assert result.halted is not None
    assert "no trial has reported the metric 'scroe'" in result.halted
    assert "reported were other, score; did you mean 'score'?" in result.halted
    assert "the first report has no 'scroe', only other, score" in seen
    assert len(result.history.trials) < 10
    assert not result.is_complete


def test_a_function_that_always_fails_ends_the_sweep(sweep_file: Callable[..., Path]) -> None:
    code = "def train(config):\n    raise KeyError('learning_rat')\n"
    result, _ = run_watched(sweep_file(code, budget={"trials": 50, "epochs": 2}))
    assert result.halted is not None
    assert "trials failed, the last one by KeyError: 'learning_rat'" in result.halted
    assert len(result.history.trials) < 10


def test_hours_end_a_sweep_and_a_resume_goes_on(sweep_file: Callable[..., Path]) -> None:
    space = {"x": {"float": [0.0, 1.0]}, "pause": 0.2}
    path = sweep_file(space=space, budget={"trials": 8, "epochs": 4, "hours": 0.0008})
    first, _ = run_watched(path)
    assert first.halted == "the budget of 0.0008 hours is used up"
    assert first.signal_number is None
    assert first.ended < 8
    sweep_file(space=space, budget={"trials": 8, "epochs": 4})
    second, _ = run_watched(path, resume=True)
    assert second.sweep_id == first.sweep_id
    assert second.is_complete
    assert second.counts == {TrialStatus.COMPLETED: 8}
    with pytest.raises(SweepSpecError, match=r"all 8 trials of 'quadratic' .* are over, there is nothing to resume"):
        run(load_sweep(path), resume=True)
    sweep_file(space={"x": {"float": [0.0, 2.0]}, "pause": 0.2})
    with pytest.raises(StoreConflictError, match="another space"):
        run(load_sweep(path), resume=first.sweep_id)


def test_nothing_to_resume(sweep_file: Callable[..., Path]) -> None:
    with pytest.raises(SweepSpecError, match="holds no sweep named 'quadratic'; run without resume"):
        run(load_sweep(sweep_file()), resume=True)
    with pytest.raises(SweepSpecError, match="holds no sweep 'abc'"):
        run(load_sweep(sweep_file()), resume="abc")


def test_more_than_there_is(sweep_file: Callable[..., Path]) -> None:
    with pytest.raises(SweepSpecError, match=r"a trial of 64 CPU can never be scheduled.*there is 2 CPU"):
        run(load_sweep(sweep_file(resources={"cpu": 64})))


def test_short_trials_use_all_workers(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    result, _ = run_watched(sweep_file(budget={"trials": 8, "epochs": 1}))
    assert result.is_complete
    workers = {line.split()[0] for line in (tmp_path / "diary").read_text().splitlines()}
    assert len(workers) == 2
