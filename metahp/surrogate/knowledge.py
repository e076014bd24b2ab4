"""All that was learned from past sweeps: what `KerasPredictor` keeps, trains and saves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metahp.features import Points
from metahp.predictor import Contest
from metahp.surrogate.contest import compared, for_training
from metahp.surrogate.kernel import Learned
from metahp.surrogate.kinship import kinship
from metahp.surrogate.memory import ROWS_PER_TASK, CachedBelief, Features, Lesson, MemoryBelief
from metahp.surrogate.names import labels, overlap
from metahp.surrogate.scales import PastScales
from metahp.surrogate.task import Task
from metahp.surrogate.trunk import Arrays, Trunk, episodes, replayed, train
from metahp.surrogate.vocabulary import Vocabulary
from metahp.types import FloatArray, Sweep

MOST_LESSONS = 32
ENOUGH_OVERLAP = 0.5
_STEPS, _STEPS_PER_TASK, _MOST_STEPS, _STEPS_AGAIN = 60, 15, 450, 60


@dataclass(frozen=True, eq=False)
class Knowledge:
    """Past sweeps and the network trained on them.

    Attributes:
        tasks: past sweeps by sweep_id, at least one, oldest first.
        vocabulary: what the trunk knows by name.
        trunk: the network.
        contest: how it did against the one before; None where that is not known any more.
    """

    tasks: Mapping[str, Task]
    vocabulary: Vocabulary
    trunk: Trunk
    contest: Contest | None = None

    @classmethod
    def learned(cls, tasks: Mapping[str, Task], before: Knowledge | None, seed: int) -> Knowledge:
        """Train on all tasks: from scratch, or a little further from what was known before, if that helps."""
        rng = np.random.default_rng(seed)
        seen = [task.observations for task in tasks.values()]
        vocabulary = (before.vocabulary if before else Vocabulary()).grown([each.points for each in seen])
        trunk = Trunk(vocabulary, rng)
        steps = min(_STEPS + _STEPS_PER_TASK * len(tasks), _MOST_STEPS)
        if before:
            trunk.set_arrays(before.trunk.arrays())
            steps = min(steps, _STEPS_AGAIN)
        champion = trunk.arrays() if before else None
        order = replayed(len(seen), steps, rng)
        used = {
            number: for_training(seen[number]) for number in np.unique(order).tolist()
        }  # never all of a large store
        train(trunk, episodes(used, order, vocabulary, rng))
        contest = compared(champion, trunk, seen, vocabulary)
        if champion is not None and not contest.challenger_wins:
            trunk.set_arrays(champion)
        return cls(tasks, vocabulary, trunk, contest)

    @classmethod
    def restored(cls, tasks: Mapping[str, Task], vocabulary: Vocabulary, arrays: Arrays) -> Knowledge:
        """What was saved before."""
        trunk = Trunk(vocabulary, np.random.default_rng(0))
        trunk.set_arrays(arrays)
        return cls(tasks, vocabulary, trunk)

    def about(self, sweep: Sweep) -> SweepKnowledge | None:
        """What is known about a new sweep; None where no past sweep shares half of its hyperparameters."""
        similar = [
            (overlap(sweep.space, task.observations.points.space), age, name)
            for age, (name, task) in enumerate(self.tasks.items())
            if name != sweep.sweep_id  # a sweep that is resumed brings its own trials
        ]
        chosen = sorted((entry for entry in similar if entry[0] >= ENOUGH_OVERLAP), reverse=True)[:MOST_LESSONS]
        if not chosen or not sweep.space.dimension:
            return None
        weights = kinship(sweep.task, [self.tasks[name].description for *_, name in chosen])
        order = np.argsort(-weights, kind="stable")
        names = [chosen[place][-1] for place in order]
        belief = MemoryBelief(self.features, [self.lesson(name) for name in names], weights[order])
        tasks = tuple(self.tasks[name] for name in names)
        scales = [task.scale for task in tasks if task.metric == sweep.metric and task.mode == sweep.mode]
        return SweepKnowledge(belief, CachedBelief(belief), tasks, PastScales.of(scales))

    def lesson(self, sweep_id: str) -> Lesson:
        """One past sweep as a function, worked out once."""
        if sweep_id not in self._lessons:
            telling = self.tasks[sweep_id].most_telling(ROWS_PER_TASK)
            self._lessons[sweep_id] = Lesson.of(telling, self.features)
        return self._lessons[sweep_id]

    @cached_property
    def features(self) -> Features:
        """Configurations in the terms of this knowledge."""
        learned: Learned = self.trunk.learned()
        row = {label: index for index, label in enumerate(self.vocabulary.labels, 1)}

        def lengths(points: Points) -> FloatArray:
            return learned.lengths[[row.get(label, 0) for label in labels(points.space)]]

        return Features(lambda points: self.trunk.psi(self.vocabulary.inputs(points)), lengths, learned)

    @cached_property
    def _lessons(self) -> dict[str, Lesson]:
        return {}


@dataclass(frozen=True, eq=False)
class SweepKnowledge:
    """What past sweeps say about one new sweep.

    Attributes:
        memory: how each of them would judge configurations.
        belief: the prior that follows, with a cache.
        tasks: the past sweeps, the most similar first.
        scales: where scores of the same metric lay, or None.
    """

    memory: MemoryBelief
    belief: CachedBelief
    tasks: tuple[Task, ...]
    scales: PastScales | None
