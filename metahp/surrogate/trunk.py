"""The network: features of configurations, trained by the exact marginal likelihood of truncated curves.

The only file that imports Keras. A step takes one past sweep as one draw of a Gaussian process with the covariance of
`kernel.py` on top of the network's features, and asks how likely its curves are *as far as they went*. Pruned trials
then bias nothing: what decided to prune them is itself among the observations (Wilson et al. 2016, Deep kernel
learning; Wistuba & Grabocka 2021, Few-shot Bayesian optimization; both without curves).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from metahp.features import Observations
from metahp.surrogate.kernel import (
    BASES,
    Spread,
    choice_distance,
    fade,
    located,
    matern52,
    mixed,
    network,
    squared_distance,
    time_bases,
)
from metahp.surrogate.vocabulary import Inputs, Vocabulary
from metahp.surrogate.weights import JITTER, Arrays
from metahp.types import FloatArray, IntArray

WIDTH = 64
FEATURES = 12
ROWS = 224
_LEARNING_RATE = 4e-3
_SHRINKAGE = 1e-3
MOST_REPLAYED = 16
"""Of the sweeps learned long ago, in one update: preparing them would be the larger part of it in a large store."""


class Trunk(keras.Model):
    """Maps configurations to features and, in training, curves to their negative log-likelihood.

    Args:
        vocabulary: decides the number of rows of the tables.
        rng: for the first weights.
    """

    def __init__(self, vocabulary: Vocabulary, rng: np.random.Generator) -> None:
        super().__init__()
        rows, choices = len(vocabulary.labels) + 1, len(vocabulary.choices) + 1
        for name, value in _first_weights(rows, choices, rng).items():
            setattr(self, name, self._weight(name, value))

    def call(self, rows: Mapping[str, Any]) -> Any:
        """The loss ``(b,)``: `likelihood`, with small weights preferred."""
        return self.likelihood(rows) + _SHRINKAGE * self._size()

    def likelihood(self, rows: Mapping[str, Any]) -> Any:
        """Negative log-likelihood ``(b,)`` per row of b sweeps, each given by ROWS rows of which ``mask`` are real."""
        mask = rows["mask"]
        bases = time_bases(ops, rows["fraction"])
        phi = ops.einsum("bnj,bnl->bnjl", network(ops, {weight.name: weight for weight in self.weights}, rows), bases)
        residual = mask * (rows["level"] - ops.einsum("bnjl,jl->bn", phi, self.mean))
        covariance = self._covariance(rows, phi * mask[:, :, None, None], mask)
        factor = ops.cholesky(covariance)
        white = ops.solve_triangular(factor, residual[..., None], lower=True)[..., 0]
        log_diagonal = ops.log(ops.diagonal(factor, axis1=-2, axis2=-1))
        return ops.sum(0.5 * ops.square(white) + log_diagonal, axis=-1) / ops.sum(mask, axis=-1)

    def _size(self) -> Any:
        """Squared norm of the network's weights."""
        return sum(ops.sum(ops.square(weight)) for weight in (self.slopes, self.choices, self.inner, self.outer))

    def spread(self) -> Spread:
        """The learned covariance, as tensors."""
        std, share = ops.exp(self.log_std), ops.sigmoid(self.logit_share)
        return Spread(std[0], share[0], std[1], share[1], std[2], std[3], std[4])

    def _covariance(self, rows: Mapping[str, Any], phi: Any, mask: Any) -> Any:
        spread, logs = self.spread(), ops.log(rows["fraction"])
        faded = fade(ops, logs, logs, spread.memory)
        configs = spread.config_std**2 * self._alike(rows) * mixed(spread.config_share, faded)
        same = ops.cast(ops.equal(rows["trial"][:, :, None], rows["trial"][:, None, :]), "float32")
        trials = spread.trial_std**2 * same * mixed(spread.trial_share, faded)
        shared = (configs + trials + spread.sweep_std**2) * (mask[:, :, None] * mask[:, None, :])
        weighted = ops.reshape(phi * ops.exp(self.log_weight_std), (-1, ROWS, (FEATURES + 1) * BASES))
        linear = ops.matmul(weighted, ops.swapaxes(weighted, -1, -2))
        noise = mask * (spread.noise_std**2 + JITTER) + (1.0 - mask)
        return shared + linear + noise[:, :, None] * ops.eye(ROWS)

    def _alike(self, rows: Mapping[str, Any]) -> Any:
        lengths = ops.exp(self.log_lengths)
        place = located(ops, rows["units"], rows["present"], ops.take(lengths, rows["labels"], axis=0))
        squared = squared_distance(ops, place, place)
        if rows["choice_units"].shape[-1]:
            units, scale = rows["choice_units"], ops.take(lengths, rows["choice_labels"], axis=0)
            squared += choice_distance(ops, units, units, scale)
        return matern52(ops, squared)

    def _weight(self, name: str, value: NDArray[np.float32]) -> Any:
        return self.add_weight(shape=value.shape, initializer=lambda *_, **__: ops.convert_to_tensor(value), name=name)

    def arrays(self) -> Arrays:
        """All weights by name."""
        return {weight.name: np.asarray(ops.convert_to_numpy(weight)) for weight in self.weights}

    def set_arrays(self, arrays: Arrays) -> None:
        """Take over weights; of tables that have grown since, the rows that are there."""
        for weight in self.weights:
            value = np.array(ops.convert_to_numpy(weight))
            given = arrays[weight.name]
            value[tuple(slice(size) for size in given.shape)] = given
            weight.assign(value)


