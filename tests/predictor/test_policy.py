"""What to try next and what to stop: sensible where there is something to know, never at a loss where there is not."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from metahp.candidates import expected_improvement, leading, proposals
from metahp.features import encode
from metahp.keras_predictor import KerasPredictor
from metahp.policy import Policy, is_checkpoint
from metahp.prior_predictor import PriorPredictor
from metahp.shipped import shipped_predictor
from metahp.space import Categorical, Float, Int, SearchSpace
from metahp.types import Action, LearningCurve, Mode, Sweep, Trial, TrialStatus

LINE = SearchSpace({"x": Float(0.0, 1.0)})
WIDE = SearchSpace({f"x{n:02d}": Float(0.0, 1.0) for n in range(40)})
MANY = SearchSpace({"word": Categorical(tuple(f"w{n}" for n in range(2000))), "x": Float(0.0, 1.0)})
Make = Callable[..., Trial]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(params=["prior", "learned"])
def policy(request: pytest.FixtureRequest, learned: KerasPredictor) -> Policy:
    return Policy(PriorPredictor() if request.param == "prior" else learned)


def run(policy: Policy, task: Any, count: int, steps: int = 5, seed: int = 0) -> list[Trial]:
    generator, trials = rng(seed), []
    for number in range(count):
        config = policy.suggest(task.sweep("new"), trials, generator).config
        trials.append(Trial(f"t{number}", config, task.curve(config, steps), TrialStatus.STOPPED))
    return trials


def test_suggestions_are_legal_new_and_repeatable(policy: Policy, toy_task: Any) -> None:
    task = toy_task(100)
    first, second = run(policy, task, 9), run(policy, task, 9)
    assert [t.config for t in first] == [t.config for t in second]
    assert all(task.space.contains(t.config) for t in first)
    assert len({repr(t.config) for t in first}) == 9


def test_pending_trials_are_taken_into_account(policy: Policy, toy_task: Any, trial_of: Make) -> None:
    task, generator, trials = toy_task(100), rng(), []
    for number in range(8):
        config = policy.suggest(task.sweep("new"), trials, generator).config
        trials.append(trial_of(f"t{number}", config))
    assert len({repr(t.config) for t in trials}) == 8


def test_the_sweeps_own_results_are_used(toy_task: Any) -> None:
    """After some full trainings, suggestions without any history beat random ones."""
    ours, random = [], []
    for number in (100, 101, 102):
        task = toy_task(number)
        trials = run(Policy(PriorPredictor(), blind_exploration=0.0), task, 24, steps=27)
        ours += [task.final(t.config) for t in trials[12:]]
        random += [task.final(task.space.sample(rng(n))) for n in range(100)]
    assert np.mean(ours) > np.mean(random) + 0.5 * np.std(random)


def test_the_most_promising_are_looked_at_closely(trial_of: Make) -> None:
    """What is proposed promises more than the best of the candidates that were drawn."""
    space = SearchSpace({name: Float(0.0, 1.0) for name in "abcdefg"})
    sweep, policy, gains, drawn = Sweep("s", space, "score", Mode.MAX, 2), Policy(PriorPredictor()), [], []
    for seed in range(8):
        configs = [space.sample(rng(100 * seed + number)) for number in range(12)]
        scores = [-sum((value - 0.3) ** 2 for value in config.values()) for config in configs]
        trials = [
            trial_of(f"t{n}", config, [score, score], status="completed")
            for n, (config, score) in enumerate(zip(configs, scores, strict=True))
        ]
        tried = encode(space, configs)
        candidates = proposals(tried, tried[leading(trials, Mode.MAX)], None, rng(seed))
        prediction = PriorPredictor(trends=True).condition(sweep, trials).promise(candidates, 1)
        drawn.append(expected_improvement(prediction, max(scores), Mode.MAX).max())
        gains.append(policy.suggest(sweep, trials, rng(seed)).decision.acquisition or np.nan)
    assert np.nanmean(gains) > 1.1 * np.nanmean(np.where(np.isnan(gains), np.nan, drawn))


def test_trends_keep_proposals_from_the_edges(trial_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prior that cannot say that the middle is better looks at corners first: there it knows least."""
    space = SearchSpace({name: Float(0.0, 1.0) for name in "abcdef"})
    sweep, best, edges = Sweep("s", space, "score", Mode.MAX, 2), {}, {}
    for trends in (False, True):
        monkeypatch.setattr("metahp.policy._ALONE_PROPOSING", PriorPredictor(trends=trends))
        scores, at_edge = [], []
        for seed in range(6):
            policy, generator, trials = Policy(PriorPredictor()), rng(seed), []
            for number in range(16):
                config = policy.suggest(sweep, trials, generator).config
                score = math.exp(-4.0 * sum((value - 0.4) ** 2 for value in config.values()))
                trials.append(trial_of(f"t{number}", config, [score / 2, score], status="completed"))
                at_edge += [min(value, 1.0 - value) < 0.02 for value in config.values()]
            scores.append(max(trial.curve.values.max() for trial in trials))
        best[trends], edges[trends] = np.mean(scores), np.mean(at_edge)
    assert edges[True] < edges[False]
    assert best[True] > best[False]


