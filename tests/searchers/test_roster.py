"""Trials by Tune's ids: told twice, out of order, or about strangers, the roster says the same."""

import math

from metahp.types import LearningCurve, Measurement, Trial, TrialStatus
from metahp_searchers.reports import measurement_of, metrics_of
from metahp_searchers.roster import Roster


def test_reports_out_of_order_and_twice_are_one_curve() -> None:
    roster = Roster()
    roster.admit("a", Trial("a", {}))
    for step, value in ((2, 0.2), (1, 0.1), (2, 0.9), (3, 0.3)):
        roster.report("a", Measurement(step, value))
    assert roster.trials[0].curve == LearningCurve.of([(1, 0.1), (2, 0.2), (3, 0.3)])


def test_a_trial_that_starts_again_replaces_what_it_reports_again() -> None:
    roster = Roster()
    roster.admit("a", Trial("a", {}))
    for value in (0.1, 0.2):
        roster.start("a", {"x": 1})
        for step in (1, 2, 3):
            roster.report("a", Measurement(step, value * step))
    roster.start("a", {"x": 1})
    roster.report("a", Measurement(3, 0.7))  # from a checkpoint at step 2
    assert roster.trials[0].curve == LearningCurve.of([(1, 0.2), (2, 0.4), (3, 0.7)])


def test_strangers_are_nobodys_and_the_first_end_counts() -> None:
    roster = Roster()
    roster.report("stranger", Measurement(1, 0.1))
    roster.end("stranger", TrialStatus.COMPLETED)
    assert roster.trials == ()
    roster.admit("a", Trial("a", {}))
    roster.end("a", TrialStatus.STOPPED)
    roster.end("a", TrialStatus.COMPLETED)
    assert roster.trials[0].status is TrialStatus.STOPPED
    assert roster.live == frozenset()


def test_what_the_store_has_seen_since() -> None:
    curve = LearningCurve.of([(1, 0.5)])
    roster = Roster([Trial("known", {})], {"known": "known", "gone": "gone"}, ["known", "gone"])
    roster.catch_up(
        [
            Trial("known", {}, curve, TrialStatus.RUNNING),
            Trial("gone", {}, curve, TrialStatus.COMPLETED),
            Trial("finished", {}, curve, TrialStatus.COMPLETED),
            Trial("unfinished", {"x": 1}, curve, TrialStatus.RUNNING),
        ]
    )
    assert [t.trial_id for t in roster.trials] == ["known", "gone", "finished"]
    assert roster.get("known") == Trial("known", {}, curve, TrialStatus.RUNNING)
    assert (left := roster.left_over("gone")) is not None
    assert left.status is TrialStatus.COMPLETED
    assert roster.left_over("known") is None
    assert [t.trial_id for t in roster.waiting] == ["unfinished"]


def test_measurements_of_good_and_bad_results() -> None:
    nested = {"val": {"acc": 0.5}, "epoch": 2, "time_total_s": 3.0, "config": {"lr": 1}, "done": False, "pid": 7}
    assert measurement_of(nested, "val/acc", "epoch") == Measurement(2, 0.5, 3.0)
    assert metrics_of(nested) == {"val/acc": 0.5, "epoch": 2}
    for value in (None, "high", [1], float("nan")):
        found = measurement_of({"m": value, "training_iteration": 1}, "m", "training_iteration")
        assert found is not None
        assert math.isnan(found.value)
    for step in (None, 0, -1, "x", float("nan"), float("inf")):
        assert measurement_of({"m": 1, "t": step}, "m", "t") is None
    assert measurement_of(None, "m", "t") is None