def train(trunk: Trunk, episodes: Mapping[str, NDArray[Any]]) -> bool:
    """Descend once through the episodes; False (and the old weights kept) where that went astray."""
    before, steps = trunk.arrays(), len(episodes["level"])
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps)
    trunk.compile(
        optimizer=keras.optimizers.Adam(rate, global_clipnorm=10.0),
        loss=lambda _, likelihood: ops.mean(likelihood),
        jit_compile=keras.backend.backend() == "jax",  # compiling costs TensorFlow more than it saves here
    )
    trunk.fit(dict(episodes), np.zeros(steps, np.float32), batch_size=1, shuffle=False, verbose=0)
    sound = all(np.isfinite(value).all() for value in trunk.arrays().values())
    if not sound:
        trunk.set_arrays(before)
    return sound


def replayed(known: Sequence[int], fresh: Sequence[int], steps: int, rng: np.random.Generator) -> IntArray:
    """Which past sweeps each of ``steps`` steps is trained on.

    Every other step is of a fresh one, the rest of all known ones alike, or of `MOST_REPLAYED` random ones of many:
    what was learned long ago is not forgotten, and what is new is never left out.
    """
    order = np.zeros(steps, np.int64)
    order[::2] = _in_turn(np.asarray(fresh, np.int64), len(order[::2]), rng)
    order[1::2] = _in_turn(rng.permutation(np.asarray(known, np.int64))[:MOST_REPLAYED], len(order[1::2]), rng)
    return order


