"""Champion and challenger: whether more training has made the network better, on what neither was trained on.

Two things are never trained on. One configuration in eight, wherever and whenever it turns up, so that what is known of
its twin in another sweep, or was known of it when the sweep was smaller, cannot help. And one sweep in eight of those
that come when there are eight. (Both stay in the memory of their sweeps, which are conditioned on, not trained.) A
network is scored by how likely it finds the curves of held-out trials, given those of other trials of the same sweep,
and the curves of held-out sweeps, given nothing. A challenger has to be as good in both. Where nothing can be judged,
the champion stays.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np

from metahp.features import BoolArray, Observations, Points
from metahp.predictor import Contest
from metahp.starter import is_shipped
from metahp.surrogate.trunk import ROWS, Trunk, log_likelihoods
from metahp.surrogate.vocabulary import Vocabulary
from metahp.surrogate.weights import Arrays
from metahp.types import FloatArray

ONE_IN = 8
ENOUGH_SWEEPS = 8
"""Before so many own sweeps there are, none is held out as a whole: each is needed."""
_JUDGES = 8  # sweeps of either kind, the newest ones
_WORST = -1e9  # of a network that finds what it was asked impossible, or cannot say
_CONTEXT = 160  # rows of other trials that are given


@dataclass(frozen=True, eq=False)
class Network:
    """One that can be judged.

    Attributes:
        weights: by name.
        vocabulary: what it knows by name.
    """

    weights: Arrays
    vocabulary: Vocabulary


def compared(
    champion: Network | None, challenger: Network, tasks: Sequence[Observations], spared: Collection[int]
) -> Contest:
    """Let both judge what neither was trained on.

    Args:
        champion: from before, None if there was none.
        challenger: the one that was trained further.
        tasks: all sweeps, oldest first.
        spared: the places of those that are held out as a whole.
    """
    newest_first = [(task, place in spared) for place, task in enumerate(tasks)][::-1]
    judges = list(islice((task for task, is_spared in newest_first if not is_spared and _can_judge(task)), _JUDGES))
    whole = [task for task, is_spared in newest_first if is_spared][:_JUDGES]
    after = [_score(challenger, judges, _gains), _score(challenger, whole, _fits)]
    before = [_score(champion, judges, _gains), _score(champion, whole, _fits)] if champion else [None, None]
    return Contest(before[0], after[0], len(judges), before[1], after[1], len(whole))


def held_out_sweeps(sweep_ids: Sequence[str]) -> frozenset[int]:
    """The places of the sweeps, given oldest first, that are never trained on at all."""
    late = enumerate(sweep_ids[ENOUGH_SWEEPS:], ENOUGH_SWEEPS)
    return frozenset(place for place, name in late if not is_shipped(name) and _falls_out(name))


def for_training(task: Observations) -> Observations:
    """The sweep without its held-out trials."""
    return task.of_trials(np.flatnonzero(~held_out(task)).astype(np.int64))


@lru_cache(maxsize=128)
def held_out(task: Observations) -> BoolArray:
    """Which trials are never trained on, shape ``(c,)``, bool; worked out once for the sweeps of one training."""
    return _chosen(task.points)


def _chosen(points: Points) -> BoolArray:
    return np.array([_falls_out(_name(config)) for config in points.configs()], bool)


def _falls_out(name: str) -> bool:
    return zlib.crc32(name.encode()) % ONE_IN == 0


def _name(config: Mapping[str, object]) -> str:
    """The same for equal configurations of spaces with other ranges, where the last digits may differ."""
    rounded = {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in config.items()}
    return json.dumps(rounded, sort_keys=True, default=str)


def _can_judge(task: Observations) -> bool:
    return bool(held_out(task).any()) and not held_out(task).all()


def _score(
    network: Network,
    tasks: Sequence[Observations],
    scored: Callable[[Trunk, Sequence[Observations], Vocabulary], FloatArray],
) -> float | None:
    """Mean over sweeps; None where there are none."""
    if not tasks:
        return None
    trunk = Trunk(network.vocabulary, np.random.default_rng(0))
    trunk.set_arrays(network.weights)
    score = float(np.mean(scored(trunk, tasks, network.vocabulary)))
    return score if math.isfinite(score) else _WORST


def _gains(trunk: Trunk, tasks: Sequence[Observations], words: Vocabulary) -> FloatArray:
    """Mean log-likelihood of the held-out reports of each sweep, given reports of other trials."""
    unseen = [held_out(task)[task.trial] for task in tasks]
    asked = [np.flatnonzero(own)[: ROWS - _CONTEXT] for own in unseen]
    given = [np.flatnonzero(~own)[:_CONTEXT] for own in unseen]
    together = [np.sort(np.concatenate(pair)) for pair in zip(given, asked, strict=True)]
    parts = [*zip(tasks, together, strict=True), *zip(tasks, given, strict=True)]
    both, alone = np.split(log_likelihoods(trunk, parts, words), 2)
    return (both - alone) / np.array([len(rows) for rows in asked])


def _fits(trunk: Trunk, tasks: Sequence[Observations], words: Vocabulary) -> FloatArray:
    """Mean log-likelihood of all reports of each sweep, of many those of its first trials."""
    rows = [np.arange(min(len(task), ROWS)) for task in tasks]
    return log_likelihoods(trunk, list(zip(tasks, rows, strict=True)), words) / np.array([len(own) for own in rows])
