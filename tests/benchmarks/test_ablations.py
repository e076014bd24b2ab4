"""Parts left out one at a time: every variant is run, compared with the whole, and only within one family."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.ablations import PARTS, PASTS, run_ablations


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # Ray's ASHA with infinite scores
def test_every_part_has_its_line(tmp_path: Path) -> None:
    words = ["ablations", "--tasks", "synthetic-plain/0", "--trainings", "0.5", "--jobs", "1", "--out", str(tmp_path)]
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 0, answer.output
    with (tmp_path / "ablations.csv").open() as file:
        head, whole, *rest = csv.reader(file)
    assert head[1:] == ["regret @0.5", "difference at the end", "stopped falsely"]
    assert [whole[0], *(row[0] for row in rest)] == [*PARTS.values(), *PASTS.values()]
    regrets = {row[0]: float(row[1].split()[0]) for row in (whole, *rest)}
    for row in rest[:4]:
        assert float(row[2].split()[0]) == pytest.approx(regrets[row[0]] - regrets[whole[0]], abs=0.002)
    assert rest[0][3] == "0 of 0"  # where nothing is stopped


def test_families_are_not_mixed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one family at a time"):
        run_ablations("synthetic-plain/0,synthetic-late/0", 1, tmp_path)
