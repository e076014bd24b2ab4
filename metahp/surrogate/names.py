"""What a hyperparameter means in any space: its label, its absolute number, and the way from one space to another.

Two sweeps rarely share a space, but ``learning_rate = 1e-3`` is the same thing in most of them. So columns are
matched by label, values by what they are, never by where they lie in a range.
"""

from __future__ import annotations

import math
from collections import defaultdict
from functools import lru_cache

import numpy as np

from metahp.columns import numbers_at, stretched_units
from metahp.domains import Categorical, Float, Int
from metahp.features import BoolArray, Points
from metahp.space import Parameter, SearchSpace
from metahp.types import FloatArray

_SYNONYMS = {
    "activation": "act activation_function activation_fn nonlinearity",
    "batch_size": "bs batch batchsize minibatch_size train_batch_size",
    "beta_1": "beta1 adam_beta1 adam_beta_1",
    "beta_2": "beta2 adam_beta2 adam_beta_2",
    "dropout": "drop drop_rate dropout_p dropout_prob dropout_rate max_dropout p_dropout",
    "embedding": "emb_dim embed_dim embedding_dim embedding_size",
    "epsilon": "adam_eps adam_epsilon eps",
    "filters": "channels n_filters num_channels num_filters",
    "layers": "hidden_layers n_hidden_layers n_layers num_hidden_layers num_layers number_of_layers",
    "learning_rate": "base_lr init_lr initial_learning_rate initial_lr learningrate lr lr_init max_lr peak_lr",
    "momentum": "sgd_momentum",
    "optimizer": "opt optim optimiser",
    "units": "hidden_dim hidden_size hidden_units max_units n_neurons n_units neurons num_units width",
    "weight_decay": "wd weightdecay",
}
ENOUGH_OVERLAP = 0.5
"""Share of its hyperparameters that a sweep has to have in common with another one, to learn anything from it."""

_ALIASES = {alias: name for name, aliases in _SYNONYMS.items() for alias in aliases.split()}


@lru_cache(maxsize=256)
def labels(space: SearchSpace) -> tuple[str, ...]:
    """What each column means elsewhere: the last part of its name where that is clear, else all of it."""
    full_names = defaultdict(set)
    for parameter in space.parameters:
        full_names[_short(parameter.name)].add(parameter.name)
    return tuple(
        _short(parameter.name) if len(full_names[_short(parameter.name)]) == 1 else parameter.name.lower()
        for parameter in space.parameters
    )


@lru_cache(maxsize=256)
def is_choice(space: SearchSpace) -> BoolArray:
    """Which columns ``(d,)`` hold choices that no number orders."""
    return np.array([type(p.domain) is Categorical and not _is_numeric(p) for p in space.parameters], dtype=bool)


def numbers(points: Points, column: int) -> FloatArray:
    """The absolute values ``(c,)`` of one column; NaN where it is inactive. Ordered words count by their place."""
    parameter = points.space.parameters[column]
    domain, units, active = parameter.domain, points.units[:, column], points.active[:, column]
    if not _is_numeric(parameter):
        return np.where(active, units, math.nan)
    if isinstance(domain, Float | Int):
        return np.where(active, numbers_at(domain, units), math.nan)
    return np.array(
        [float(domain.from_unit(unit)) if exists else math.nan for unit, exists in zip(units, active, strict=True)]
    )


def choices(points: Points, column: int) -> list[str | None]:
    """The choices of one column by name, None where it is inactive or not a choice."""
    parameter = points.space.parameters[column]
    if not isinstance(parameter.domain, Categorical):
        return [None] * len(points)
    return [
        parameter.choice(unit) if active else None
        for unit, active in zip(points.units[:, column], points.active[:, column], strict=True)
    ]


def translate(points: Points, space: SearchSpace) -> Points:
    """The same configurations seen from another space, matched by label and value.

    Numbers outside the other range keep their distance (their units lie beyond ``[0, 1]``). What does not exist in
    the other space, or is a choice that it does not offer, is inactive there.
    """
    if points.space == space:
        return points
    units = np.full((len(points), space.dimension), math.nan)
    for source, label in enumerate(labels(points.space)):
        for column, other in enumerate(labels(space)):
            if label == other:
                found = _units_of(points, source, space.parameters[column])
                units[:, column] = np.where(np.isnan(found), units[:, column], found)
    return Points(space, np.nan_to_num(units, nan=0.5), ~np.isnan(units))


def overlap(space: SearchSpace, other: SearchSpace) -> float:
    """Share of the hyperparameters of ``space`` that ``other`` has too, in ``[0, 1]``."""
    wanted = set(labels(space))
    return len(wanted & set(labels(other))) / max(len(wanted), 1)


def _units_of(points: Points, column: int, wanted: Parameter) -> FloatArray:
    source, domain = points.space.parameters[column], wanted.domain
    if isinstance(domain, Float | Int):
        if not _is_numeric(source):
            return np.full(len(points), math.nan)
        return stretched_units(domain, numbers(points, column))
    if wanted.options or source.options:
        places = {wanted.choice(unit): unit for unit in (np.arange(len(domain.choices)) + 0.5) / len(domain.choices)}
        return np.array([places.get(choice or "", math.nan) for choice in choices(points, column)])
    values = [source.domain.from_unit(unit) for unit in points.units[:, column]]
    return np.array(
        [
            domain.to_unit(value) if active and domain.contains(value) else math.nan
            for value, active in zip(values, points.active[:, column], strict=True)
        ]
    )


def _short(name: str) -> str:
    last = name.rsplit("/", 1)[-1].lower()
    return _ALIASES.get(last, last)


def _is_numeric(parameter: Parameter) -> bool:
    """Whether all its values are numbers; the numbers of options are none."""
    if not isinstance(parameter.domain, Categorical):
        return True
    choices = parameter.domain.choices
    return not parameter.options and all(isinstance(c, int | float) and not isinstance(c, bool) for c in choices)
