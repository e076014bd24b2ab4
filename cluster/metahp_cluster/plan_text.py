"""The answers of ``metahp plan`` and ``metahp advise``, as data and in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from metahp.advice import Advice, Edge, Verdict
from metahp.outlook import HIGH, LOW, MOST_TRIALS, Outlook
from metahp.store.shares import TrialShare
from metahp.track_record import TrackRecord
from metahp.types import SweepHistory

BAND = (LOW, 0.5, HIGH)


def as_data(
    ahead: Outlook, trials: int, seconds: float, share: TrialShare, record: TrackRecord | None
) -> dict[str, Any]:
    """What both commands say, for programs.

    Args:
        ahead: the forecast.
        trials: that it is about.
        seconds: of an epoch, NaN where nobody knows.
        share: what a trial gets.
        record: of earlier forecasts, None where there is no store.
    """
    epochs, gain = (values[-1] for values in ahead.gains())
    hours, known = _hours(seconds, share), ahead.knows_metric
    return {
        "trials": trials,
        "epochs": [ahead.spent(q) for q in BAND],
        "unit": share.unit,
        "device_hours": None if hours is None else [ahead.spent(q) * hours for q in BAND],
        "metric": ahead.sweep.metric,
        "best_so_far": None if math.isnan(ahead.now) else ahead.now,
        "best": sorted(ahead.final(q) for q in BAND) if known else None,
        "gain": None if math.isnan(gain) or not known else float(gain),
        "gain_per_device_hour": None
        if hours is None or math.isnan(gain) or not known or not epochs
        else float(gain / (epochs * hours)),
        "track_record": None if record is None else asdict(record),
    }


def target_data(ahead: Outlook, target: float | None, seconds: float, share: TrialShare) -> dict[str, Any]:
    """The chance to reach a score, and what that takes where it is reached; nothing where no score is foretold."""
    if target is None or not ahead.knows_metric:
        return {}
    needed, hours = ahead.epochs_to(target), _hours(seconds, share)
    reached = np.isfinite(needed)
    band = [float(q) for q in np.quantile(needed[reached], BAND)] if reached.any() else None
    return {
        "target": target,
        "chance": float(reached.mean()),
        "epochs_to_target": band,
        "device_hours_to_target": None if band is None or hours is None else [epochs * hours for epochs in band],
    }


def verdict_data(found: Verdict) -> dict[str, Any]:
    """What to do, for programs."""
    return {"advice": str(found.advice), "edges": [asdict(edge) for edge in found.edges]}


def planned(said: dict[str, Any], epochs_each: int) -> Iterator[str]:
    """The plan in sentences."""
    yield f"{said['trials']} trials of at most {epochs_each} epochs; in 8 of 10 cases what stands in brackets:"
    yield f"  {_cost(said['epochs'], said['device_hours'], said['unit'])}"
    if said["device_hours"] is None:
        yield "  (hours are not known: no past sweep of such a space has told how long an epoch takes)"
    if said["trials"] > MOST_TRIALS:
        yield f"  (the first {MOST_TRIALS} of them were simulated)"
    yield f"  {_best(said)}"
    if "chance" in said:
        yield f"  {_target(said)}"
    yield from _record(said)


def advised(found: Verdict, said: dict[str, Any], history: SweepHistory) -> Iterator[str]:
    """The advice in sentences."""
    sweep = history.sweep
    yield f"{sweep.name or sweep.sweep_id}: {_ADVICE[found.advice]}"
    if said["best_so_far"] is None:
        yield "  nothing was scored yet"
    else:
        yield f"  best {sweep.metric} so far: {said['best_so_far']:.4g}"
    yield f"  {said['trials']} more trials: {_cost(said['epochs'], said['device_hours'], said['unit'])}"
    if said["gain"] is not None:
        per_hour = said["gain_per_device_hour"]
        rate = f", {per_hour:.3g} per {said['unit'].replace('hours', 'hour')}" if per_hour is not None else ""
        yield f"  they would improve it by {said['gain']:.3g} on average{rate}; worth it from {found.worth:.3g} on"
    yield f"  {_best(said)}"
    yield from (_edge(edge) for edge in found.edges)
    yield from (f"  {line}" for line in _record(said))


_ADVICE = {
    Advice.STOP: "stop: further trials would hardly improve it",
    Advice.CONTINUE: "go on",
    Advice.WIDEN: "widen the space: the best configurations lie at its edge",
}


def _hours(seconds: float, share: TrialShare) -> float | None:
    """Of devices, an epoch."""
    return None if math.isnan(seconds) else seconds * share.devices / 3600.0


def _edge(edge: Edge) -> str:
    return f"  {edge.leaders} of the five best have {edge.name} at {edge.bound:g}; try up to {edge.suggested:.3g}"


def _cost(epochs: list[float], hours: list[float] | None, unit: str) -> str:
    told = f"{_band(epochs, '.0f')} epochs"
    return told if hours is None else f"{told}, {_band(hours, '.2g')} {unit}"


def _target(said: dict[str, Any]) -> str:
    cost, chance = said["epochs_to_target"], said["chance"]
    when = "" if cost is None else f", then after {_cost(cost, said['device_hours_to_target'], said['unit'])}"
    return f"{said['metric']} {said['target']:g} is reached in {chance:.0%} of the cases{when}"


def _best(said: dict[str, Any]) -> str:
    if said["best"] is None:
        return f"no past sweep has measured {said['metric']!r} here, so its best value cannot be forecast"
    return f"best {said['metric']} at the end: {_band(said['best'], '.4g')}"


def _band(values: list[float], form: str) -> str:
    low, middle, high = values
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def _record(said: dict[str, Any]) -> Iterator[str]:
    record = said["track_record"]
    if record is None:
        return
    kinds = (
        ("score", record["settled"], record["inside"]),
        ("epochs", record["epochs_settled"], record["epochs_inside"]),
        ("hours", record["hours_settled"], record["hours_inside"]),
    )
    known = [f"of {settled} the {what}, {inside} inside" for what, settled, inside in kinds if settled]
    if not known:
        yield "no earlier forecast of this kind has been settled yet, so how good they are is not known here"
        return
    yield f"earlier forecasts that are settled, and their bands: {'; '.join(known)} (8 of 10 would be honest)"
