"""Tune's domains and ours: the same values both ways, and a sentence for what cannot be searched."""

import copy
import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray import tune
from ray.tune.impl.placeholder import inject_placeholders
from ray.tune.search import sample

from metahp.errors import SearchSpaceError
from metahp.space import Categorical, Conditional, Constant, Float, Int, Ordinal, SearchSpace
from metahp_searchers import from_tune, to_tune


@pytest.mark.parametrize(
    ("domain", "ours"),
    [
        (tune.uniform(0, 1), Float(0.0, 1.0)),
        (tune.loguniform(1e-5, 1e-1), Float(1e-5, 1e-1, log=True)),
        (tune.quniform(0.2, 0.8, 0.2), Float(0.2, 0.8, step=0.2)),
        (tune.qloguniform(0.2, 0.8, 0.2), Float(0.2, 0.8, log=True, step=0.2)),
        (tune.randint(1, 10), Int(1, 9)),
        (tune.lograndint(16, 257), Int(16, 256, log=True)),
        (tune.qrandint(4, 12, 4), Int(4, 12, step=4)),
        (tune.qlograndint(4, 12, 4), Int(4, 12, log=True, step=4)),
        (tune.qrandint(1, 10, 1), Int(1, 9)),
        (tune.qrandint(3, 14, 4), Int(4, 12, step=4)),
        (tune.choice(["a", 1, None]), Categorical(("a", 1, None))),
        (sample.Float(0, 1), Float(0.0, 1.0)),
        (0.5, Constant(0.5)),
    ],
)
def test_each_domain_means_the_same(domain: Any, ours: Any) -> None:
    assert from_tune({"x": domain}) == SearchSpace({"x": ours})


def test_nested_dicts_and_branches() -> None:
    optimizer = tune.choice([{"name": "adam"}, {"name": "sgd", "momentum": tune.uniform(0, 1)}, tune.randint(0, 3)])
    space = from_tune({"model": {"units": tune.randint(1, 9), "depth": 2}, "optimizer": optimizer})
    branches = ({"name": "adam"}, {"name": "sgd", "momentum": Float(0, 1)}, Int(0, 2))
    assert space == SearchSpace({"model": {"units": Int(1, 8), "depth": 2}, "optimizer": Conditional(branches)})
    assert from_tune(to_tune(space)) == space


@pytest.mark.parametrize(
    ("domain", "sentence"),
    [
        (tune.grid_search([1, 2]), r"'m/x': grid_search leaves a searcher nothing to choose; use tune.choice"),
        (sample.Categorical([1, 2]).grid(), r"'m/x': grid_search leaves"),
        (tune.randn(0, 1), r"'m/x': randn has no bounds; .* tune.uniform\(-3, 3\)"),
        (tune.qrandn(1, 1, 0.5), r"'m/x': qrandn has no bounds"),
        (tune.sample_from(lambda: 1), r"'m/x': sample_from hides its values"),
        ([tune.uniform(0, 1), 3], r"'m/x' holds a domain inside a list"),
        (tune.randint(5, 5), r"'m/x': Int needs lower <= upper, got \[5, 4\]"),
        (tune.uniform(2, 1), r"'m/x': Float needs lower <= upper, got \[2.0, 1.0\]"),
        (tune.qrandint(5, 7, 4), r"'m/x' has no multiple of 4 between 5 and 7"),
        (tune.choice([]), r"'m/x': Categorical needs at least one choice"),
        (tune.choice([object]), r"'m/x': Categorical cannot record the choice <class 'object'>"),
        (tune.choice([{"y": tune.randn()}, 1]), r"'m/x\[0\]/y': randn has no bounds"),
        (sample.Domain(), r"'m/x': Domain is no domain that MetaHP knows"),
    ],
)
def test_what_cannot_be_searched_is_refused_by_name(domain: Any, sentence: str) -> None:
    with pytest.raises(SearchSpaceError, match=sentence):
        from_tune({"m": {"x": domain}})


def test_a_key_that_has_no_path_is_refused_by_name() -> None:
    with pytest.raises(SearchSpaceError, match="key 'a/b' under 'the top' cannot name a hyperparameter"):
        from_tune({"a/b": tune.uniform(0, 1)})
    with pytest.raises(SearchSpaceError, match="needs the dict that is Tune's param_space, got 3"):
        from_tune(3)  # type: ignore[arg-type]


