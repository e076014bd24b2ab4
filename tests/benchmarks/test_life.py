"""The life of a store, in small: every method lives on what its own sweeps have seen."""

import numpy as np
import pytest

from benchmarks import life as life_module
from benchmarks.life import LIVES, PARTS, Life, Lived, by_method, live, run_lives, table

pytestmark = [
    pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning"),
    pytest.mark.usefixtures("no_logged_errors"),
]

TASKS = "synthetic-plain/0,synthetic-plain/1"


def test_two_sweeps_of_every_method(tmp_path, monkeypatch):
    text = run_lives(TASKS, 1, tmp_path, trainings=1.0)
    assert {line.split()[1] for line in text.splitlines() if line.startswith("| ")} >= set(LIVES)
    assert (tmp_path / "life.png").stat().st_size > 1000
    files = list((tmp_path / "life").rglob("*.json"))
    assert len(files) == len(LIVES)
    monkeypatch.setattr(life_module, "live", lambda *_: pytest.fail("lived again"))
    assert run_lives(TASKS, 1, tmp_path, trainings=1.0) == text


def test_other_methods_live_shorter_lives_under_a_name_of_their_own(tmp_path):
    chosen = ("random", "asha3")
    text = run_lives(f"{TASKS},synthetic-plain/2", 1, tmp_path, methods=chosen, name="audit", sweeps=2, trainings=1.0)
    assert {line.split()[1] for line in text.splitlines() if line.startswith("| ")} >= set(chosen)
    assert "2 sweeps in 1 orders" in (tmp_path / "audit.md").read_text()
    assert not (tmp_path / "life.md").exists()
    with pytest.raises(ValueError, match="no method is called 'nothing'"):
        run_lives(TASKS, 1, tmp_path, methods=["nothing"])


def test_only_a_store_that_grows_makes_a_difference():
    """The first sweeps are alike; only later ones know a past."""
    names = ("synthetic-plain/0", "synthetic-plain/1")
    grown, blank = (live(Life(method, names, 0, 1.0)).regret for method in ("meta", "meta-blank"))
    assert grown.shape == (2, PARTS)
    assert grown[0].tolist() == blank[0].tolist()
    assert grown[1].tolist() != blank[1].tolist()
    assert np.all(np.diff(grown, axis=1) <= 0)


def test_the_table_groups_sweeps_and_says_how_much_sooner_the_tenth_is_there():
    falling = np.linspace(1.0, 0.0, PARTS)[None] * np.linspace(1.0, 0.2, 12)[:, None]
    lives = [
        Lived(Life(method, tuple("abcdefghijkl"), repetition, 2.0), falling + 0.1 * repetition, {})
        for method in LIVES
        for repetition in range(2)
    ]
    head, row, *_ = table(lives)
    assert head[1:6] == ["1", "2 to 3", "4 to 6", "7 to 10", "11 to 12"]
    assert row[0] == "meta"
    assert float(row[1].split()[0]) == pytest.approx(falling[0, PARTS // 2 - 1] + 0.05, abs=1e-3)
    assert row[-1] == "1.0"  # both come to the same at the very end
    assert by_method(lives, 2.0)["meta"].shape == (2, 12)
