"""The hyperparameters and choices a predictor has met, and configurations in their terms.

Each known label has a row of the trunk's tables and a scale of its own; what was never met is left out, so that a
new hyperparameter cannot disturb what is known of the others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from metahp.domains import Categorical, Float, Int, Ordinal
from metahp.features import Points
from metahp.space import SearchSpace
from metahp.surrogate.names import choices, is_choice, labels, numbers
from metahp.types import FloatArray

MOST_CHOICES = 4096
_FAR = 3.0  # scaled numbers beyond are not told apart: the trunk saw nothing there


@dataclass(frozen=True, slots=True)
class Meaning:
    """How numbers of one label are scaled: ``(t(number) - centre) / half``, t the logarithm where ``log``."""

    log: bool
    centre: float
    half: float

    def scaled(self, values: FloatArray) -> FloatArray:
        """Scaled numbers, about ``[-1, 1]`` where they were met before; NaN stays."""
        if self.log:
            values = np.log(np.maximum(values, 1e-300))
        return np.clip((values - self.centre) / self.half, -_FAR, _FAR)


@dataclass(frozen=True, eq=False)
class Inputs:
    """Configurations as the trunk and the kernel read them: c of them, p number columns, q choice columns.

    Attributes:
        labels: shape ``(p,)``, int32: the row of each number column in the tables, 0 for unknown.
        numbers: shape ``(c, p)``: scaled absolute numbers, 0 where unknown or absent.
        known: shape ``(c, p)``: 1 where ``numbers`` says something.
        units: shape ``(c, p)``: places in the space's own ranges.
        present: shape ``(c, p)``: 1 where the hyperparameter exists.
        choice_labels: shape ``(q,)``, int32.
        choices: shape ``(c, q)``, int32: the row of each choice in its table, 0 for unknown or absent.
        choice_units: shape ``(c, q)``: -1 where absent.
    """

    labels: NDArray[np.int32]
    numbers: FloatArray
    known: FloatArray
    units: FloatArray
    present: FloatArray
    choice_labels: NDArray[np.int32]
    choices: NDArray[np.int32]
    choice_units: FloatArray


@dataclass(frozen=True)
class Vocabulary:
    """Known labels with their meanings, and known choices; row 0 of every table stands for the unknown.

    Attributes:
        labels: labels in the order of their rows, from row 1 on.
        meanings: of the labels that are numbers somewhere.
        choices: ``label=choice`` in the order of their rows, from row 1 on.
    """

    labels: tuple[str, ...] = ()
    meanings: dict[str, Meaning] = field(default_factory=dict)
    choices: tuple[str, ...] = ()

    def grown(self, tasks: Sequence[Points]) -> Vocabulary:
        """This vocabulary with all that is new in these configurations; known rows and meanings stay."""
        new = {label: None for points in tasks for label in labels(points.space) if label not in self.labels}
        ranges = _ranges([points.space for points in tasks])
        met = Counter(choice for points in tasks for choice in _named_choices(points) if choice not in self.choices)
        most = [choice for choice, _ in met.most_common(MOST_CHOICES - len(self.choices))]
        return Vocabulary(
            (*self.labels, *new),
            {label: _meaning(spans) for label, spans in ranges.items()} | self.meanings,
            (*self.choices, *most),
        )

    def inputs(self, points: Points) -> Inputs:
        """Configurations in the terms of this vocabulary."""
        names, choice = labels(points.space), is_choice(points.space)
        number_columns, choice_columns = np.flatnonzero(~choice).tolist(), np.flatnonzero(choice).tolist()
        scaled = self._stacked([self._scaled(points, column, names[column]) for column in number_columns], points)
        known = np.isfinite(scaled)
        rows = [self._met(points, column, names[column]) for column in choice_columns]
        return Inputs(
            labels=self._rows(names, number_columns),
            numbers=np.where(known, scaled, 0.0),
            known=known.astype(np.float64),
            units=points.units[:, number_columns],
            present=points.active[:, number_columns].astype(np.float64),
            choice_labels=self._rows(names, choice_columns),
            choices=self._stacked(rows, points).astype(np.int32),
            choice_units=np.where(points.active, points.units, -1.0)[:, choice_columns],
        )

    def to_json(self) -> dict[str, Any]:
        """As plain data; `from_json` gives an equal vocabulary."""
        meanings = {label: asdict(meaning) for label, meaning in self.meanings.items()}
        return {"labels": list(self.labels), "meanings": meanings, "choices": list(self.choices)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The vocabulary that `to_json` wrote."""
        meanings = {label: Meaning(**meaning) for label, meaning in data["meanings"].items()}
        return cls(tuple(data["labels"]), meanings, tuple(data["choices"]))

    def _rows(self, names: tuple[str, ...], columns: list[int]) -> NDArray[np.int32]:
        return np.array([self._label_rows.get(names[column], 0) for column in columns], dtype=np.int32)

    def _scaled(self, points: Points, column: int, label: str) -> FloatArray:
        meaning = self.meanings.get(label)
        return meaning.scaled(numbers(points, column)) if meaning else np.full(len(points), math.nan)

    def _met(self, points: Points, column: int, label: str) -> FloatArray:
        names = [f"{label}={choice}" for choice in choices(points, column)]
        return np.array([self._choice_rows.get(name, 0) for name in names], dtype=np.float64)

    @cached_property
    def _label_rows(self) -> dict[str, int]:
        return {label: index for index, label in enumerate(self.labels, 1)}

    @cached_property
    def _choice_rows(self) -> dict[str, int]:
        return {choice: index for index, choice in enumerate(self.choices, 1)}

    @staticmethod
    def _stacked(columns: list[FloatArray], points: Points) -> FloatArray:
        return np.stack(columns, axis=1) if columns else np.zeros((len(points), 0))


def _named_choices(points: Points) -> list[str]:
    names = labels(points.space)
    return [
        f"{names[column]}={choice}"
        for column in np.flatnonzero(is_choice(points.space))
        for choice in choices(points, int(column))
        if choice is not None
    ]


def _ranges(spaces: Sequence[SearchSpace]) -> dict[str, list[tuple[float, float, bool]]]:
    """For each label ``(lower, upper, log)`` of every space in which it is a number."""
    found: dict[str, list[tuple[float, float, bool]]] = {}
    for space in spaces:
        for column in np.flatnonzero(~is_choice(space)):
            found.setdefault(labels(space)[column], []).append(_range(space.parameters[column].domain))
    return found


def _range(domain: Float | Int | Categorical | Ordinal) -> tuple[float, float, bool]:
    if isinstance(domain, Float | Int):
        return float(domain.lower), float(domain.upper), domain.log
    values = [float(choice) for choice in domain.choices if isinstance(choice, int | float)]
    if not values:  # an ordinal of words: its positions
        return 0.0, 1.0, False
    return min(values), max(values), min(values) > 0 and max(values) >= 10 * min(values)


def _meaning(spans: list[tuple[float, float, bool]]) -> Meaning:
    log = 2 * sum(span[2] for span in spans) > len(spans) and all(span[0] > 0 for span in spans)
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    if log:
        low, high = math.log(low), math.log(high)
    return Meaning(log, (low + high) / 2, max((high - low) / 2, 1e-9))
