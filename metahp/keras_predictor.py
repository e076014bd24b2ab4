"""The predictor that learns from every sweep.

From data to prediction::

    SweepHistory ── Task ──┬── Vocabulary          which hyperparameters there are, by name and absolute value
                           ├── Trunk (Keras)       features of configurations, by the likelihood of truncated curves
                           └── Lesson              each past sweep as a function of configuration and fraction
    Sweep, trials ──────────── MemoryBelief        "like one of the past sweeps", in this sweep's space
                           └── SweepPosterior      conditioned on what this sweep has shown, exactly, in NumPy

Past sweeps that share fewer than half of a sweep's hyperparameters are left out; where none is left, the predictor
says what `PriorPredictor` says. Keras is imported by the first `fit` or `update` that has something to learn; a driver
that takes over what a learner has made never needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from metahp.archive import damaged, read_archive, write_archive
from metahp.errors import SearchSpaceError
from metahp.features import Observations, Points, Scale
from metahp.predictor import Contest
from metahp.prior_predictor import PriorBelief
from metahp.space import SearchSpace
from metahp.starter import is_shipped
from metahp.surrogate.experience import PastExperience
from metahp.surrogate.knowledge import Knowledge, SweepKnowledge
from metahp.surrogate.sweep_posterior import SweepPosterior
from metahp.surrogate.task import Task
from metahp.surrogate.vocabulary import Vocabulary
from metahp.types import Sweep, SweepHistory, Trial, parse_mode

KIND = "keras"
SHIPPED = Path(__file__).with_name("shipped")
"""Where the predictor is that ships with MetaHP, see `metahp.shipped`."""
_TABLES = ("trial", "fraction", "level")


class KerasPredictor:
    """Learns over all sweeps; see the module.

    Args:
        seed: decides the first weights and the order of training.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = seed
        self._knowledge: Knowledge | None = None
        self._about: dict[tuple[str, str, str], SweepKnowledge | None] = {}

    def fit(self, history: Sequence[SweepHistory]) -> None:
        """Learn from scratch; sweeps in which no two scores differ teach nothing and are left out."""
        self._knowledge = None
        self.update(history)

    def update(self, history: Sequence[SweepHistory]) -> None:
        """Go on learning from new sweeps and from grown versions of known ones."""
        tasks = {own.sweep.sweep_id: task for own in history if (task := Task.of(own)) is not None}
        self._about.clear()
        if not tasks:
            self._knowledge = replace(self._knowledge, contest=None) if self._knowledge else None
            return
        from metahp.surrogate.training import renewed  # imports Keras, which those who only load do not need

        known = dict(self._knowledge.tasks) if self._knowledge else {}
        self._knowledge = renewed(known | tasks, self._knowledge, self._seed)

    @property
    def contest(self) -> Contest | None:
        """How the last training has done on trials that were held out; None if that is not known."""
        return self._knowledge.contest if self._knowledge else None

    def condition(self, sweep: Sweep, trials: Sequence[Trial]) -> SweepPosterior:
        """See `metahp.predictor.Predictor`; before any `fit` it says what `PriorPredictor` says."""
        about = self._knowing(sweep)
        if about is None:
            return SweepPosterior.given(PriorBelief(), None, sweep, trials)
        return SweepPosterior.given(about.belief, about.scales, sweep, trials)

    def experience(self, sweep: Sweep) -> PastExperience | None:
        """What past sweeps propose; None where no past sweep shares half of the hyperparameters."""
        about = self._knowing(sweep)
        return about.experience if about else None

    def _knowing(self, sweep: Sweep) -> SweepKnowledge | None:
        if self._knowledge is None:
            return None
        key = (sweep.sweep_id, sweep.space.identity, f"{sweep.mode} {sweep.metric}")
        if key not in self._about:
            self._about[key] = _about(self._knowledge, sweep)
        return self._about[key]

    def save(self, directory: Path) -> None:
        """See `metahp.predictor.Predictor`."""
        if self._knowledge is None:
            write_archive(directory, KIND, {"seed": self._seed, "tasks": []}, {})
            return
        tasks = list(self._knowledge.tasks.values())
        data = {
            "seed": self._seed,
            "vocabulary": self._knowledge.vocabulary.to_json(),
            "own": self._knowledge.is_own,
            "tasks": [_task_to_json(task) for task in tasks],
        }
        arrays: dict[str, NDArray[Any]] = {f"trunk.{name}": value for name, value in self._knowledge.weights.items()}
        for index, task in enumerate(tasks):
            arrays |= {f"task{index}.{name}": value for name, value in _task_arrays(task).items()}
        write_archive(directory, KIND, data, arrays)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """See `metahp.predictor.Predictor`."""
        data, arrays = read_archive(directory, KIND)
        try:
            predictor = cls(seed=data["seed"])
            if data["tasks"]:
                predictor._knowledge = _restored(data, arrays)
        except (KeyError, ValueError, TypeError, IndexError, AttributeError, SearchSpaceError) as problem:
            raise damaged(directory, problem) from problem
        return predictor


def _about(knowledge: Knowledge, sweep: Sweep) -> SweepKnowledge | None:
    """What is known about a sweep; by the network that ships where only shipped sweeps are like it.

    A store's own network has learned other hyperparameters then, and would do worse than none of its own.
    """
    found = knowledge.about(sweep)
    alone = found is not None and knowledge.is_own and not found.experience.first_hand
    return _shipped().about(sweep) if alone else found


@cache
def _shipped() -> Knowledge:
    knowledge = KerasPredictor.load(SHIPPED)._knowledge
    assert knowledge is not None  # it ships with sweeps
    return knowledge


def _restored(data: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Knowledge:
    tasks = [_task_from(fields, _part(arrays, f"task{index}.")) for index, fields in enumerate(data["tasks"])]
    vocabulary = Vocabulary.from_json(data["vocabulary"])
    is_own = data.get("own", not all(is_shipped(task.sweep_id) for task in tasks))  # written since version 0.1
    weights = _part(arrays, "trunk.")
    if (len(weights["slopes"]), len(weights["choices"])) != (len(vocabulary.labels) + 1, len(vocabulary.choices) + 1):
        raise ValueError("the network knows another vocabulary")
    return Knowledge({task.sweep_id: task for task in tasks}, vocabulary, weights, is_own)


def _part(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _task_to_json(task: Task) -> dict[str, Any]:
    return {
        "sweep_id": task.sweep_id,
        "metric": task.metric,
        "mode": task.mode.value,
        "scale": asdict(task.scale),
        "space": task.observations.points.space.to_json(),
        "trial_ids": list(task.observations.trial_ids),
        "description": dict(task.description),
    }


def _task_arrays(task: Task) -> dict[str, NDArray[Any]]:
    seen = task.observations
    rows = {name: getattr(seen, name) for name in _TABLES}
    return rows | {"units": seen.points.units, "active": seen.points.active}


def _task_from(fields: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Task:
    points = Points(SearchSpace.from_json(fields["space"]), arrays["units"], arrays["active"])
    observations = Observations(tuple(fields["trial_ids"]), points, *(arrays[name] for name in _TABLES))
    scale, mode = Scale(**fields["scale"]), parse_mode(fields["mode"])
    return Task(fields["sweep_id"], fields["metric"], mode, scale, observations, fields["description"])