def test_a_predictor_of_another_kind_judges_without_a_past_too(trial_of: Make) -> None:
    asked = []

    class Foreign:
        """Does not say that it falls back on the prior."""

        def condition(self, sweep: Sweep, trials: Sequence[Trial]) -> Any:
            asked.append(len(trials))
            return PriorPredictor().condition(sweep, trials)

    space = SearchSpace({"a": Float(0.0, 1.0), "b": Float(0.0, 1.0)})
    trials = [trial_of(f"t{n}", {"a": n / 9, "b": 0.5}, [n, n + 1.0], status="completed") for n in range(8)]
    Policy(Foreign(), blind_exploration=0.0).suggest(Sweep("s", space, "score", Mode.MAX, 2), trials, rng(0))
    assert asked == [8, 8]  # what running trials will come to, then what candidates promise


def test_what_ships_has_no_say_in_every_second_trial(trial_of: Make) -> None:
    space = SearchSpace({"learning_rate": Float(1e-4, 1.0, log=True), "dropout": Float(0.0, 0.7), "units": Int(8, 256)})
    sweep, trials, told = Sweep("s", space, "val_accuracy", Mode.MAX, 10), [], []
    policy = Policy(shipped_predictor(), blind_exploration=0.0)
    for number in range(8):
        proposal = policy.suggest(sweep, trials, rng(number))
        told.append(proposal.decision.reason)
        trials.append(trial_of(f"t{number}", proposal.config, [0.1 * number], status="stopped"))
    assert all("past sweeps" in reason for reason in told[:6:2])
    assert all("at random" in reason for reason in told[1:4:2])
    assert all("by this sweep alone" in reason for reason in told[5:])


def test_own_sweeps_have_their_say_more_often(learned: KerasPredictor, toy_task: Any, trial_of: Make) -> None:
    """The predictor has learned six of them: one trial in eight goes without."""
    task, policy, trials, without = toy_task(100), Policy(learned), [], 0
    for number in range(16):
        proposal = policy.suggest(task.sweep("new"), trials, rng(number))
        without += not any(word in proposal.decision.reason for word in ("past sweeps", "improve most"))
        without += "by this sweep alone" in proposal.decision.reason
        trials.append(trial_of(f"t{number}", proposal.config, [0.1], status="stopped"))
    assert without == 2


def test_every_value_of_a_small_space_is_tried_once(policy: Policy, trial_of: Make) -> None:
    space = SearchSpace({"a": Categorical((1, 2)), "b": Int(1, 3)})
    sweep, trials = Sweep("s", space, "m", Mode.MAX, 3), []
    for number in range(6):
        config = policy.suggest(sweep, trials, rng(number)).config
        trials.append(trial_of(f"t{number}", config, [float(number)]))
    assert len({repr(t.config) for t in trials}) == 6
    assert space.contains(policy.suggest(sweep, trials, rng()).config)  # nothing is left, and still an answer


def histories(space: SearchSpace, trial_of: Make) -> Mapping[str, Sequence[Trial]]:
    configs = [space.sample(rng(n)) for n in range(6)]

    def trials(*curves: Sequence[float], status: str = "stopped") -> list[Trial]:
        return [
            trial_of(f"t{n}", config, curve, status)
            for n, (config, curve) in enumerate(zip(configs, curves, strict=False))
        ]

    nan, good = math.nan, [0.1, 0.2, 0.3]
    return {
        "nothing": [],
        "one": trials(good),
        "all NaN": trials(*[[nan, nan]] * 6),
        "constant": trials(*[[0.5, 0.5]] * 6),
        "a jump": trials(good, [0.1, 1e30], [0.2, -1e30], good, [0.4, math.inf], good),
        "huge": trials([1e300], [1e301], [-1e300]),
        "tiny": trials([1e-300], [2e-300], [3e-300]),
        "crashed": trials(*[[]] * 6, status="errored"),
        "pending": trials(*[[]] * 6, status="running"),
        "mixed": trials(good, [nan], [], [0.3, nan, 0.4], status="running"),
        "outside": [trial_of("t0", {"elsewhere": 1}, good), trial_of("t1", {}, good), *trials(good)[:0]],
    }


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(
    "space", [LINE, SearchSpace({}), WIDE, MANY, None], ids=["line", "empty", "wide", "many", "known"]
)
def test_nothing_odd_stops_a_sweep(
    policy: Policy, space: SearchSpace | None, mode: Mode, trial_of: Make, toy_task: Any
) -> None:
    space = space or toy_task(0).space
    for name, trials in histories(space, trial_of).items():
        for max_step in (None, 3):
            sweep = Sweep(f"odd {name}", space, "m", mode, max_step)
            assert space.contains(policy.suggest(sweep, trials, rng()).config), name
            for trial in trials:
                if len(trial.curve):
                    assert policy.decide(sweep, trials, trial).action in (Action.CONTINUE, Action.STOP), name


