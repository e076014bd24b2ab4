"""How alike two rows of one sweep are: features and covariance, written once for NumPy and for `keras.ops`.

Every function takes the module ``xp`` to compute with, so that training (Keras, any backend) and prediction (NumPy,
float64) cannot drift apart.

==================  =====================================================================================
``psi_j(x)``        features of a configuration, ``j < J``, from the trunk
``b_l(f)``          `time_bases` of a fraction, ``l < BASES``: a level, a power law, two exponentials
``config_std``      what the trunk does not explain of configurations of one sweep (Matern 5/2 in the cube)
``trial_std``       what two trials of the same configuration differ by
``*_share``         the share of that which stays constant over the whole curve; the rest forgets
==================  =====================================================================================

Configuration and fraction are kept apart, ``psi_j(x) * b_l(f)``: in a history of pruned sweeps only good
configurations have long curves, and a joint network extrapolates the others with the wrong sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metahp.types import FloatArray

BASES = 4
PRESENCE = 0.5
"""Distance, in units, between having a hyperparameter and not having it."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The covariance of one sweep: standard deviations in levels, shares, and how fast curves forget.

    The fields are floats, or tensors while they are learned; see the module's table. ``sweep_std`` is how far whole
    sweeps lie off, ``noise_std`` how far a report lies off its curve, ``memory`` the distance of two logarithms of
    the fraction beyond which the forgetting parts know little of each other.
    """

    config_std: Any
    config_share: Any
    trial_std: Any
    trial_share: Any
    sweep_std: Any
    noise_std: Any
    memory: Any


@dataclass(frozen=True, eq=False)
class Learned:
    """What training found out, in NumPy: J features, the last one constant.

    Attributes:
        network: the weights of `network` by name.
        mean: shape ``(J, BASES)``: prior mean of a sweep's weights.
        std: shape ``(J, BASES)``: their prior standard deviation.
        lengths: shape ``(rows,)``: by label, the distance at which configurations of one sweep differ.
        spread: the rest of the covariance.
    """

    network: Mapping[str, FloatArray]
    mean: FloatArray
    std: FloatArray
    lengths: FloatArray
    spread: Spread


def network(xp: Any, weights: Mapping[str, Any], inputs: Mapping[str, Any]) -> Any:
    """Features ``(..., c, J)`` of configurations.

    Args:
        xp: NumPy or `keras.ops`.
        weights: by name, see `metahp.surrogate.trunk`.
        inputs: the fields of `metahp.surrogate.vocabulary.Inputs`, with the same leading dimensions.
    """
    met = xp.where(inputs["choices"] > 0, 1.0, 0.0)
    hidden = weights["bias"] + xp.matmul(inputs["known"], xp.take(weights["presences"], inputs["labels"], axis=0))
    hidden = hidden + xp.matmul(inputs["numbers"], xp.take(weights["slopes"], inputs["labels"], axis=0))
    hidden = hidden + xp.sum(met[..., None] * xp.take(weights["choices"], inputs["choices"], axis=0), axis=-2)
    hidden = xp.tanh(hidden)
    hidden = hidden + xp.tanh(xp.matmul(hidden, weights["inner"]) + weights["inner_bias"])
    features = xp.tanh(xp.matmul(hidden, weights["outer"]) + weights["outer_bias"])
    return xp.concatenate([features, xp.ones_like(features[..., :1])], axis=-1)


def time_bases(xp: Any, fraction: Any) -> Any:
    """Shape ``(n, BASES)``. All but the first vanish at a full training, so that the level is the final score.

    The fast exponential takes up the leap of the first few steps. Without it the slow ones have to, and then expect
    the same leap later on, only from good configurations.
    """
    power = (fraction**-0.35 - 1.0) / 3.0
    slow, fast = xp.exp(-17.0 * fraction), xp.exp(-60.0 * fraction)
    return xp.stack([xp.ones_like(fraction), power, slow, fast], axis=-1)


def fade(xp: Any, log_left: Any, log_right: Any, memory: Any) -> Any:
    """Correlation ``(n, m)`` of the forgetting parts at two logarithms of the fraction."""
    return xp.exp(-0.5 * xp.square((log_left[..., :, None] - log_right[..., None, :]) / memory))


def mixed(share: Any, faded: Any) -> Any:
    """Correlation of a part that stays constant by ``share`` and forgets the rest."""
    return share + (1.0 - share) * faded


def matern52(xp: Any, squared: Any) -> Any:
    """Matern 5/2 correlation of squared scaled distances."""
    distance = xp.sqrt(5.0 * squared + 1e-8)  # the square root has no slope at 0
    return (1.0 + distance + xp.square(distance) / 3.0) * xp.exp(-distance)


def located(xp: Any, units: Any, present: Any, lengths: Any) -> Any:
    """Coordinates ``(..., c, 2p)`` whose Euclidean distance is that of numbers that may be absent.

    Args:
        xp: NumPy or `keras.ops`.
        units: shape ``(..., c, p)``.
        present: shape ``(..., c, p)``, 1 where the hyperparameter exists, else 0.
        lengths: shape ``(..., p)``: the distance at which a column makes two configurations differ.
    """
    scale = present / lengths[..., None, :]
    return xp.concatenate([(units - 0.5) * scale, PRESENCE * scale], axis=-1)


def squared_distance(xp: Any, left: Any, right: Any) -> Any:
    """Squared Euclidean distances ``(..., n, m)`` of coordinates ``(..., n, k)`` and ``(..., m, k)``."""
    lengths = xp.sum(xp.square(left), -1)[..., :, None] + xp.sum(xp.square(right), -1)[..., None, :]
    return xp.maximum(lengths - 2.0 * xp.matmul(left, xp.swapaxes(right, -1, -2)), 0.0)


def choice_distance(xp: Any, left: Any, right: Any, lengths: Any) -> Any:
    """Squared distances ``(..., n, m)`` of choices ``(..., n, q)`` and ``(..., m, q)``: each differing one counts."""
    differ = xp.abs(left[..., :, None, :] - right[..., None, :, :]) > 1e-6
    return xp.sum(xp.where(differ, 1.0, 0.0) / xp.square(lengths)[..., None, None, :], -1)
