"""Trials become arrays without losing what matters, and without believing what cannot be."""

import math

import numpy as np
import pytest

from metahp.features import FLOOR, Scale, believable, encode, full_step, observe, plausible, scale_of, thin
from metahp.space import Categorical, Conditional, Float, Int, Ordinal, SearchSpace
from metahp.surrogate.names import is_choice, labels, overlap, translate
from metahp.surrogate.vocabulary import Vocabulary
from metahp.types import LearningCurve, Mode, Sweep, Trial

SPACE = SearchSpace({"lr": Float(1e-4, 1e-1, log=True)})


def trial(name: str, *values: float, lr: float = 1e-3) -> Trial:
    return Trial(name, {"lr": lr}, LearningCurve.of(list(enumerate(values, 1))))


def test_levels_run_from_the_median_start_to_the_best() -> None:
    scale = scale_of(Mode.MIN, [trial("a", 4.0, 1.0), trial("b", 6.0), trial("c", 5.0)])
    assert scale is not None
    assert scale.levels(np.array([5.0, 1.0, 100.0, math.nan, 1e34])).tolist() == [0.0, 1.0, FLOOR, FLOOR, FLOOR]
    assert scale.values(np.array([0.0, 1.0])).tolist() == [5.0, 1.0]


def test_no_scale_without_a_difference() -> None:
    assert scale_of(Mode.MAX, [trial("a", 1.0, 1.0), trial("b", math.nan)]) is None
    assert scale_of(Mode.MAX, []) is None


def test_scores_that_only_fall_still_have_a_scale() -> None:
    scale = scale_of(Mode.MAX, [trial("a", 5.0, 1.0)])
    assert scale is not None
    assert scale.spread == 2.0


def test_trials_that_went_astray_leave_the_good_ones_apart() -> None:
    good = [trial(f"good {n}", 1.0, 0.5 + n / 100) for n in range(5)]
    astray = [trial(f"astray {n}", 1e6, 1e8) for n in range(6)]
    scale = scale_of(Mode.MIN, [*good, *astray])
    assert scale is not None
    levels = scale.levels(np.array([0.5, 0.54, 1.0, 1e6]))
    assert levels[0] == 1.0
    assert levels[0] - levels[2] > 0.05
    assert levels[3] == FLOOR


@pytest.mark.parametrize("jump", [1e30, -1e30, math.inf, math.nan])
def test_a_jump_is_not_believed(jump: float) -> None:
    kept = believable(Sweep("s", SPACE, "m", Mode.MAX), [trial("a", 0.1, 0.2, jump), trial("b", 0.3)])
    assert [t.trial_id for t in kept] == ["a", "b"]
    assert np.isnan(kept[0].curve.values).tolist() == [False, False, True]


def test_large_but_possible_values_are_believed() -> None:
    assert plausible(np.array([0.5, 2.0, 1e5])).all()


@pytest.mark.parametrize("length", [1, 2, 5, 12, 13, 100, 5000])
@pytest.mark.parametrize("most", [1, 4, 12])
def test_thinning_keeps_the_last_point(length: int, most: int) -> None:
    kept = thin(np.arange(1, length + 1), most)
    assert 1 <= len(kept) <= most
    assert kept[-1] == length - 1
    assert (np.diff(kept) > 0).all()


@pytest.mark.parametrize("most_rows", [1, 7, 40, 1000])
def test_rows_are_capped(most_rows: int) -> None:
    sweep = Sweep("s", SPACE, "m", Mode.MAX, 20)
    trials = [trial(str(n), *np.linspace(0, n, 20)) for n in range(30)]
    seen = observe(sweep, trials, Scale(1.0, 0.0, 1.0), full=20, most_rows=most_rows)
    assert 1 <= len(seen) <= most_rows
    assert "29" in seen.trial_ids  # the best and newest
    assert seen.fraction.max() == 1.0


def test_a_configuration_outside_the_space_is_unknown_not_fatal() -> None:
    points = encode(SPACE, [{"lr": 7.0}, {"lr": 1e-2}, {}])
    assert points.active[:, 0].tolist() == [False, True, False]


