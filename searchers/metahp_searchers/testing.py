"""What every searcher and scheduler of Ray Tune must stand, as pytest classes for anybody's use.

Subclass, give the fixture, and declare where yours deviates::

    class TestMySearch(SearcherContract):
        reports_unknown_trials = False          # a known deviation

        @pytest.fixture
        def make_searcher(self):
            return lambda seed: MySearch(seed=seed)
"""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from metahp.space import SearchSpace
from metahp_searchers.ray_space import from_tune, holds_domain

METRIC, MODE = "score", "max"
STRANGE_RESULTS: tuple[dict[str, Any], ...] = (
    {},
    {"training_iteration": 1},
    {METRIC: math.nan, "training_iteration": 1},
    {METRIC: math.inf, "training_iteration": 2},
    {METRIC: -math.inf, "training_iteration": 2},
    {METRIC: "high", "training_iteration": 3},
    {METRIC: None, "training_iteration": 3},
    {METRIC: 0.5},
    {METRIC: 0.5, "training_iteration": 0},
    {METRIC: 0.5, "training_iteration": "three"},
    {METRIC: 0.5, "training_iteration": 5},
    {METRIC: 0.6, "training_iteration": 4},  # out of order
    {METRIC: 0.7, "training_iteration": 4},  # twice
)


def small_space() -> dict[str, Any]:
    """A Tune ``param_space`` with a bit of everything that every searcher of Tune understands."""
    return {
        "learning_rate": tune.loguniform(1e-4, 1e-1),
        "units": tune.randint(1, 9),
        "model": {"activation": tune.choice(["relu", "tanh"])},
    }


class SearcherContract:
    """A class of tests for a `Searcher`.

    Attributes:
        stands_strange_results: whether results without the metric, with NaN and so on are survived.
        stands_unknown_trials: whether results of trials that it never suggested are survived.
        repeats_itself: whether the same seed gives the same suggestions.
        resumes_exactly: whether it goes on after `restore` as it would have without.
    """

    stands_strange_results: ClassVar[bool] = True
    stands_unknown_trials: ClassVar[bool] = True
    repeats_itself: ClassVar[bool] = True
    resumes_exactly: ClassVar[bool] = True

    @pytest.fixture
    def make_searcher(self) -> Callable[[int], Searcher]:
        """How to make a searcher with a seed."""
        raise NotImplementedError("give the fixture make_searcher")

    @pytest.fixture
    def start(self, make_searcher: Callable[[int], Searcher]) -> Callable[[int], Searcher]:
        """A searcher with a seed that Tune has told what to do."""

        def started(seed: int) -> Searcher:
            searcher = make_searcher(seed)
            assert searcher.set_search_properties(METRIC, MODE, small_space(), stop=None, num_samples=100)
            return searcher

        return started

    def test_suggestions_lie_in_the_space(self, start: Callable[[int], Searcher]) -> None:
        """All of them, with every domain resolved, as plain data."""
        searcher, space = start(0), from_tune(small_space())
        for config in (suggest(searcher, f"t{i}") for i in range(12)):
            assert not holds_domain(config)
            assert space.contains(json.loads(json.dumps(config)))

    def test_the_same_seed_gives_the_same_suggestions(self, start: Callable[[int], Searcher]) -> None:
        """With the same results in between; another seed differs sooner or later, a portfolio may come first."""
        first, second, other = (dialogue(start(seed), 20) for seed in (1, 1, 2))
        assert (first == second) is self.repeats_itself
        assert first != other

    def test_strange_results_are_survived(self, start: Callable[[int], Searcher]) -> None:
        """Whatever a training function reports, the next suggestion comes."""
        if not self.stands_strange_results:
            pytest.skip("a declared deviation")
        searcher = start(0)
        for i, result in enumerate((None, *STRANGE_RESULTS)):
            suggest(searcher, f"t{i}")
            if result is not None:
                searcher.on_trial_result(trial_id=f"t{i}", result=dict(result))
            searcher.on_trial_complete(trial_id=f"t{i}", result=result, error=i % 2 == 0)
        assert suggest(searcher, "next")

    def test_trials_without_results_are_survived(self, start: Callable[[int], Searcher]) -> None:
        """Errors and trials that were stopped before they ran."""
        searcher = start(0)
        suggest(searcher, "a"), suggest(searcher, "b")
        searcher.on_trial_complete(trial_id="a", error=True)
        searcher.on_trial_complete(trial_id="b")
        assert suggest(searcher, "c")

    def test_unknown_trials_are_survived(self, start: Callable[[int], Searcher]) -> None:
        """After a restart Tune knows trials that the searcher does not; it may also end one twice."""
        if not self.stands_unknown_trials:
            pytest.skip("a declared deviation")
        searcher, result = start(0), {METRIC: 0.5, "training_iteration": 1}
        suggest(searcher, "a")
        for trial_id in ("a", "a", "unknown"):
            searcher.on_trial_result(trial_id=trial_id, result=dict(result))
            searcher.on_trial_complete(trial_id=trial_id, result=dict(result))
        assert suggest(searcher, "b")

    def test_it_goes_on_after_a_restart(self, start: Callable[[int], Searcher], tmp_path: Path) -> None:
        """`save` in one process, `restore` in the next, into the searcher that Tune pickled at the start."""
        searcher = start(3)
        dialogue(searcher, 5)
        searcher.save(str(tmp_path / "state"))
        restored = start(3)
        restored.restore(str(tmp_path / "state"))
        resumed, uninterrupted = (dialogue(s, 4, first=5) for s in (restored, searcher))
        assert (resumed == uninterrupted) is self.resumes_exactly

    def test_it_pickles(self, make_searcher: Callable[[int], Searcher], start: Callable[[int], Searcher]) -> None:
        """Tune pickles it before the start; whoever uses it may do so later too."""
        fresh = pickle.loads(pickle.dumps(make_searcher(0)))
        assert fresh.set_search_properties(METRIC, MODE, small_space(), stop=None, num_samples=100)
        running = start(0)
        dialogue(running, 3)
        for searcher in (fresh, pickle.loads(pickle.dumps(running))):
            assert suggest(searcher, "new")


