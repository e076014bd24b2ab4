"""Search spaces: nested, conditional, with constants; encoding, JSON, identity."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metahp.errors import SearchSpaceError
from metahp.space import Categorical, Conditional, Constant, Float, Int, Ordinal, SearchSpace

SPACE = SearchSpace(
    {
        "learning_rate": Float(1e-4, 1e-1, log=True),
        "epochs": 10,
        "net": {"units": Int(16, 256, log=True), "sizes": Categorical(("a", (1, 2), [3]))},
        "optimizer": Conditional(({"name": "adam"}, {"name": "sgd", "momentum": Float(0.0, 0.99)}, "none")),
        "size": Ordinal(("s", "m", "l")),
    }
)

keys = st.text("abcxyz_", min_size=1, max_size=3)
leaves = st.one_of(
    st.just(Float(1e-5, 1.0, log=True)),
    st.just(Float(-1.0, 1.0)),
    st.just(Float(0.0, 1.0, step=0.25)),
    st.integers(0, 50).map(lambda n: Int(-n, n)),
    st.lists(st.text(max_size=3), min_size=1, max_size=4, unique=True).map(lambda c: Categorical(tuple(c))),
    st.integers(),
    st.text(max_size=3),
)
nodes = st.recursive(
    leaves,
    lambda sub: st.one_of(
        st.dictionaries(keys, sub, max_size=3),
        st.lists(sub, min_size=1, max_size=3).map(lambda options: Conditional(tuple(options))),
    ),
    max_leaves=8,
)
spaces = st.dictionaries(keys, nodes, max_size=4).map(SearchSpace)


@given(spaces, st.integers(0, 2**32))
@settings(max_examples=200)
def test_every_point_decodes_to_a_legal_configuration_that_encodes_back(space, seed):
    config = space.decode(np.random.default_rng(seed).random(space.dimension))
    assert space.contains(config)
    units, active = space.encode([config])
    assert units.shape == active.shape == (1, space.dimension)
    again = space.decode(units[0])
    assert close(again, config)
    assert np.allclose(space.encode([again])[0], units)


@given(spaces, st.integers(0, 2**32))
@settings(max_examples=100)
def test_many_points_are_decoded_as_each_of_them_and_settle_where_these_lie(space, seed):
    points = np.random.default_rng(seed).uniform(-0.1, 1.1, (5, space.dimension))
    configs = space.decode_all(points)
    assert all(close(config, space.decode(point)) for config, point in zip(configs, points, strict=True))
    units, active = space.encode(configs)
    settled, exists = space.settle(points)
    assert np.allclose(settled, units, rtol=0, atol=1e-9)
    assert np.array_equal(exists, active)


def close(left, right):
    """Equal, floats up to rounding of the logarithm."""
    if isinstance(left, dict):
        return isinstance(right, dict) and left.keys() == right.keys() and all(close(left[k], right[k]) for k in left)
    return left == pytest.approx(right, rel=1e-9, abs=1e-12) if isinstance(left, float) else left == right


@given(spaces)
@settings(max_examples=200)
def test_json_round_trip_is_exact(space):
    again = SearchSpace.from_json(space.to_json())
    assert again == space
    assert again.identity == space.identity
    assert again.parameters == space.parameters


def test_parameters_name_what_a_hyperparameter_is_called_elsewhere():
    assert [(p.key, p.name) for p in SPACE.parameters] == [
        ("learning_rate", "learning_rate"),
        ("net/sizes", "net/sizes"),
        ("net/units", "net/units"),
        ("optimizer", "optimizer"),
        ("optimizer[1]/momentum", "optimizer/momentum"),
        ("size", "size"),
    ]
    assert SPACE.parameters[4].branch == (3, 1)


def test_a_branch_that_was_not_taken_is_masked():
    config = SPACE.decode(np.zeros(SPACE.dimension))
    assert config["optimizer"] == {"name": "adam"}
    _, active = SPACE.encode([config])
    assert active[0].tolist() == [True, True, True, True, False, True]
    assert "optimizer[1]/momentum" not in [parameter.key for parameter, _ in SPACE.assignments(config)]


def test_all_options_come_up_and_keep_their_types():
    rng = np.random.default_rng(0)
    drawn = [SPACE.sample(rng) for _ in range(200)]
    assert {str(config["net"]["sizes"]) for config in drawn} == {"a", "(1, 2)", "[3]"}
    assert "none" in [config["optimizer"] for config in drawn]
    assert all(config["epochs"] == 10 for config in drawn)


def test_order_of_keys_means_nothing_and_content_means_everything():
    a, b = Float(0, 1), Int(1, 3)
    assert SearchSpace({"a": a, "b": b}) == SearchSpace({"b": b, "a": a})
    assert hash(SearchSpace({"a": a, "b": b})) == hash(SearchSpace({"b": b, "a": a}))
    assert SearchSpace({"a": a}) != SearchSpace({"a": Float(0, 2)})
    assert SearchSpace({"a": Categorical((1,))}) != SearchSpace({"a": Categorical((True,))})
    assert SearchSpace({"a": Categorical(([1],))}) == SearchSpace({"a": Categorical(([1],))})
    assert SearchSpace({"a": Categorical(("x", "y"))}) != SearchSpace({"a": Ordinal(("x", "y"))})


def test_identity_is_the_same_in_another_process():
    code = f"from metahp.space import SearchSpace; print(SearchSpace.from_json({SPACE.to_json()!r}).identity)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == SPACE.identity


def test_identity_does_not_change_between_versions():
    # A changed identity would cut every user's store off from its past.
    space = SearchSpace({"lr": Float(1e-4, 0.1, log=True), "n": Int(1, 8), "act": Categorical(("relu", "tanh"))})
    assert space.identity == "546f97a845f412ac1468504671a18df810f42fb304a5842c74f853a312c3b047"


def test_extra_keys_are_ignored_and_missing_constants_forgiven():
    config = {**SPACE.sample(np.random.default_rng(0)), "callback": object()}
    del config["epochs"]
    assert SPACE.contains(config)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "lacks 'learning_rate'"),
        ({"learning_rate": 1.0}, r"'learning_rate' must lie in Float\(lower=0.0001.*got 1.0"),
        ({"learning_rate": float("nan")}, "got nan"),
        ({"learning_rate": 0.01, "net": 3}, "'net' must be a dict, got 3"),
        (
            {"learning_rate": 0.01, "net": {"units": 16, "sizes": "a"}, "optimizer": {"name": "lion"}, "size": "s"},
            "'optimizer' fits none of its 3 options, got {'name': 'lion'}",
        ),
    ],
)
def test_illegal_configurations_are_named_by_path(config, message):
    assert not SPACE.contains(config)
    with pytest.raises(SearchSpaceError, match=message):
        SPACE.encode([config])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SearchSpace([("a", 1)]), "needs a dict of names to domains"),
        (lambda: SearchSpace({"a/b": 1}), "key 'a/b' under 'the top' cannot name a hyperparameter"),
        (lambda: SearchSpace({"a": {1: 2}}), "key 1 under 'a'"),
        (lambda: SearchSpace({"a": {"b": {1, 2}}}), r"'a/b': a constant .* must be plain data, got \{1, 2\} \(set\)"),
        (lambda: Conditional(()), "at least one option"),
        (lambda: Constant(float("nan")), "plain data, got nan"),
        (lambda: SearchSpace.from_json("{}"), "not a search space in JSON"),
        (lambda: SearchSpace.from_json("nonsense"), "not a search space in JSON"),
        (lambda: SPACE.decode(np.zeros(3)), r"decode needs shape \(6,\), got \(3,\)"),
    ],
)
def test_bad_spaces_are_refused_in_a_sentence(make, message):
    with pytest.raises(SearchSpaceError, match=message):
        make()


def test_an_empty_space_has_one_configuration():
    space = SearchSpace({})
    assert space.decode(np.zeros(0)) == {}
    assert space.encode([{}, {}])[0].shape == (2, 0)


def test_notebooks_show_every_hyperparameter() -> None:
    shown = SearchSpace({"rate": Float(0.0, 1.0), "kind": Categorical(("<b>", "c"))})._repr_html_()
    assert shown.count("<tr>") == 3
    assert "rate" in shown
    assert "&lt;b&gt;" in shown


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (({"name": "adam"}, {"name": "sgd", "momentum": Float(0.0, 0.9)}, "none"), ("'adam'", "'sgd'", "'none'")),
        ((None, Float(0.0, 0.9), {"a": Int(1, 3)}), ("None", "float", "group")),
        (
            ({"name": "sgd", "beta": 0}, {"name": "sgd", "beta": 1, "m": Int(1, 3)}),
            ("beta=0, name='sgd'", "beta=1, name='sgd'"),
        ),
        ((Float(0.0, 0.9), Float(1.0, 2.0)), ("float (0)", "float (1)")),
    ],
)
def test_options_are_called_by_what_tells_them_apart(options: tuple[object, ...], names: tuple[str, ...]) -> None:
    space = SearchSpace({"choice": Conditional(options)})
    assert space.parameters[0].options == names
    assert space.parameters[0].choice(0.0) == space.parameters[0].options[0]
