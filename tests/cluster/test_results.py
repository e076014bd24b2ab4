"""Results as tables and in notebooks."""

from pathlib import Path

from metahp.space import Categorical, Float, SearchSpace
from metahp.types import LearningCurve, Measurement, Mode, Sweep, SweepHistory, Trial, TrialStatus
from metahp_cluster import SweepResult


def result(*trials: Trial) -> SweepResult:
    space = SearchSpace({"net": {"rate": Float(0, 1)}, "size": Categorical((1, "<b>"))})
    return SweepResult(SweepHistory(Sweep("s", space, "loss", Mode.MIN, name="a <name>"), trials), 2, 3, "x", Path("."))


def trial(name: str, size: object, value: float) -> Trial:
    curve = LearningCurve((Measurement(1, value),))
    return Trial(name, {"net": {"rate": 0.5}, "size": size}, curve, TrialStatus.COMPLETED)


def test_a_row_for_each_trial() -> None:
    table = result(trial("a", 1, 0.25), trial("b", "<b>", float("nan"))).to_arrow()
    assert table.column("config/net/rate").to_pylist() == [0.5, 0.5]
    assert table.column("config/size").to_pylist() == ["1", "<b>"]
    assert table.column("loss").to_pylist() == [0.25, None]
    assert table.to_pandas()["epochs"].tolist() == [1, 1]


def test_no_trial_no_row() -> None:
    assert result().to_arrow().num_rows == 0
    assert "no finite value" in result()._repr_html_()


def test_notebooks_show_text_as_text() -> None:
    shown = result(trial("b", "<b>", 0.5))._repr_html_()
    assert "a &lt;name&gt;" in shown
    assert "&lt;b&gt;" in shown
    assert "best 0.5" in shown
