"""``metahp plan`` and ``metahp advise``: what a sweep will cost and find, before it starts and while it runs."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from metahp.advice import verdict
from metahp.errors import StoreError
from metahp.models import load_or_fit
from metahp.outlook import MOST_TRIALS, Outlook, outlook, seconds_per_epoch
from metahp.predictor import Experienced, Predictor
from metahp.store import Store
from metahp.store.forecasts import SweepForecast
from metahp.store.shares import TrialShare
from metahp.track_record import TrackRecord, track_record
from metahp.types import SweepHistory
from metahp_cluster.as_json import AsJson, print_json
from metahp_cluster.damage import warn_of_holes
from metahp_cluster.machine import settled, this_machine
from metahp_cluster.own_store import Location, opened
from metahp_cluster.plan_text import BAND, advised, as_data, planned, target_data, verdict_data
from metahp_cluster.printable import print_lines
from metahp_cluster.recommend_cli import past_for
from metahp_cluster.spec import Resources, Sweep, load_sweep, recorded
from metahp_cluster.sweep_ids import Wanted, chosen
from metahp_cluster.thinking import thinking

_PLANNED = "planned"


def plan(
    sweep_file: Annotated[Path, typer.Argument(help="The sweep, in YAML.", metavar="SWEEP.YAML")],
    target: Annotated[float | None, typer.Option(help="A score to reach.", metavar="SCORE")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="In place of the file's.", metavar="N")] = None,
    store: Annotated[str | None, typer.Option(help="In place of the file's.", metavar="STORE")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a sweep will cost and how well it will end, before it starts; nothing is trained.

    The forecast is kept in the store and compared with what happens.

    Example: metahp plan sweep.yaml --target 0.95
    """
    spec = load_sweep(sweep_file)
    sweep, count = recorded(spec, _PLANNED), trials or spec.budget.trials
    with thinking("simulating the sweep"):
        past = past_for(spec, store)
        predictor = load_or_fit(past) if isinstance(past, Store) else past
        ahead = outlook(predictor, sweep, (), count, seed=spec.seed)
    seconds = _past_seconds(predictor, past, ahead) if isinstance(past, Store) else math.nan
    share = _share(spec.resources)
    keeper = past if isinstance(past, Store) else _begun(spec)
    if keeper is not None:
        warn_of_holes(keeper)
    record = None if keeper is None else _kept(keeper, _forecast(ahead, "plan", count, seconds, share))
    said = as_data(ahead, count, seconds, share, record) | target_data(ahead, target, seconds, share)
    print_json(said) if as_json else print_lines(planned(said, spec.budget.epochs))


def advise(
    location: Location = None,
    wanted: Wanted = None,
    trials: Annotated[int, typer.Option(min=1, help="How many more trials to think of.", metavar="N")] = 10,
    as_json: AsJson = False,
) -> None:
    """Say whether to stop a sweep, to go on, or to widen its space, and what further trials would bring.

    Works while the sweep runs. The forecast is kept in the store and compared with what happens.

    Example: metahp advise --trials 20
    """
    store = opened(location)
    history = chosen(store, wanted)
    with thinking("simulating further trials"):
        predictor = load_or_fit(store, exclude={history.sweep.sweep_id})
        ahead = outlook(predictor, history.sweep, history.trials, trials)
    warn_of_holes(store)
    found, seconds = verdict(ahead, history.trials), seconds_per_epoch(history.trials)
    share = store.shares.of(history.sweep.sweep_id)
    record = _kept(store, _forecast(ahead, "advise", trials, seconds, share, history))
    said = as_data(ahead, trials, seconds, share, record) | verdict_data(found)
    print_json(said) if as_json else print_lines(advised(found, said, history))


def _share(resources: Resources) -> TrialShare:
    """What a trial would get here."""
    here = settled(resources, [this_machine()] if resources.gpu == "auto" else [])
    return TrialShare(here.devices, here.unit)


def _begun(spec: Sweep) -> Store | None:
    """The store that the sweep will begin, so that its first forecast is kept too."""
    try:
        return Store(spec.store)
    except StoreError as problem:
        print(f"metahp: the forecast is not kept: {problem}", file=sys.stderr)
        return None


def _forecast(
    ahead: Outlook, kind: str, trials: int, seconds: float, share: TrialShare, history: SweepHistory | None = None
) -> SweepForecast:
    """What is kept of a forecast, so that it can be held against what happens."""
    scores = sorted(ahead.final(q) for q in BAND)
    told = ahead.knows_metric and all(map(math.isfinite, scores))
    low, middle, high = scores if told else (None, None, None)
    fewest, _, most = (ahead.spent(q) for q in BAND)
    hours = None if math.isnan(seconds) else seconds * share.devices / 3600.0
    begun = () if history is None else history.trials
    return SweepForecast(
        kind=kind,
        made_at=time.time(),
        sweep_id=None if history is None else history.sweep.sweep_id,
        name=ahead.sweep.name,
        metric=ahead.sweep.metric,
        epochs_before=sum(trial.curve.last_step for trial in begun),
        epochs=ahead.spent(0.5),
        low=low,
        middle=middle,
        high=high,
        trials_before=len(begun),
        trials=min(trials, MOST_TRIALS),
        epochs_low=fewest,
        epochs_high=most,
        hours_low=None if hours is None else fewest * hours,
        hours_high=None if hours is None else most * hours,
    )


def _kept(store: Store, forecast: SweepForecast) -> TrackRecord:
    """Keeps a forecast where the store can be written, and says how the earlier ones did."""
    record = track_record(store)
    try:
        store.forecasts.add(forecast)
    except StoreError as problem:
        print(f"metahp: {problem}", file=sys.stderr)
    return record


def _past_seconds(predictor: Predictor, store: Store, ahead: Outlook) -> float:
    """Of an epoch in the past sweeps that the forecast rests on."""
    past = predictor.experience(ahead.sweep) if isinstance(predictor, Experienced) else None
    sources = set(past.sources if past is not None else ())
    return seconds_per_epoch(t for own in store.curves() if own.sweep.sweep_id in sources for t in own.trials)
