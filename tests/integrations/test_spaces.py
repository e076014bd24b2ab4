"""Other libraries' search spaces as ours: what is kept, what is refused."""

import numpy as np
import pytest

from metahp.errors import SearchSpaceError
from metahp.integrations import configspace, hypermodel
from metahp.integrations.flat import Flat, flatten, nest
from metahp.integrations.hypermodel import HyperParameters
from metahp.space import Categorical, Float, Int

OPTIMIZER = Flat("optimizer", Categorical(("adam", "sgd", "lamb")))


def test_conditions_of_conditions() -> None:
    nesterov = Flat("nesterov", Categorical((False, True)), "optimizer", ("sgd",))
    space = nest([OPTIMIZER, nesterov, Flat("momentum", Float(0, 1), "nesterov", (True,))])
    drawn = [flatten(space.sample(np.random.default_rng(seed))) for seed in range(50)]
    keys = {tuple(config) for config in drawn}
    assert keys == {("optimizer",), ("optimizer", "nesterov"), ("optimizer", "nesterov", "momentum")}
    assert all(("momentum" in config) == config.get("nesterov", False) for config in drawn)


@pytest.mark.parametrize(
    ("child", "message"),
    [
        (Flat("x", Float(0, 1), "nothing", (1,)), "'nothing', which is not in the space"),
        (Flat("x", Float(0, 1), "optimizer", ("rmsprop",)), "rmsprop"),
        (Flat("x", Categorical((1, 2)), "x", (1,)), "depends on itself"),
    ],
)
def test_wrong_conditions_are_refused(child: Flat, message: str) -> None:
    with pytest.raises(SearchSpaceError, match=message):
        nest([OPTIMIZER, child])


def test_a_condition_on_a_number_is_refused() -> None:
    with pytest.raises(SearchSpaceError, match="no choice"):
        nest([Flat("n", Int(1, 3)), Flat("x", Float(0, 1), "n", (2,))])


def test_configspace_draws_are_legal_here_and_ours_there() -> None:
    library = pytest.importorskip("ConfigSpace")
    theirs = library.ConfigurationSpace(seed=0)
    rate = library.UniformFloatHyperparameter("rate", 1e-4, 1.0, log=True)
    kind = library.CategoricalHyperparameter("kind", ["adam", "sgd", "lamb"])
    size = library.OrdinalHyperparameter("size", ["s", "m", "l"])
    layers = library.UniformIntegerHyperparameter("layers", 1, 9)
    theirs.add([rate, kind, size, layers, library.Constant("fixed", 3)])
    theirs.add(library.InCondition(layers, kind, ["sgd", "lamb"]))
    space = configspace.search_space(theirs)
    assert {p.name for p in space.parameters} == {"rate", "kind", "size", "kind/layers"}
    for seed in range(20):
        config = configspace.flatten(space.sample(np.random.default_rng(seed)))
        read = dict(library.Configuration(theirs, values=config))  # raises where it is illegal
        assert read.pop("rate") == pytest.approx(config.pop("rate"), rel=1e-9)  # ConfigSpace rounds to 13 digits
        assert read == config


def test_what_configspace_can_say_and_a_tree_cannot_is_refused() -> None:
    library = pytest.importorskip("ConfigSpace")
    theirs = library.ConfigurationSpace({"a": ["x", "y"], "b": (0.0, 1.0), "n": (1, 5)})
    theirs.add(library.GreaterThanCondition(theirs["b"], theirs["n"], 2))
    with pytest.raises(SearchSpaceError, match="EqualsCondition or InCondition"):
        configspace.search_space(theirs)
    theirs = library.ConfigurationSpace({"a": ["x", "y"]})
    theirs.add(library.ForbiddenEqualsClause(theirs["a"], "y"))
    with pytest.raises(SearchSpaceError, match="forbidden combinations"):
        configspace.search_space(theirs)
    with pytest.raises(SearchSpaceError, match="needs a ConfigSpace"):
        configspace.search_space({"a": 1})


def build(hp: HyperParameters) -> dict[str, object]:
    made: dict[str, object] = {"units": hp.Int("units", 16, 256, sampling="log"), "fixed": hp.Fixed("fixed", 7)}
    if hp.Boolean("dropout"):
        made["rate"] = hp.Float("rate", 0.1, 0.7)
    hp.Choice("optimizer", ["adam", "sgd"])
    with hp.conditional_scope("optimizer", ["sgd"]):
        momentum = hp.Float("momentum", 0.0, 0.9)
        if hp.get("optimizer") == "sgd":
            made["momentum"] = momentum
    return made


def test_a_hypermodel_is_swept() -> None:
    space = hypermodel.search_space(build)
    names = {parameter.name for parameter in space.parameters}
    assert names == {"units", "dropout", "rate", "optimizer", "optimizer/momentum"}
    for seed in range(20):
        config = space.sample(np.random.default_rng(seed))
        made = build(HyperParameters(config))
        assert made["units"] == config["units"]
        assert made.get("rate") == (config["rate"] if config["dropout"] else None)
        assert made.get("momentum") == config["optimizer"].get("momentum")


def test_one_name_for_two_things_is_refused() -> None:
    def muddled(hp: HyperParameters) -> None:
        hp.Int("n", 1, 2)
        hp.Int("n", 1, 3)

    with pytest.raises(SearchSpaceError, match="'n' is asked for twice"):
        hypermodel.search_space(muddled)
    with pytest.raises(SearchSpaceError, match="'linear' or 'log'"):
        HyperParameters().Int("n", 1, 2, sampling="reverse_log")
    with pytest.raises(SearchSpaceError, match="was not asked for"):
        HyperParameters().get("n")
