"""All that was learned from past sweeps: what `KerasPredictor` keeps and saves. Needs no Keras; see `training`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metahp.features import Points
from metahp.predictor import Contest
from metahp.starter import is_shipped
from metahp.surrogate.experience import PastExperience
from metahp.surrogate.kernel import Learned, network
from metahp.surrogate.kinship import kinship
from metahp.surrogate.memory import ROWS_PER_TASK, CachedBelief, Features, Lesson, MemoryBelief
from metahp.surrogate.names import ENOUGH_OVERLAP, labels, overlap
from metahp.surrogate.scales import PastScales
from metahp.surrogate.task import Task
from metahp.surrogate.vocabulary import Vocabulary
from metahp.surrogate.weights import Arrays
from metahp.surrogate.weights import learned as learned_by
from metahp.types import FloatArray, Sweep

MOST_LESSONS = 32
SHIPPED_COUNT_AS = 2.0
"""Own sweeps as which all shipped ones together count, as soon as there is an own one.

After one own sweep of an LCBench task, the next one of another task had a regret of .23 .20 .17 .13 (after 0.5, 1, 2, 4
trainings; 20 tasks); with the own one alone it had .29 .24 .19 .15, with what ships alone .28 .22 .18 .15. After three
it had .20 .17 .13 .08, with the own ones alone .25 .23 .20 .15. Whether they count as 2, 6 or 27 made no difference.
"""


@dataclass(frozen=True, eq=False)
class Knowledge:
    """Past sweeps and the network trained on them.

    Attributes:
        tasks: past sweeps by sweep_id, at least one, oldest first.
        vocabulary: what the network knows by name.
        weights: of the network.
        is_own: whether it was trained on a store's own sweeps, not on what ships.
        contest: how it did against the one before; None where that is not known any more.
    """

    tasks: Mapping[str, Task]
    vocabulary: Vocabulary
    weights: Arrays
    is_own: bool
    contest: Contest | None = None

    def about(self, sweep: Sweep) -> SweepKnowledge | None:
        """What is known about a new sweep; None where no past sweep shares half of its hyperparameters."""
        similar = [
            (not is_shipped(name), overlap(sweep.space, task.observations.points.space), age, name)
            for age, (name, task) in enumerate(self.tasks.items())
            if name != sweep.sweep_id  # a sweep that is resumed brings its own trials
        ]
        chosen = sorted((entry for entry in similar if entry[1] >= ENOUGH_OVERLAP), reverse=True)[:MOST_LESSONS]
        if not chosen or not sweep.space.dimension:
            return None
        standing = _standing([name for *_, name in chosen])
        weights = kinship(sweep.task, [self.tasks[name].description for *_, name in chosen], standing)
        order = np.argsort(-weights, kind="stable")
        names = [chosen[place][-1] for place in order]
        belief = MemoryBelief(self.features, [self.lesson(name) for name in names], weights[order])
        tasks = tuple(self.tasks[name] for name in names)
        same = [place for place, own in enumerate(tasks) if (own.metric, own.mode) == (sweep.metric, sweep.mode)]
        scales = PastScales.of([tasks[place].scale for place in same], belief.weights[same])
        return SweepKnowledge(PastExperience(sweep, belief, tasks), CachedBelief(belief), scales)

    def lesson(self, sweep_id: str) -> Lesson:
        """One past sweep as a function, worked out once."""
        if sweep_id not in self._lessons:
            telling = self.tasks[sweep_id].most_telling(ROWS_PER_TASK)
            self._lessons[sweep_id] = Lesson.of(telling, self.features)
        return self._lessons[sweep_id]

    @cached_property
    def features(self) -> Features:
        """Configurations in the terms of this knowledge."""
        learned: Learned = learned_by(self.weights)
        row = {label: index for index, label in enumerate(self.vocabulary.labels, 1)}

        def lengths(points: Points) -> FloatArray:
            return learned.lengths[[row.get(label, 0) for label in labels(points.space)]]

        def psi(points: Points) -> FloatArray:
            features: FloatArray = network(np, learned.network, vars(self.vocabulary.inputs(points)))
            return features

        return Features(psi, lengths, learned)

    @cached_property
    def _lessons(self) -> dict[str, Lesson]:
        return {}


def _standing(sweep_ids: Sequence[str]) -> FloatArray:
    """How much sweeps count before anything else is known of them, shape ``(T,)``."""
    shipped = np.array([is_shipped(sweep_id) for sweep_id in sweep_ids])
    each = min(SHIPPED_COUNT_AS / max(shipped.sum(), 1), 1.0)
    return np.where(shipped, each, 1.0)


@dataclass(frozen=True, eq=False)
class SweepKnowledge:
    """What past sweeps say about one new sweep.

    Attributes:
        experience: what they propose.
        belief: the prior that follows, with a cache.
        scales: where scores of the same metric lay, or None.
    """

    experience: PastExperience
    belief: CachedBelief
    scales: PastScales | None
