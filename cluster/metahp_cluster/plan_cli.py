"""``metahp plan`` and ``metahp advise``: what a sweep will cost and find, before it starts and while it runs."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from metahp.advice import Advice, Edge, Verdict, verdict
from metahp.errors import StoreError
from metahp.models import load_or_fit
from metahp.outlook import HIGH, LOW, MOST_TRIALS, Outlook, outlook, seconds_per_epoch
from metahp.predictor import Experienced, Predictor
from metahp.store import Store
from metahp.store.forecasts import SweepForecast
from metahp.track_record import TrackRecord, track_record
from metahp.types import SweepHistory
from metahp_cluster.as_json import AsJson, print_json
from metahp_cluster.quiet import noise_to
from metahp_cluster.recommend_cli import past_for
from metahp_cluster.report_cli import chosen
from metahp_cluster.spec import Resources, Sweep, load_sweep, recorded

_PLANNED = "planned"


def plan(
    sweep_file: Annotated[Path, typer.Argument(help="The sweep, in YAML.", metavar="SWEEP.YAML")],
    target: Annotated[float | None, typer.Option(help="A score to reach.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="In place of the file's.")] = None,
    store: Annotated[str | None, typer.Option(help="In place of the file's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a sweep will cost and how well it will end, before it starts; nothing is trained.

    The forecast is kept in the store and compared with what happens.
    """
    spec = load_sweep(sweep_file)
    sweep, count = recorded(spec, _PLANNED), trials or spec.budget.trials
    with noise_to(Path(os.devnull), sys.stdout):  # TensorFlow's
        past = past_for(spec, store)
        predictor = load_or_fit(past) if isinstance(past, Store) else past
        ahead = outlook(predictor, sweep, (), count, seed=spec.seed)
    seconds = _past_seconds(predictor, past, ahead) if isinstance(past, Store) else math.nan
    record = _kept(past, ahead, "plan", None, 0) if isinstance(past, Store) else None
    said = _data(ahead, count, seconds, spec.resources, record) | _target_data(ahead, target)
    print_json(said) if as_json else print("\n".join(_planned(ahead, said, target, spec)))


