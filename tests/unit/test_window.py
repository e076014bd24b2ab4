"""Which trials of a long sweep decisions are made from."""

from metahp.types import LearningCurve, Mode, Trial
from metahp.window import BEST, NEWEST, Window


def sweep(count: int) -> dict[str, Trial]:
    """Trials t0, t1, ...; every seventh is better than those around it, and the older the better."""
    return {
        f"t{n}": Trial(f"t{n}", {"x": n}, LearningCurve.of([(1, (100.0 if n % 7 == 0 else 0.0) - n / 1e4)]))
        for n in range(count)
    }


def test_a_short_sweep_is_seen_whole() -> None:
    trials = sweep(NEWEST + BEST)
    assert Window().of(trials, [], Mode.MAX) == tuple(trials.values())


def test_of_a_long_one_the_best_the_running_and_the_newest() -> None:
    trials = sweep(5000)
    seen = [trial.trial_id for trial in Window().of(trials, ["t3", "t4999"], Mode.MAX)]
    assert seen[:BEST] == [f"t{7 * n}" for n in range(BEST)]
    assert seen[BEST] == "t3"
    assert seen[BEST + 1 :] == [f"t{n}" for n in range(5000 - NEWEST, 5000)]


def test_new_reports_are_seen_and_new_leaders_soon() -> None:
    window, trials = Window(), sweep(2000)
    window.of(trials, [], Mode.MIN)
    trials["t1500"] = Trial("t1500", {}, LearningCurve.of([(1, 1.0), (2, 2.0)]))
    assert trials["t1500"] in window.of(trials, [], Mode.MIN)
    trials["t5"] = Trial("t5", {}, LearningCurve.of([(1, -50.0)]))
    trials |= {name: trial for name, trial in sweep(2100).items() if name not in trials}
    assert window.of(trials, [], Mode.MIN)[0] == trials["t5"]
