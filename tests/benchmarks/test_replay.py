"""From the command line to the tables: resumable, alike over processes, and the numbers are those of the cells."""

import csv
import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from benchmarks import replay as replay_module
from benchmarks.__main__ import app
from benchmarks.cells import KEY, Cell, read_outcome, read_outcomes
from benchmarks.overhead import run_overhead
from benchmarks.publish import publish_results
from benchmarks.replay import run_replay
from benchmarks.report import main_table, time_table, write_report
from benchmarks.second_sweep import Comparison, Pair, table
from benchmarks.statistics import critical_difference, mean_ranks, paired_interval, speed_up, speed_up_by_task, studies
from benchmarks.tasks import load_task

pytestmark = [
    pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning"),
    pytest.mark.usefixtures("no_logged_errors"),
]

TASKS = "synthetic-plain/0,synthetic-plain/1,synthetic-plain/2"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    assert run_replay(TASKS, ["random", "asha", "portfolio"], "other-tasks", 2, out) == 18
    return out


def test_what_is_there_is_not_run_again(results, monkeypatch):
    monkeypatch.setattr(replay_module, "simulate", lambda *_, **__: pytest.fail("ran a cell again"))
    assert run_replay(TASKS, ["random", "asha"], "other-tasks", 2, results) == 0


def test_what_is_there_is_run_again_when_asked_for(results, tmp_path):
    shutil.copytree(results, tmp_path / "copy")
    before = read_outcome(tmp_path / "copy" / Cell("synthetic-plain/0", "asha", "none", 0).path)
    assert run_replay("synthetic-plain/0", ["asha"], "none", 1, tmp_path / "copy", again=True) == 1
    after = read_outcome(tmp_path / "copy" / before.cell.path)
    np.testing.assert_array_equal(before.regret, after.regret)
    assert before.overhead_s.tolist() != after.overhead_s.tolist()


def test_publishing_renews_what_the_results_hold_and_nothing_else(results, tmp_path):
    write_report(results)
    readme = tmp_path / "README.md"
    (tmp_path / "figures").mkdir()
    marks = "<!-- results: {}.md -->\n\nold {}\n\n<!-- end -->\n"
    readme.write_text(f"# Head\n\n{marks.format('synthetic-plain-4x4', 'one')}{marks.format('real', 'two')}tail\n")
    assert publish_results(results, readme) == ["synthetic-plain-4x4.md"]
    text = readme.read_text()
    assert "| portfolio (other-tasks) |" in text
    assert "old one" not in text
    assert "old two" in text
    assert text.startswith("# Head\n")
    assert text.endswith("tail\n")
    assert publish_results(results, readme) == ["synthetic-plain-4x4.md"]
    assert readme.read_text() == text


def test_a_cell_says_how_it_was_made(results):
    path = results / Cell("synthetic-plain/0", "asha", "none", 1).path
    about = json.loads(pq.read_schema(path).metadata[KEY])
    assert about["cell"]["method"] == "asha"
    assert about["versions"]["ray"].startswith("2.60")
    assert (
        about["seed"]
        == Cell("synthetic-plain/0", "random", "none", 1).seed
        != Cell("synthetic-plain/1", "asha", "none", 1).seed
    )
    assert len(about["commit"]) in (0, 40)


def test_an_outcome_is_the_best_so_far_in_reference_units(results):
    path = results / Cell("synthetic-plain/0", "asha", "none", 0).path
    outcome, rows = read_outcome(path), pq.read_table(path).to_pylist()
    scores = [row["score"] for row in rows if row["decision"] in ("CONTINUE", "STOP", "PAUSE")]
    reference = load_task("synthetic-plain/0").reference
    assert len(outcome.regret) == 200
    assert outcome.regret[-1] == pytest.approx((reference.best - max(scores)) / (reference.best - reference.start))
    assert np.all(np.diff(outcome.regret) <= 0)
    assert outcome.at(0.5) == outcome.regret[24]
    assert 0 < outcome.stopped < outcome.trials


def test_other_processes_take_the_same_decisions(results, tmp_path):
    run_replay("synthetic-plain/0,synthetic-plain/1", ["asha"], "none", 1, tmp_path, jobs=2)
    for outcome in read_outcomes(tmp_path):
        np.testing.assert_array_equal(outcome.regret, read_outcome(results / outcome.cell.path).regret)


def test_the_report_is_made_from_the_cells_alone(results):
    [text] = write_report(results)
    assert "3 tasks × 2 seeds, 4 workers" in text
    assert "| regret minus that of asha |" in text
    for name in ("synthetic-plain-4x4.md", "synthetic-plain-4x4.csv", "synthetic-plain-4x4.png", "cells.csv"):
        assert (results / name).stat().st_size > 0
    assert pq.read_table(results / "cells.parquet").num_rows == 18
    with (results / "cells.csv").open() as file:
        cells = list(csv.DictReader(file))
    assert {cell["method"] for cell in cells} == {"random", "asha", "portfolio"}
    assert all(float(cell["regret@4"]) <= float(cell["regret@0.5"]) for cell in cells)