def test_the_incumbent_is_never_stopped(policy: Policy, toy_task: Any) -> None:
    task = toy_task(100)
    trials = run(policy, task, 12, steps=9)
    best = max(trials, key=lambda t: t.curve.values.max())
    decisions = {t.trial_id: policy.decide(task.sweep("new"), trials, t) for t in trials}
    assert decisions[best.trial_id].action is Action.CONTINUE


def test_history_stops_the_hopeless_and_spares_the_promising(learned: KerasPredictor, toy_task: Any) -> None:
    task, policy = toy_task(100), Policy(learned)
    ranked = sorted((task.space.sample(rng(n)) for n in range(60)), key=task.final)
    incumbents = [Trial(f"i{n}", c, task.curve(c, 20), TrialStatus.STOPPED) for n, c in enumerate(ranked[40:48])]

    def action(config: Any) -> Action:
        trial = Trial("asked", config, task.curve(config, 4), TrialStatus.RUNNING)
        return policy.decide(task.sweep("new"), [*incumbents, trial], trial).action

    assert sum(action(config) is Action.STOP for config in ranked[:10]) >= 8
    assert sum(action(config) is Action.CONTINUE for config in ranked[-5:]) >= 4


def test_a_decision_says_its_reason(learned: KerasPredictor, toy_task: Any) -> None:
    task, policy = toy_task(100), Policy(learned)
    trials = run(policy, task, 6, steps=4)
    worst = min(trials, key=lambda t: t.curve.values.max())
    decision = policy.decide(task.sweep("new"), trials, worst)
    assert "chance to beat" in decision.reason
    assert 0.0 <= decision.probability <= 1.0
    assert 0.0 < decision.threshold < 1.0


@pytest.mark.parametrize(("mode", "sign"), [(Mode.MAX, 1.0), (Mode.MIN, -1.0)])
def test_a_leader_that_runs_on_is_harder_to_beat_than_one_that_is_over(mode: Mode, sign: float, trial_of: Make) -> None:
    """What it is likely to have come to by then counts, not what it is at today."""
    sweep, policy = Sweep("s", LINE, "score", mode, 40), Policy(PriorPredictor())

    def curve(top: float) -> list[float]:
        return [sign * top * (1.0 - 0.8 / step**0.5) for step in range(1, 7)]

    trials = [trial_of(f"t{n}", {"x": n / 8}, curve(0.5), status="stopped") for n in range(6)]
    second = trial_of("second", {"x": 0.8}, curve(0.85), status="running")
    chances, beaten = [], []
    for status in ("stopped", "running"):
        leader = trial_of("leader", {"x": 1.0}, curve(0.9), status=status)
        chances.append(policy.chances(sweep, [*trials, leader, second], [second])[0])
        beaten.append(policy.chances(sweep, [*trials, leader, second], [leader, second]))
    assert chances[1] < 0.7 * chances[0]
    assert beaten[1][0] == pytest.approx(beaten[0][0])  # nobody has to beat himself
    assert beaten[1][1] == pytest.approx(chances[1])


def test_the_first_trial_is_never_stopped_and_the_second_one_when_it_is_hopeless(trial_of: Make) -> None:
    """With one worker every further trial that is trained to its end for nothing costs a full training."""
    sweep, policy = Sweep("s", LINE, "m", Mode.MAX, 27), Policy(PriorPredictor())
    first = trial_of("a", {"x": 0.1}, [0.1, 0.4, 0.6, *[0.7 + 0.01 * step for step in range(20)]], status="completed")
    poor, rising = trial_of("b", {"x": 0.9}, [0.1] * 10), trial_of("c", {"x": 0.9}, [0.3, 0.6, 0.75, 0.84])
    lone = trial_of("a", {"x": 0.1}, [0.1, 0.1, 0.1])
    assert policy.decide(sweep, [lone], lone).action is Action.CONTINUE
    assert policy.decide(sweep, [first, poor], poor).action is Action.STOP
    assert policy.decide(sweep, [first, rising], rising).action is Action.CONTINUE


