"""What past sweeps propose for a new one; see `metahp.predictor.Experience`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metahp.features import SMALLEST_FRACTION, Points, encode, natural_bounds
from metahp.starter import is_shipped
from metahp.surrogate.memory import MemoryBelief
from metahp.surrogate.names import translate
from metahp.surrogate.process import KNOTS, similarity
from metahp.surrogate.task import Task
from metahp.types import Carrier, Config, FloatArray, Sweep

BEST_OF_EACH = 8
_CARRYING_SWEEPS, _CARRIERS = 4, 5


@dataclass(frozen=True, eq=False)
class PastExperience:
    """Past sweeps as advisers on a new one.

    Attributes:
        sweep: the new sweep.
        memory: how each past sweep judges configurations.
        tasks: the past sweeps.
    """

    sweep: Sweep
    memory: MemoryBelief
    tasks: tuple[Task, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """Ids of the past sweeps, the most similar first."""
        return tuple(task.sweep_id for task in self.tasks)

    @property
    def first_hand(self) -> int:
        """How many of them do not ship with MetaHP."""
        return sum(not is_shipped(task.sweep_id) for task in self.tasks)

    @property
    def knows_metric(self) -> bool:
        """Whether a past sweep measured the same thing."""
        return bool(self._same_metric)

    @property
    def _same_metric(self) -> list[Task]:
        return [task for task in self.tasks if task.metric == self.sweep.metric and task.mode is self.sweep.mode]

    @property
    def bounds(self) -> tuple[float, float]:
        """By what past sweeps measured, see `metahp.features.natural_bounds`."""
        values = [task.scale.values(task.observations.level) for task in self._same_metric]
        return natural_bounds(np.concatenate([*values, np.zeros(0)]))

    @property
    def weights(self) -> FloatArray:
        """How much each of them counts, shape ``(T,)``, adding up to 1."""
        return self.memory.weights

    def best(self) -> Points:
        """The best of every past sweep, legal in the new one's space; the best of all sweeps first."""
        return self._best  # asked for at every suggestion

    @cached_property
    def _best(self) -> Points:
        found = [translate(task.best(BEST_OF_EACH), self.sweep.space) for task in self.tasks]
        ranks = np.concatenate([np.arange(len(own)) for own in found])
        best = Points.landed(self.sweep.space, Points.joined(found).units[np.argsort(ranks, kind="stable")])
        return best[np.sort(np.unique(best.units, axis=0, return_index=True)[1])]

    def carriers(self, config: Config) -> tuple[Carrier, ...]:
        """Of the past sweeps that count most the trials that are most alike; well within a millisecond."""
        points, lessons = encode(self.sweep.space, [config]), self.memory.lessons
        found: list[Carrier] = []
        for place in np.argsort(-self.weights, kind="stable")[:_CARRYING_SWEEPS].tolist():
            seen = self.tasks[place].observations
            alike = similarity(translate(points, seen.points.space), seen.points, lessons[place].lengths)[0]
            weights, sweep_id = self.weights[place] * alike, self.tasks[place].sweep_id
            nearest = np.argsort(-weights, kind="stable")[:_CARRIERS].tolist()
            found += [Carrier(sweep_id, seen.trial_ids[near], round(float(weights[near]), 6)) for near in nearest]
        return tuple(sorted(found, key=lambda each: -each.weight)[:_CARRIERS])

    def judge(self, points: Points, fraction: float) -> FloatArray:
        """Level that each of T past sweeps expects of n configurations at a fraction: shape ``(T, n)``."""
        knot = int(np.argmin(np.abs(np.log(KNOTS / max(fraction, SMALLEST_FRACTION)))))
        levels = self.memory.judgements(points)[:, :, knot]
        return np.minimum(levels, 1.0)  # better than all it has seen is more than a past sweep can know