def test_constants_that_json_cannot_hold_are_left_to_tune() -> None:
    space = from_tune({"x": tune.uniform(0, 1), "clip": math.inf, "fn": len, "weights": {0: 1.0}, "a/b": 1, "n": 3})
    assert space == SearchSpace({"x": Float(0, 1), "n": 3})


def test_placeholders_of_tune_are_no_constants() -> None:
    tree = {"x": tune.uniform(0, 1), "data": object(), "later": tune.sample_from(lambda: 1), "pair": [object(), 1]}
    seen = inject_placeholders(copy.deepcopy(tree), defaultdict(list))
    assert from_tune(seen) == SearchSpace({"x": Float(0, 1)})


@pytest.mark.parametrize("ours", [Int(1, 7, step=3), Float(0.5, 2.5, step=1.0)])
def test_steps_that_tune_cannot_say_are_refused(ours: Any) -> None:
    with pytest.raises(SearchSpaceError, match="'x': Tune can only say multiples of a step"):
        to_tune(SearchSpace({"x": ours}))


def test_an_ordinal_becomes_a_choice() -> None:
    assert to_tune(SearchSpace({"x": Ordinal(("s", "m"))}))["x"].categories == ["s", "m"]


counts = st.integers(1, 50)
quanta = st.sampled_from([0.1, 0.25, 0.3, 1.0, 7.0])
floats = st.builds(lambda low, width: tune.uniform(low, low + width), st.floats(-1e6, 1e6), st.floats(0, 1e6))
log_floats = st.builds(lambda low, ratio: tune.loguniform(low, low * ratio), st.floats(1e-9, 1e3), st.floats(1, 1e6))
q_floats = st.builds(lambda q, a, n: tune.quniform(a * q, (a + n) * q, q), quanta, st.integers(-50, 50), counts)
q_logs = st.builds(lambda q, a, n: tune.qloguniform(a * q, (a + n) * q, q), quanta, counts, counts)
ints = st.builds(lambda low, n: tune.randint(low, low + n), st.integers(-1000, 1000), counts)
log_ints = st.builds(lambda low, n: tune.lograndint(low, low + n), counts, counts)
q_ints = st.builds(
    lambda q, a, n: tune.qrandint(a * q, (a + n) * q, q), st.integers(2, 9), st.integers(-50, 50), counts
)
q_log_ints = st.builds(lambda q, a, n: tune.qlograndint(a * q, (a + n) * q, q), st.integers(2, 9), counts, counts)
plain = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
choices = st.builds(tune.choice, st.lists(plain, min_size=1, max_size=4, unique_by=lambda v: (type(v), v)))
leaves = floats | log_floats | q_floats | q_logs | ints | log_ints | q_ints | q_log_ints | choices
keys = st.sampled_from(["a", "b", "learning rate", "ü"])


@st.composite
def branches(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> Any:
    """A choice over dicts of which the first holds a domain (without one it is a plain choice) and all differ."""
    options = [{"kind": i, **draw(st.dictionaries(keys, inner, max_size=2))} for i in range(draw(st.integers(1, 3)))]
    return tune.choice([{"x": draw(leaves)}, *options])


nodes = st.recursive(
    leaves | plain, lambda inner: st.dictionaries(keys, inner, min_size=1, max_size=3) | branches(inner), max_leaves=8
)
spaces = st.dictionaries(keys, nodes, max_size=4)


def alike(left: Any, right: Any) -> bool:
    """The same domain: class, bounds, sampler, quantum, choices."""
    if isinstance(left, dict):
        return isinstance(right, dict) and set(left) == set(right) and all(alike(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(alike(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, sample.Domain | sample.Sampler):
        return type(left) is type(right) and alike(vars(left), vars(right))
    return (type(left) is type(right) or isinstance(left, float)) and left == right


@given(spaces)
def test_tune_to_ours_to_tune_is_the_identity(param_space: dict[str, Any]) -> None:
    assert alike(param_space, to_tune(from_tune(param_space)))


@given(leaves, st.integers(0, 2**32 - 1))
def test_what_one_samples_is_legal_in_the_other(domain: sample.Domain, seed: int) -> None:
    space = from_tune({"x": domain})
    value = space.sample(np.random.default_rng(seed))["x"]
    assert domain.is_valid(value)
    assert space.contains({"x": domain.sample(random_state=seed)})
    if isinstance(domain, sample.Integer) and not isinstance(domain.sampler, sample.Quantized):
        assert value < domain.upper  # is_valid forgets that Tune leaves the upper bound out
