"""How often forecasts of whole sweeps came true: what `metahp plan` and `metahp advise` said, against what happened."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from metahp.store import Store
from metahp.store.forecasts import SweepForecast
from metahp.types import Mode, SweepHistory, Trial


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """Forecasts whose outcome is known.

    Attributes:
        made: forecasts on record.
        settled: those of them of which it is known what score the sweep came to.
        inside: those of the settled whose score lay in the 80 % band.
        worse: those whose score was worse than the whole band.
        epochs_settled: those of which it is known how many epochs their trials took.
        epochs_inside: those of these that lay in the 80 % band.
        hours_settled: likewise for the hours of training times devices, of those that were made before a sweep began.
        hours_inside: likewise.
    """

    made: int
    settled: int
    inside: int
    worse: int
    epochs_settled: int = 0
    epochs_inside: int = 0
    hours_settled: int = 0
    hours_inside: int = 0


def track_record(store: Store) -> TrackRecord:
    """What has become of the forecasts of a store.

    Raises:
        StoreError: the store cannot be read.
    """
    forecasts = store.forecasts.all()
    histories = store.curves() if forecasts else []
    meant = [(each, own) for each in forecasts for own in [_meant(each, histories)] if own is not None]
    places = [place for each, own in meant if (place := _place_of_score(each, own)) is not None]
    trained = [(each, own, trials) for each, own in meant if (trials := _foretold(each, own))]
    epochs = [
        each.epochs_low <= _epochs(trials) - each.epochs_before <= each.epochs_high for each, _, trials in trained
    ]
    hours = [hit for each, own, trials in trained if (hit := _as_long(each, trials, _devices(store, own))) is not None]
    return TrackRecord(
        made=len(forecasts),
        settled=len(places),
        inside=places.count(0),
        worse=places.count(-1),
        epochs_settled=len(epochs),
        epochs_inside=sum(epochs),
        hours_settled=len(hours),
        hours_inside=sum(hours),
    )


def _meant(forecast: SweepForecast, histories: Sequence[SweepHistory]) -> SweepHistory | None:
    """The sweep that a forecast is about; that of a plan is the first one of its name that began later."""
    return next((own for own in histories if _is_meant(forecast, own)), None)


def _is_meant(forecast: SweepForecast, history: SweepHistory) -> bool:
    sweep = history.sweep
    if sweep.metric != forecast.metric:
        return False
    if forecast.sweep_id is not None:
        return sweep.sweep_id == forecast.sweep_id
    began = _began(sweep.sweep_id)
    return sweep.name == forecast.name and began is not None and began >= forecast.made_at


def _place_of_score(forecast: SweepForecast, history: SweepHistory) -> int | None:
    """Worse than the band (-1), in it (0) or better (1); None where it is not known yet, or was not foretold.

    It is known when as many epochs were spent as the forecast spoke of, or the sweep is over.
    """
    low, high, best = forecast.low, forecast.high, history.incumbent()
    is_over = all(trial.status.is_over for trial in history.trials)
    spent = _epochs(history.trials)
    if low is None or high is None or best is None:
        return None
    if not (is_over or spent >= forecast.epochs_before + forecast.epochs):
        return None
    mode = history.sweep.mode
    score = best.curve.best(mode)
    if score is None:
        return None
    better = 1 if mode is Mode.MAX else -1
    return better if score > high else -better if score < low else 0


def _foretold(forecast: SweepForecast, history: SweepHistory) -> Sequence[Trial]:
    """The trials whose cost was foretold, with those before them; none while they are not all over."""
    count = forecast.trials_before + forecast.trials
    trials = history.trials[:count]
    are_over = len(trials) == count and all(trial.status.is_over for trial in trials)
    return trials if forecast.trials and are_over else ()


def _epochs(trials: Sequence[Trial]) -> int:
    return sum(trial.curve.last_step for trial in trials)


def _devices(store: Store, history: SweepHistory) -> float:
    return store.shares.of(history.sweep.sweep_id).devices


def _as_long(forecast: SweepForecast, trials: Sequence[Trial], devices: float) -> bool | None:
    """Whether the hours lay in the band; None where that is not known, as what was spent before a forecast."""
    seconds = sum(float(trial.curve.elapsed_s[-1]) for trial in trials if len(trial.curve))
    low, high = forecast.hours_low, forecast.hours_high
    if low is None or high is None or forecast.epochs_before or not math.isfinite(seconds):
        return None
    return low <= seconds * devices / 3600.0 <= high


def _began(sweep_id: str) -> float | None:
    """Seconds since the epoch, None where the id does not tell."""
    try:
        number = UUID(sweep_id)
    except ValueError:
        return None
    return (number.int >> 80) / 1000.0 if number.version == 7 else None
