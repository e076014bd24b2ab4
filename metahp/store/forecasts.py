"""Forecasts of whole sweeps, kept as they were made: one small JSON file each, below ``forecasts/``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from metahp.errors import StoreError
from metahp.store import codec
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
        low: its best score then, with 10 % probability lower; None where no score could be foretold, as the next two.
        middle: the median.
        high: with 10 % probability higher.
        trials_before: that the sweep had begun by then.
        trials: further ones that the forecast is about; 0 in those of earlier versions.
        epochs_low: that all these trials take, with 10 % probability fewer.
        epochs_high: with 10 % probability more.
        hours_low: of training times devices that this takes, None where nobody knows how long an epoch is.
        hours_high: likewise.
    """

    kind: str
    made_at: float
    sweep_id: str | None
    name: str
    metric: str
    epochs_before: int
    epochs: float
    low: float | None
    middle: float | None
    high: float | None
    trials_before: int = 0
    trials: int = 0
    epochs_low: float = 0.0
    epochs_high: float = 0.0
    hours_low: float | None = None
    hours_high: float | None = None


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
            data = codec.parse(self._place.read(f"{FOLDER}/{name}"))
            known = {field.name: data[field.name] for field in fields(SweepForecast) if field.name in data}
            return SweepForecast(**known)  # a field without a default that is missing is a TypeError
        except (OSError, ValueError, KeyError, TypeError):
            return None