class SchedulerContract:
    """A class of tests for a `TrialScheduler`.

    Attributes:
        stands_strange_results: whether results without the metric, with NaN and so on are survived.
        stands_unknown_trials: whether trials that were never added are survived.
        pauses: whether it may pause a trial that has no checkpoint.
    """

    stands_strange_results: ClassVar[bool] = True
    stands_unknown_trials: ClassVar[bool] = True
    pauses: ClassVar[bool] = False

    @pytest.fixture
    def make_scheduler(self) -> Callable[[], TrialScheduler]:
        """How to make a scheduler."""
        raise NotImplementedError("give the fixture make_scheduler")

    @pytest.fixture
    def scheduler(self, make_scheduler: Callable[[], TrialScheduler]) -> TrialScheduler:
        """A scheduler that Tune has told what to do."""
        scheduler = make_scheduler()
        assert scheduler.set_search_properties(METRIC, MODE, stop=None, num_samples=100)
        return scheduler

    def test_a_sweep_runs_through(self, scheduler: TrialScheduler) -> None:
        """Trials come, report and end; every answer is a word Tune knows."""
        controller = FakeController()
        for trial, result in running_trials(controller, scheduler, count=8, steps=4):
            assert self.answer(controller, scheduler, trial, result) in ("CONTINUE", "STOP", "PAUSE")
        assert scheduler.debug_string()

    def test_strange_results_are_survived(self, scheduler: TrialScheduler) -> None:
        """Whatever a training function reports, the trial goes on or stops."""
        if not self.stands_strange_results:
            pytest.skip("a declared deviation")
        controller = FakeController()
        trial = controller.add(scheduler, "a", Trial.RUNNING)
        for result in STRANGE_RESULTS:
            assert self.answer(controller, scheduler, trial, dict(result)) in ("CONTINUE", "STOP")
        scheduler.on_trial_complete(controller, trial, {})

    def test_a_trial_may_be_added_twice(self, scheduler: TrialScheduler) -> None:
        """As after a failure that is tried again: an error, then a second time the same trial."""
        controller = FakeController()
        trial = controller.add(scheduler, "a", Trial.RUNNING)
        scheduler.on_trial_error(controller, trial)
        scheduler.on_trial_add(controller, trial)
        assert self.answer(controller, scheduler, trial, {METRIC: 0.5, "training_iteration": 1}) == "CONTINUE"

    def test_unknown_trials_are_survived(self, scheduler: TrialScheduler) -> None:
        """Trials that were never added, or removed before."""
        if not self.stands_unknown_trials:
            pytest.skip("a declared deviation")
        controller, trial = FakeController(), fake_trial("unknown", Trial.RUNNING)
        assert self.answer(controller, scheduler, trial, {METRIC: 0.5, "training_iteration": 1}) == "CONTINUE"
        scheduler.on_trial_complete(controller, trial, {METRIC: 0.5, "training_iteration": 1})
        scheduler.on_trial_remove(controller, trial)
        scheduler.on_trial_error(controller, trial)

    def test_choosing_changes_nothing(self, scheduler: TrialScheduler) -> None:
        """The trial that runs next is the same however often Tune asks; with none waiting there is none."""
        controller = FakeController()
        assert scheduler.choose_trial_to_run(controller) is None
        controller.add(scheduler, "running", Trial.RUNNING)
        assert scheduler.choose_trial_to_run(controller) is None
        waiting = controller.add(scheduler, "waiting", Trial.PENDING)
        assert all(scheduler.choose_trial_to_run(controller) is waiting for _ in range(3))

    def test_it_pickles_and_comes_back_empty_handed(self, make_scheduler: Callable[[], TrialScheduler]) -> None:
        """Tune restores the scheduler as it was before the start, and adds all trials to it again."""
        scheduler = pickle.loads(pickle.dumps(make_scheduler()))
        assert scheduler.set_search_properties(METRIC, MODE, stop=None, num_samples=1)
        controller = FakeController()
        ended = controller.add(scheduler, "ended", Trial.TERMINATED)
        ended.run_metadata.last_result = {METRIC: 0.9, "training_iteration": 4}
        trial = controller.add(scheduler, "unfinished", Trial.PENDING)
        assert scheduler.choose_trial_to_run(controller) is trial
        assert self.answer(controller, scheduler, trial, {METRIC: 0.5, "training_iteration": 1}) == "CONTINUE"

    def test_a_paused_trial_is_not_left_behind(self, scheduler: TrialScheduler) -> None:
        """Once everything else is over, it is chosen to go on; else the sweep would never end."""
        controller = FakeController()
        paused = controller.add(scheduler, "paused", Trial.PAUSED)
        for trial, result in running_trials(controller, scheduler, count=3, steps=2):
            self.answer(controller, scheduler, trial, result)
        assert scheduler.choose_trial_to_run(controller) is paused

    def answer(self, controller: Any, scheduler: TrialScheduler, trial: Trial, result: dict[str, Any]) -> str:
        """What the scheduler says to a result; a pause without a checkpoint loses the trial's work."""
        answer = str(scheduler.on_trial_result(controller, trial, result))
        assert self.pauses or answer != "PAUSE"
        return answer