def test_a_trial_is_not_stopped_for_one_that_promises_less(trial_of: Make, knowing: Callable[[], Policy]) -> None:
    sweep = Sweep("s", LINE, "m", Mode.MAX, 10)
    own = trial_of("own", {"x": 1.0}, [0.5])

    def action(best: float) -> Action:
        """What happens to it after a proposal that promises hardly more or less."""
        trials = [trial_of("best", {"x": 0.5}, [best] * 10, status="completed"), own]
        before, after = knowing(), knowing()
        proposals = [after.suggest(sweep, [*trials, *trials, *trials], rng(seed)) for seed in range(9)]
        promise = [p.decision.probability for p in proposals if p.decision.forecast][-1]
        assert before.decide(sweep, trials, own).threshold == pytest.approx(0.2)
        decision = after.decide(sweep, trials, own)
        assert decision.threshold == pytest.approx(min(max(promise, 0.05), 0.2))
        assert before.decide(sweep, trials, own).action is (
            Action.STOP if decision.probability < 0.2 else Action.CONTINUE
        )
        return decision.action

    assert action(1.05) is Action.CONTINUE  # both promise .3
    assert action(1.15) is Action.CONTINUE  # less than .2, and so does the next one
    assert action(1.3) is Action.STOP  # nothing promises anything any more


def test_without_history_the_hopeless_are_stopped_and_the_best_spared(toy_task: Any) -> None:
    task, policy = toy_task(100), Policy(PriorPredictor())
    ranked = sorted((task.space.sample(rng(n)) for n in range(40)), key=task.final)
    done = [Trial(f"d{n}", c, task.curve(c), TrialStatus.COMPLETED) for n, c in enumerate(ranked[30:36])]

    def action(config: Any) -> Action:
        trial = Trial("asked", config, task.curve(config, 6), TrialStatus.RUNNING)
        return policy.decide(task.sweep("new"), [*done, trial], trial).action

    assert all(action(config) is Action.STOP for config in ranked[:5])
    assert all(action(config) is Action.CONTINUE for config in ranked[-2:])


def test_fewer_false_prunes_are_had_by_stopping_less(toy_task: Any) -> None:
    task = toy_task(100)
    trials = [Trial(str(n), c, task.curve(c, 6)) for n, c in enumerate(task.space.sample(rng(n)) for n in range(20))]

    def stopped(allowed: float) -> int:
        policy = Policy(PriorPredictor(), max_false_prunes=allowed)
        return sum(policy.decide(task.sweep("new"), trials, trial).action is Action.STOP for trial in trials)

    assert stopped(0.0) == 0
    assert stopped(0.01) < stopped(0.2)


def test_checkpoints_thin_out() -> None:
    seen = [
        s for s in range(1, 30) if is_checkpoint(Trial("t", {}, LearningCurve.of([(k, 0.0) for k in range(1, s + 1)])))
    ]
    assert seen[:7] == [1, 2, 3, 4, 5, 6, 8]
    assert len(seen) < 14
    assert is_checkpoint(Trial("t", {}, LearningCurve.of([(10, 0.0), (20, 0.0)])))


@pytest.mark.slow
def test_decisions_and_suggestions_are_quick(learned: KerasPredictor, toy_task: Any) -> None:
    from time import process_time

    task, policy = toy_task(100), Policy(learned)
    trials = run(policy, task, 100, steps=9)
    start = process_time()
    for trial in trials[:20]:
        policy.decide(task.sweep("new"), trials, trial)
    assert process_time() - start < 20 * 0.1


def test_late_reports_of_long_trainings_hardly_make_decisions_wait(trial_of: Make) -> None:
    """Between two checkpoints there are ever more reports, which tell little: they alone outdate no posterior."""

    class Counting(PriorPredictor):
        conditioned = 0

        def condition(self, sweep: Sweep, trials: Sequence[Trial]) -> Any:
            self.conditioned += 1
            return super().condition(sweep, trials)

    predictor, sweep = Counting(), Sweep("s", LINE, "m", Mode.MAX, 200)
    policy = Policy(predictor)
    curves = [[(0.5 + 0.02 * n) * (1.0 - 0.9 / step) for step in range(1, 201)] for n in range(21)]
    over = [trial_of(f"t{n}", {"x": n / 21}, curve, status="completed") for n, curve in enumerate(curves[1:])]
    asked = 0
    for step in range(7, 200):
        trial = trial_of("long", {"x": 0.99}, curves[0][:step])
        asked += policy.decide(sweep, [*over, trial], trial).is_predicted
    assert asked == 14
    assert predictor.conditioned <= 4