def test_the_numbers_of_the_main_table(results):
    [study] = studies(list(read_outcomes(results)))
    head, *rows = main_table(study)
    row = next(row for row in rows if row[0] == "random")
    by_task = np.array([[own.at(4.0) for own in study.outcomes["random"][task]] for task in study.tasks]).mean(axis=1)
    error = by_task.std(ddof=1) / 3**0.5
    assert row[head.index("regret @4")] == f"{by_task.mean():.3f} ± {error:.3f}"
    assert (row[head.index("stopped")], row[head.index("falsely")]) == ("0 %", "–")
    ranks = mean_ranks(study, 4.0)
    assert sum(ranks.values()) == pytest.approx(1 + 2 + 3)
    assert ranks["portfolio (other-tasks)"] == min(ranks.values())
    assert speed_up(study, "asha", "asha") >= 1.0
    assert speed_up(study, "portfolio (other-tasks)", "asha") > 1.0
    assert np.all(speed_up_by_task(study, "asha", "asha") >= 1.0)
    assert speed_up_by_task(study, "portfolio (other-tasks)", "asha").shape == (3,)


def test_the_numbers_at_equal_time(results):
    """After a fourth of the time in which four workers train a median configuration each, one training's worth."""
    [study] = studies(list(read_outcomes(results)))
    head, *rows = time_table(study, ["asha"])
    table = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    for label in study.labels:
        by_task = [
            np.mean([own.regret[own.trainings_s <= 0.25].min(initial=1.0) for own in study.outcomes[label][task]])
            for task in study.tasks
        ]
        assert table[label]["regret @1"].startswith(f"{np.mean(by_task):.3f} ± ")
    assert table["asha"]["minus asha's"] == "+0.000 [+0.000, +0.000]"
    assert table["portfolio (other-tasks)"]["minus asha's"].startswith("-")


def test_only_pairs_that_every_method_has_are_compared(results, tmp_path):
    run_replay("synthetic-plain/0", ["random", "asha"], "none", 2, tmp_path)
    run_replay("synthetic-plain/1", ["random"], "none", 1, tmp_path)
    [study] = studies(list(read_outcomes(tmp_path)))
    assert study.tasks == ("synthetic-plain/0",)
    assert study.left_out == 1


def test_a_paired_interval_holds_the_mean_and_shrinks_with_the_spread():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(20, 5))
    low, high = paired_interval(0.3 + 0.1 * noise)
    assert low < 0.3 + 0.1 * noise.mean() < high
    wide = paired_interval(0.3 + noise)
    assert wide[1] - wide[0] == pytest.approx(10 * (high - low))
    assert paired_interval(np.full((4, 2), -0.2)) == pytest.approx((-0.2, -0.2))


def test_the_critical_difference_is_demsars():
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.01)  # the example of his paper, section 3.2.2


def test_the_second_sweeps_table_pairs_its_differences():
    results = [
        Comparison(Pair("f/0", "f/1", seed, 2.0), np.full(100, 0.5), np.full(100, 0.4), max_step=50, facts={})
        for seed in range(5)
    ]
    head, *rows = table(results)
    assert head[-1] == "difference [95 %]"
    assert [row[1] for row in rows] == ["0.25", "0.5", "1", "2"]
    assert all(row[2:] == ["0.500", "0.400", "-0.100 [-0.100, -0.100]"] for row in rows)


def test_overheads_are_ratios_to_random_search(tmp_path):
    text = run_overhead(["tpe"], tmp_path, results=300, history="none", sweeps=())
    rows = list(csv.DictReader((tmp_path / "overhead.csv").open()))
    assert [row["method"] for row in rows] == ["random", "random", "tpe", "tpe"]
    assert float(rows[2]["ms per suggestion"]) > 2 * float(rows[0]["ms per suggestion"])
    assert "results on synthetic-plain/0" in text


def test_the_command_line_refuses_what_does_not_exist(tmp_path):
    for wrong, said in (
        (["--tasks", "cifar"], "no task is called"),
        (["--tasks", "synthetic-plain/0", "--methods", "magic"], "no method is called"),
        (["--tasks", "synthetic-plain/0", "--methods", "portfolio", "--history", "all"], "a history is one of"),
    ):
        answer = CliRunner().invoke(app, ["replay", "--out", str(tmp_path), "--jobs", "1", *wrong])
        assert answer.exit_code == 2
        assert said in answer.output.replace("\n", " ").replace("│", "")
    assert CliRunner().invoke(app, ["report", "--out", str(tmp_path)]).exit_code == 2
    assert "meta-search" in CliRunner().invoke(app, ["list"]).output


@pytest.mark.slow
def test_the_second_sweep_is_run_from_the_command_line(tmp_path):
    arguments = ["second-sweep", "--tasks", "synthetic-plain", "--pairs", "1", "--seeds", "1", "--jobs", "1"]
    answer = CliRunner().invoke(app, [*arguments, "--trainings", "1", "--out", str(tmp_path)])
    assert answer.exit_code == 0, answer.output
    assert "store of one sweep" in (tmp_path / "second_sweep.md").read_text()