def test_the_longest_training_counts_where_none_is_declared() -> None:
    assert full_step(Sweep("s", SPACE, "m", Mode.MAX), [trial("a", 1, 2, 3), trial("b", 1)]) == 3
    assert full_step(Sweep("s", SPACE, "m", Mode.MAX), []) == 1


OTHER = SearchSpace(
    {
        "model": {"learning_rate": Float(1e-3, 1.0, log=True), "layers": Int(1, 4)},
        "batch": Categorical((16, 64)),
        "size": Ordinal(("s", "m", "l")),
        "act": Categorical(("relu", "tanh")),
    }
)


def test_hyperparameters_are_known_by_name_in_any_nesting() -> None:
    assert labels(SPACE) == ("learning_rate",)
    assert "learning_rate" in labels(OTHER)
    assert overlap(SPACE, OTHER) == 1.0
    assert overlap(OTHER, SPACE) == pytest.approx(1 / 5)


def test_ambiguous_names_keep_their_path() -> None:
    space = SearchSpace({"a": {"units": Int(1, 9)}, "b": {"units": Int(1, 9)}, "c": {"lr": Float(0, 1)}})
    assert set(labels(space)) == {"a/units", "b/units", "learning_rate"}


def test_only_choices_without_order_are_choices() -> None:
    assert {labels(OTHER)[column] for column in np.flatnonzero(is_choice(OTHER))} == {"activation"}


def test_translation_goes_by_value_and_keeps_distances_beyond_the_range() -> None:
    there = translate(encode(SPACE, [{"lr": 1e-3}, {"lr": 1e-4}]), OTHER)
    column = labels(OTHER).index("learning_rate")
    assert there.units[:, column] == pytest.approx([0.0, -1 / 3])
    assert there.active.sum(axis=1).tolist() == [1, 1]


def test_an_optimizer_is_the_same_with_and_without_hyperparameters_of_its_own() -> None:
    words = SearchSpace({"optimizer": Categorical(("sgd", "adam", "rmsprop"))})
    branches = SearchSpace({"opt": Conditional(({"name": "adam"}, {"name": "sgd", "momentum": Float(0.0, 0.9)}))})
    dicts = SearchSpace({"optimizer": Categorical(({"type": "sgd"}, {"type": "adam"}))})
    known = Vocabulary().grown([encode(words, [{"optimizer": name} for name in ("sgd", "adam", "rmsprop")])])
    adam = {
        words: {"optimizer": "adam"},
        branches: {"opt": {"name": "adam"}},
        dicts: {"optimizer": {"type": "adam"}},
    }
    assert {int(known.inputs(encode(space, [config])).choices[0, 0]) for space, config in adam.items()} == {2}
    for here, config in adam.items():
        for there, same in adam.items():
            assert translate(encode(here, [config]), there).configs() == [same]
    lost = translate(encode(words, [{"optimizer": "rmsprop"}]), branches)
    assert not lost.active.any()


def test_the_vocabulary_grows_and_keeps_its_rows() -> None:
    first = Vocabulary().grown([encode(SPACE, [{"lr": 1e-3}])])
    config = OTHER.sample(np.random.default_rng(0))
    second = first.grown([encode(OTHER, [config])])
    assert second.labels[: len(first.labels)] == first.labels
    assert second.meanings["learning_rate"] == first.meanings["learning_rate"]
    assert Vocabulary.from_json(second.to_json()) == second
    unknown = first.inputs(encode(OTHER, [config]))
    assert unknown.known.sum() == 1  # only the learning rate says something


def test_what_is_remembered_of_configurations_is_what_they_encode_to() -> None:
    space = SearchSpace({"x": Float(0.0, 1.0), "y": Float(1.0, 9.0, log=True)})
    configs: list[dict[str, object]] = [{"x": n / 10, "y": 1.0 + n} for n in range(5)]
    units, active = space.encode(configs)
    for order in ([0, 1], [4, 3, 2, 1, 0], [2, 2], []):
        found = encode(space, [configs[place] for place in order])
        np.testing.assert_array_equal(found.units, units[order].reshape(-1, 2))
        np.testing.assert_array_equal(found.active, active[order].reshape(-1, 2))
