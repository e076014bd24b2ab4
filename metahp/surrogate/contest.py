"""Champion and challenger: whether more training has made the network better, on trials that neither was trained on.

One configuration in eight is never trained on, wherever it turns up, so that what is known of its twin in another
sweep cannot help. (It stays in the memory of its sweep, which is conditioned on, not trained.) A network is scored by
how likely it finds the curves of these trials, given the curves of other trials of the same sweep.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice

import numpy as np

from metahp.features import BoolArray, Observations, Points
from metahp.predictor import Contest
from metahp.surrogate.trunk import ROWS, Arrays, Trunk, log_likelihood
from metahp.surrogate.vocabulary import Vocabulary

ONE_IN = 8
_FEWEST = 16  # trials; of a smaller sweep all are trained on
_SWEEPS = 12  # are judged by, the newest ones
_WORST = -1e9  # of a network that finds what it was asked impossible, or cannot say
_CONTEXT = 160  # rows of other trials that are given


def compared(champion: Arrays | None, challenger: Trunk, tasks: Sequence[Observations], words: Vocabulary) -> Contest:
    """Let both judge the held-out trials of the newest sweeps that have some.

    Args:
        champion: weights of the network from before, None if there was none.
        challenger: the network that was trained further; unchanged.
        tasks: all sweeps, oldest first.
        words: what both networks know by name.
    """
    judged = list(islice((task for task in reversed(tasks) if held_out(task).any()), _SWEEPS))[::-1]
    if not judged:
        return Contest(None, None, 0)
    after, trained = _score(challenger, judged, words), challenger.arrays()
    if champion is None:
        return Contest(None, after, len(judged))
    challenger.set_arrays(champion)
    before = _score(challenger, judged, words)
    challenger.set_arrays(trained)
    return Contest(before, after, len(judged))


def for_training(task: Observations) -> Observations:
    """The sweep without its held-out trials."""
    return task.of_trials(np.flatnonzero(~held_out(task)).astype(np.int64))


@lru_cache(maxsize=128)
def held_out(task: Observations) -> BoolArray:
    """Which trials are never trained on, shape ``(c,)``, bool; worked out once for the sweeps of one training."""
    if len(task.points) < _FEWEST:
        return np.zeros(len(task.points), bool)
    return _chosen(task.points)


def _chosen(points: Points) -> BoolArray:
    return np.array([zlib.crc32(_name(config).encode()) % ONE_IN == 0 for config in points.configs()])


def _name(config: Mapping[str, object]) -> str:
    """The same for equal configurations of spaces with other ranges, where the last digits may differ."""
    rounded = {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in config.items()}
    return json.dumps(rounded, sort_keys=True, default=str)


def _score(trunk: Trunk, tasks: Sequence[Observations], words: Vocabulary) -> float:
    score = float(np.mean([_gain(trunk, task, words) for task in tasks]))
    return score if math.isfinite(score) else _WORST


def _gain(trunk: Trunk, task: Observations, words: Vocabulary) -> float:
    """Mean log-likelihood of the held-out reports, given reports of other trials."""
    unseen = held_out(task)[task.trial]
    asked = np.flatnonzero(unseen)[: ROWS - _CONTEXT]
    given = np.flatnonzero(~unseen)[:_CONTEXT]
    together = np.sort(np.concatenate([given, asked]))
    gained = log_likelihood(trunk, task, together, words) - log_likelihood(trunk, task, given, words)
    return gained / len(asked)