class FakeController:
    """As much of Tune's controller as schedulers may use."""

    search_alg = None

    def __init__(self) -> None:
        self.trials: list[Trial] = []

    def add(self, scheduler: TrialScheduler, trial_id: str, status: str, config: dict[str, Any] | None = None) -> Trial:
        """A new trial in a state."""
        trial = fake_trial(trial_id, status, config)
        self.trials.append(trial)
        scheduler.on_trial_add(self, trial)
        return trial

    def get_trials(self) -> list[Trial]:
        """All of them."""
        return self.trials

    def get_live_trials(self) -> set[Trial]:
        """Those that have not ended."""
        return {trial for trial in self.trials if not trial.is_finished()}


def fake_trial(trial_id: str, status: str, config: dict[str, Any] | None = None) -> Trial:
    """A trial that no trainable stands behind."""
    trial = Trial("fake", trial_id=trial_id, config=config or {}, stub=True)
    trial.status = status
    return trial


def running_trials(
    controller: FakeController, scheduler: TrialScheduler, *, count: int, steps: int
) -> Iterator[tuple[Trial, dict[str, Any]]]:
    """Trials that get better from one to the next, and the results they report, until all are over."""
    for number in range(count):
        trial = controller.add(scheduler, f"t{number}", Trial.RUNNING, {"learning_rate": 0.01, "units": number + 1})
        for step in range(1, steps + 1):
            result = {METRIC: number + step / 10, "training_iteration": step, "time_total_s": float(step)}
            yield trial, result
        scheduler.on_trial_complete(controller, trial, result)
        trial.status = Trial.TERMINATED


def suggest(searcher: Searcher, trial_id: str) -> dict[str, Any]:
    """A suggestion, which has to be one."""
    config = searcher.suggest(trial_id)
    assert isinstance(config, dict)
    return config


def dialogue(searcher: Searcher, rounds: int, *, first: int = 0) -> list[dict[str, Any]]:
    """Suggestions, each followed by three results and the end of the trial."""
    configs = []
    for number in range(first, first + rounds):
        trial_id, config = f"trial{number}", suggest(searcher, f"trial{number}")
        for step in (1, 2, 3):
            result = {METRIC: config["units"] * (1 - 1 / (step + 1)), "training_iteration": step}
            searcher.on_trial_result(trial_id=trial_id, result=dict(result))
        searcher.on_trial_complete(trial_id=trial_id, result=dict(result))
        configs.append(config)
    return configs


def contract_space() -> SearchSpace:
    """The space of the contracts in MetaHP's words."""
    return from_tune(small_space())