def advise(
    location: Annotated[str, typer.Argument(help="The store's directory or URI.", envvar="METAHP_STORE")],
    sweep_id: Annotated[str | None, typer.Option("--sweep", help="By default the newest.", metavar="ID")] = None,
    trials: Annotated[int, typer.Option(min=1, help="How many more trials to think of.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Say whether to stop a sweep, to go on, or to widen its space, and what further trials would bring.

    Works while the sweep runs. The forecast is kept in the store and compared with what happens.
    """
    store = Store(location, create=False)
    history = chosen(store, sweep_id)
    with noise_to(Path(os.devnull), sys.stdout):  # TensorFlow's
        predictor = load_or_fit(store, exclude={history.sweep.sweep_id})
        ahead = outlook(predictor, history.sweep, history.trials, trials)
    found = verdict(ahead, history.trials)
    spent = sum(trial.curve.last_step for trial in history.trials)
    record = _kept(store, ahead, "advise", history.sweep.sweep_id, spent)
    said = _data(ahead, trials, seconds_per_epoch(history.trials), Resources(), record) | _verdict_data(found)
    print_json(said) if as_json else print("\n".join(_advised(ahead, found, said, history)))


def _kept(store: Store, ahead: Outlook, kind: str, sweep_id: str | None, spent: int) -> TrackRecord | None:
    """Keeps the forecast where the store can be written, and says how the earlier ones did."""
    record = track_record(store)
    low, middle, high = sorted(ahead.final(q) for q in (LOW, 0.5, HIGH))
    name, metric = ahead.sweep.name, ahead.sweep.metric
    made = SweepForecast(kind, time.time(), sweep_id, name, metric, spent, ahead.spent(0.5), low, middle, high)
    if ahead.knows_metric and all(map(math.isfinite, (low, middle, high))):
        try:
            store.forecasts.add(made)
        except StoreError as problem:
            print(f"metahp: {problem}", file=sys.stderr)
    return record


def _past_seconds(predictor: Predictor, store: Store, ahead: Outlook) -> float:
    """Of an epoch in the past sweeps that the forecast rests on."""
    past = predictor.experience(ahead.sweep) if isinstance(predictor, Experienced) else None
    sources = set(past.sources if past is not None else ())
    return seconds_per_epoch(t for own in store.curves() if own.sweep.sweep_id in sources for t in own.trials)


def _data(
    ahead: Outlook, count: int, seconds: float, resources: Resources, record: TrackRecord | None
) -> dict[str, Any]:
    unit, device_s = resources.unit, seconds * resources.devices
    epochs, gain = (values[-1] for values in ahead.gains())
    known = ahead.knows_metric
    return {
        "trials": count,
        "epochs": [ahead.spent(q) for q in (LOW, 0.5, HIGH)],
        "unit": unit,
        "device_hours": None if math.isnan(seconds) else [ahead.spent(q) * device_s / 3600 for q in (LOW, 0.5, HIGH)],
        "metric": ahead.sweep.metric,
        "best_so_far": None if math.isnan(ahead.now) else ahead.now,
        "best": sorted(ahead.final(q) for q in (LOW, 0.5, HIGH)) if known else None,
        "gain": None if math.isnan(gain) or not known else float(gain),
        "gain_per_device_hour": None
        if math.isnan(seconds * gain) or not known or not epochs
        else float(gain / (epochs * device_s / 3600)),
        "track_record": None if record is None else asdict(record),
    }


def _target_data(ahead: Outlook, target: float | None) -> dict[str, Any]:
    if target is None or not ahead.knows_metric:
        return {}
    needed = ahead.epochs_to(target)
    reached = np.isfinite(needed)
    band = [float(q) for q in np.quantile(needed[reached], [LOW, 0.5, HIGH])] if reached.any() else None
    return {"target": target, "chance": float(reached.mean()), "epochs_to_target": band}


def _verdict_data(found: Verdict) -> dict[str, Any]:
    return {"advice": str(found.advice), "edges": [asdict(edge) for edge in found.edges]}


def _planned(ahead: Outlook, said: dict[str, Any], target: float | None, spec: Sweep) -> Iterator[str]:
    yield f"{said['trials']} trials of at most {spec.budget.epochs} epochs; in 8 of 10 cases what stands in brackets:"
    yield f"  {_cost(said)}"
    if said["trials"] > MOST_TRIALS:
        yield f"  (the first {MOST_TRIALS} of them were simulated)"
    yield f"  {_best(said)}"
    if "chance" in said:
        band = said["epochs_to_target"]
        when = f", then after {_band(band, '.0f')} epochs" if band else ""
        yield f"  {spec.metric} {target:g} is reached in {said['chance']:.0%} of the cases{when}"
    yield from _record(said)


def _advised(ahead: Outlook, found: Verdict, said: dict[str, Any], history: SweepHistory) -> Iterator[str]:
    sweep = history.sweep
    yield f"{sweep.name or sweep.sweep_id}: {_ADVICE[found.advice]}"
    if said["best_so_far"] is None:
        yield "  nothing was scored yet"
    else:
        yield f"  best {sweep.metric} so far: {said['best_so_far']:.4g}"
    yield f"  {said['trials']} more trials: {_cost(said)}"
    if said["gain"] is not None:
        per_hour = said["gain_per_device_hour"]
        rate = f", {per_hour:.3g} per {said['unit'].removesuffix('s')}" if per_hour is not None else ""
        yield f"  they would improve it by {said['gain']:.3g} on average{rate}; worth it from {found.worth:.3g} on"
    yield f"  {_best(said)}"
    yield from (_edge(edge) for edge in found.edges)
    yield from (f"  {line}" for line in _record(said))


_ADVICE = {
    Advice.STOP: "stop: further trials would hardly improve it",
    Advice.CONTINUE: "go on",
    Advice.WIDEN: "widen the space: the best configurations lie at its edge",
}


def _edge(edge: Edge) -> str:
    return f"  {edge.leaders} of the five best have {edge.name} at {edge.bound:g}; try up to {edge.suggested:.3g}"


def _cost(said: dict[str, Any]) -> str:
    epochs = f"{_band(said['epochs'], '.0f')} epochs"
    hours = said["device_hours"]
    return epochs if hours is None else f"{epochs}, {_band(hours, '.2g')} {said['unit']}"


def _best(said: dict[str, Any]) -> str:
    if said["best"] is None:
        return f"no past sweep has measured {said['metric']!r} here, so its best value cannot be forecast"
    return f"best {said['metric']} at the end: {_band(said['best'], '.4g')}"


def _band(values: list[float], form: str) -> str:
    low, middle, high = values
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def _record(said: dict[str, Any]) -> Iterator[str]:
    record = said["track_record"]
    if record is None or not record["settled"]:
        yield "no earlier forecast of this kind has been settled yet, so how good they are is not known here"
        return
    inside = f"{record['inside']} lay inside their band"
    yield f"of {record['settled']} earlier forecasts that are settled, {inside} (8 of 10 would be honest)"