def _in_turn(numbers: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """The numbers in random order, again and again, ``count`` in all."""
    rounds = [rng.permutation(numbers) for _ in range(count // len(numbers) + 1)]
    order: IntArray = np.concatenate(rounds)[:count].astype(np.int64)
    return order


def episodes(
    tasks: Mapping[int, Observations], order: IntArray, vocabulary: Vocabulary, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Random parts of past sweeps, whole curves each, as padded rows: arrays ``(steps, ROWS, ...)``.

    Args:
        tasks: the sweeps that are used, by their numbers.
        order: shape ``(steps,)``: the number of the sweep that a step is trained on.
        vocabulary: what is known by name.
        rng: draws the parts.
    """
    inputs = {number: vocabulary.inputs(task.points) for number, task in tasks.items()}
    numbers = max(len(each.labels) for each in inputs.values())
    choices = max(len(each.choice_labels) for each in inputs.values())
    parts = [
        padded_rows(tasks[number], _some_curves(tasks[number], rng), inputs[number], numbers, choices)
        for number in order.tolist()
    ]
    return {name: np.stack([part[name] for part in parts]) for name in parts[0]}


def padded_rows(
    task: Observations, rows: IntArray, inputs: Inputs, numbers: int = 0, choices: int = 0
) -> dict[str, NDArray[Any]]:
    """At most `ROWS` rows of a sweep as `Trunk.likelihood` wants them, without the leading dimension.

    Args:
        task: the sweep.
        rows: which ones.
        inputs: its configurations.
        numbers: width of what is known of hyperparameters, if more than the sweep has.
        choices: the same of choices.
    """
    numbers, choices = max(numbers, len(inputs.labels)), max(choices, len(inputs.choice_labels))
    trials = task.trial[rows]
    columns = {
        "numbers": numbers,
        "known": numbers,
        "units": numbers,
        "present": numbers,
        "choices": choices,
        "choice_units": choices,
    }
    wide = {name: _widen(getattr(inputs, name)[trials], width) for name, width in columns.items()}
    flat = {
        "trial": trials.astype(np.int32),
        "fraction": np.maximum(task.fraction[rows], 1e-3).astype(np.float32),
        "level": task.level[rows].astype(np.float32),
        "mask": np.ones(len(rows), np.float32),
    }
    padded = {name: _pad(value, ROWS) for name, value in (wide | flat).items()}
    padded["fraction"][len(rows) :] = 1.0
    return padded | {
        "labels": _pad(inputs.labels, numbers),
        "choice_labels": _pad(inputs.choice_labels, choices),
    }


def log_likelihoods(trunk: Trunk, parts: Sequence[tuple[Observations, IntArray]], vocabulary: Vocabulary) -> FloatArray:
    """Of at most `ROWS` rows of each of n sweeps together, up to a constant for each row: shape ``(n,)``."""
    inputs = [vocabulary.inputs(task.points) for task, _ in parts]
    numbers = max(len(each.labels) for each in inputs)
    choices = max(len(each.choice_labels) for each in inputs)
    padded = [padded_rows(task, rows, own, numbers, choices) for (task, rows), own in zip(parts, inputs, strict=True)]
    mean = trunk.likelihood({name: np.stack([part[name] for part in padded]) for name in padded[0]})
    counts = np.array([len(rows) for _, rows in parts])
    total: FloatArray = -counts * np.asarray(ops.convert_to_numpy(mean), np.float64)
    return total


def _some_curves(task: Observations, rng: np.random.Generator) -> IntArray:
    """At most ROWS rows: random trials with all their rows."""
    counts = np.bincount(task.trial, minlength=len(task.points))
    order = rng.permutation(len(task.points))
    chosen = order[np.cumsum(counts[order]) <= ROWS]
    return np.flatnonzero(np.isin(task.trial, chosen)).astype(np.int64)


def _pad(values: NDArray[Any], length: int) -> NDArray[Any]:
    padded = np.zeros((length, *values.shape[1:]), values.dtype)
    padded[: len(values)] = values
    return padded


def _widen(values: NDArray[Any], width: int) -> NDArray[Any]:
    wide = np.zeros((len(values), width), np.int32 if values.dtype == np.int32 else np.float32)
    wide[:, : values.shape[1]] = values
    return wide


def _first_weights(rows: int, choices: int, rng: np.random.Generator) -> Arrays:
    def normal(std: float, *shape: int) -> NDArray[np.float64]:
        return rng.normal(0.0, std, shape)

    known_rows, known_choices = np.arange(rows)[:, None] > 0, np.arange(choices)[:, None] > 0
    weights = {
        "slopes": normal(0.6, rows, WIDTH) * known_rows,
        "presences": np.zeros((rows, WIDTH)),
        "choices": normal(0.6, choices, WIDTH) * known_choices,
        "bias": normal(0.5, WIDTH),
        "inner": normal(WIDTH**-0.5, WIDTH, WIDTH),
        "inner_bias": np.zeros(WIDTH),
        "outer": normal(WIDTH**-0.5, WIDTH, FEATURES),
        "outer_bias": np.zeros(FEATURES),
        "mean": np.zeros((FEATURES + 1, BASES)),
        "log_weight_std": np.log(np.tile([0.15, 0.05, 0.05, 0.1], (FEATURES + 1, 1))),
        "log_lengths": np.zeros(rows),
        "log_std": np.log([0.2, 0.05, 0.15, 0.03, 1.0]),
        "logit_share": np.array([1.0, 0.0]),
    }
    weights["mean"][-1] = 0.6, -0.2, -0.1, -0.4
    return {name: value.astype(np.float32) for name, value in weights.items()}
