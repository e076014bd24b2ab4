"""How knowledge is renewed: the network is trained further, beside a replay of old sweeps, and has to win a contest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from metahp.features import Observations
from metahp.starter import is_shipped
from metahp.surrogate.contest import Network, compared, for_training, held_out_sweeps
from metahp.surrogate.knowledge import Knowledge
from metahp.surrogate.task import Task
from metahp.surrogate.trunk import Trunk, episodes, replayed, train
from metahp.surrogate.vocabulary import Vocabulary
from metahp.types import IntArray

_STEPS, _STEPS_PER_TASK, _MOST_STEPS = 60, 15, 450
_FEWEST_TRIALS, _MANY_TRIALS = 2, 16  # to train on; one says nothing of configurations


def renewed(tasks: Mapping[str, Task], before: Knowledge | None, seed: int) -> Knowledge:
    """What is known after these tasks, of which ``before`` knew some, perhaps with fewer trials.

    What ships stays among the past sweeps, but a network that was trained on it is no good to others: with seven
    own TaskSet sweeps, whose space is another, the regret of the next one after 0.5, 1, 2, 4 trainings was .35 .22
    .11 .02; by a network trained on what ships as well .48 .35 .24 .16, by the shipped one trained further .35 .23
    .17 .11. So the own sweeps' network begins from scratch, and the first one follows the shipped one without a
    contest, which the shipped one won on TaskSet, whose hyperparameters it does not know: likelihood given other trials
    of a sweep does not ask for what counts before there are any.

    Args:
        tasks: all past sweeps, oldest first.
        before: what was known.
        seed: of the first weights and of the order of training.
    """
    own = {name: task for name, task in tasks.items() if not is_shipped(name)}
    taught = own or tasks
    begun = before if before is not None and before.is_own == bool(own) else None
    seen = [task.observations for task in taught.values()]
    spared = held_out_sweeps(list(taught))
    usable = [place for place in range(len(seen)) if place not in spared and _is_enough(seen[place])]
    known = begun.tasks if begun else {}
    names = list(taught)
    fresh = [place for place in usable if known.get(names[place]) is not taught[names[place]]]
    if before is not None and not fresh:
        return Knowledge(tasks, before.vocabulary, before.weights, before.is_own)
    challenger = _trained(begun, seen, usable, fresh, np.random.default_rng(seed))
    champion = Network(begun.weights, begun.vocabulary) if begun is not None else None
    contest = compared(champion, challenger, seen, spared)
    if begun is not None and not (contest.is_judged and contest.challenger_wins):
        return Knowledge(tasks, begun.vocabulary, begun.weights, begun.is_own, contest)
    return Knowledge(tasks, challenger.vocabulary, challenger.weights, bool(own), contest)


def _is_enough(task: Observations) -> bool:
    """Whether enough is left of a sweep; of many trials never all but one are held out, and looking takes long."""
    return len(task.points) >= _MANY_TRIALS or len(for_training(task).points) >= _FEWEST_TRIALS


def _trained(
    begun: Knowledge | None,
    seen: Sequence[Observations],
    usable: Sequence[int],
    fresh: Sequence[int],
    rng: np.random.Generator,
) -> Network:
    """A network that was trained further, or from scratch."""
    vocabulary = (begun.vocabulary if begun else Vocabulary()).grown([each.points for each in seen])
    trunk = Trunk(vocabulary, rng)
    if begun:
        trunk.set_arrays(begun.weights)
    if fresh:
        order = replayed(usable, fresh, min(_STEPS + _STEPS_PER_TASK * len(fresh), _MOST_STEPS), rng)
        train(trunk, episodes(_used(seen, order), order, vocabulary, rng))
    return Network(trunk.arrays(), vocabulary)


def _used(seen: Sequence[Observations], order: IntArray) -> dict[int, Observations]:
    """What is trained on of the sweeps that are; never all of a large store."""
    return {number: for_training(seen[number]) for number in np.unique(order).tolist()}
