"""Forecasts of whole sweeps, kept as they were made: one small JSON file each, below ``forecasts/``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from metahp.errors import StoreError
from metahp.store.places import Place
from metahp.store.spool import uuid7

FOLDER = "forecasts"


@dataclass(frozen=True, slots=True)
class SweepForecast:
    """What was expected of a sweep before it went on.

    Attributes:
        kind: which question it answered, ``plan`` or ``advise``.
        made_at: seconds since the epoch.
        sweep_id: of the sweep; None before it started.
        name: of the sweep.
        metric: what is measured.
        epochs_before: that the sweep had spent by then.
        epochs: that it was expected to spend from then on.
        low: its best score then, with 10 % probability lower.
        middle: the median.
        high: with 10 % probability higher.
    """

    kind: str
    made_at: float
    sweep_id: str | None
    name: str
    metric: str
    epochs_before: int
    epochs: float
    low: float
    middle: float
    high: float


class ForecastBook:
    """The forecasts of one store."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def add(self, forecast: SweepForecast) -> None:
        """Keep one.

        Raises:
            StoreError: the store cannot be written.
        """
        content = json.dumps(asdict(forecast), allow_nan=False).encode()
        try:
            self._place.prepare(FOLDER)
            self._place.create(f"{FOLDER}/{uuid7()}.json", content)
        except OSError as problem:
            raise StoreError(f"cannot keep a forecast in {self._place.location}: {problem}") from problem

    def all(self) -> list[SweepForecast]:
        """Those that can be read, oldest first."""
        names = sorted(item.name for item in self._place.list(FOLDER) if item.is_file)
        return [found for name in names if (found := self._read(name)) is not None]

    def _read(self, name: str) -> SweepForecast | None:
        try:
            data = json.loads(self._place.read(f"{FOLDER}/{name}"))
            return SweepForecast(**{field.name: data[field.name] for field in fields(SweepForecast)})
        except (OSError, ValueError, KeyError, TypeError):
            return None
