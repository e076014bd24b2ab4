"""How often forecasts of whole sweeps came true: what `metahp plan` and `metahp advise` said, against what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from metahp.store import Store
from metahp.store.forecasts import SweepForecast
from metahp.types import Mode, SweepHistory


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """Forecasts whose outcome is known.

    Attributes:
        made: forecasts on record.
        settled: those of them whose outcome is known.
        inside: those of the settled whose outcome lay in the 80 % band.
        worse: those whose outcome was worse than the whole band.
    """

    made: int
    settled: int
    inside: int
    worse: int


def track_record(store: Store) -> TrackRecord:
    """What has become of the forecasts of a store.

    Raises:
        StoreError: the store cannot be read.
    """
    forecasts = store.forecasts.all()
    histories = store.curves() if forecasts else []
    known = [(each, outcome) for each in forecasts if (outcome := _outcome(each, histories)) is not None]
    inside = sum(each.low <= score <= each.high for each, (score, _) in known)
    worse = sum(
        mode.sign * score < mode.sign * (each.low if mode.sign > 0 else each.high) for each, (score, mode) in known
    )
    return TrackRecord(len(forecasts), len(known), inside, worse)


def _outcome(forecast: SweepForecast, histories: Sequence[SweepHistory]) -> tuple[float, Mode] | None:
    """The best score when as many epochs were spent as the forecast spoke of, or the sweep was over."""
    history = next((own for own in histories if _is_meant(forecast, own)), None)
    if history is None:
        return None
    spent = sum(trial.curve.last_step for trial in history.trials)
    is_over = all(trial.status.is_over for trial in history.trials)
    best = history.incumbent()
    if best is None or not (is_over or spent >= forecast.epochs_before + forecast.epochs):
        return None
    score = best.curve.best(history.sweep.mode)
    return (score, history.sweep.mode) if score is not None else None


def _is_meant(forecast: SweepForecast, history: SweepHistory) -> bool:
    sweep = history.sweep
    if sweep.metric != forecast.metric:
        return False
    if forecast.sweep_id is not None:
        return sweep.sweep_id == forecast.sweep_id
    began = _began(sweep.sweep_id)
    return sweep.name == forecast.name and began is not None and began >= forecast.made_at


def _began(sweep_id: str) -> float | None:
    """Seconds since the epoch, None where the id does not tell."""
    try:
        number = UUID(sweep_id)
    except ValueError:
        return None
    return (number.int >> 80) / 1000.0 if number.version == 7 else None
