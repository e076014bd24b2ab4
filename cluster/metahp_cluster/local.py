"""One run of a sweep by a Tune loop in this process."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path
from typing import TextIO

from metahp.errors import StoreError, SweepSpecError
from metahp.store import Store
from metahp.types import SweepHistory
from metahp_cluster import machine
from metahp_cluster.display import display
from metahp_cluster.forecaster import Forecaster
from metahp_cluster.interrupts import Brake
from metahp_cluster.learning import learning
from metahp_cluster.monitor import Monitor
from metahp_cluster.progress import Progress
from metahp_cluster.results import SweepResult
from metahp_cluster.spec import Sweep, recorded
from metahp_cluster.start_together import starting_together
from metahp_cluster.tuning import cluster_for, make_search, make_tuner, run_tuner
from metahp_cluster.user_code import TrainFunction
from metahp_cluster.views import NoView, View
from metahp_searchers import new_sweep_id


def run_trials(
    sweep: Sweep, train: TrainFunction, store: Store, history: SweepHistory | None, watch: TextIO | None
) -> SweepResult:
    """Run the trials of a sweep, or what is left of it.

    Args:
        sweep: what to run.
        train: its training function.
        store: where it is kept.
        history: what of it is over, None for a new one.
        watch: where progress is shown, None for nowhere.
    """
    history = history or SweepHistory(recorded(sweep, new_sweep_id()))
    sweep_id = history.sweep.sweep_id
    folder = _make_folder(sweep, sweep_id)
    brake = Brake()
    with display(folder / "sweep.log", watch) as view:
        view.say(f"sweep {sweep.name} {sweep_id}; what Ray and the trials print is in {folder / 'sweep.log'}")
        with learning(store) if sweep.learn else nullcontext():
            _run_on_ray(sweep, train, store, history, folder, view, brake)
    return SweepResult(
        history=_now(store, history),
        trials_wanted=sweep.budget.trials,
        epochs_each=sweep.budget.epochs,
        store=store.location,
        folder=folder,
        halted=brake.reason,
        signal_number=brake.signal_number,
        time_is_up=brake.time_is_up,
    )


def _run_on_ray(
    sweep: Sweep, train: TrainFunction, store: Store, history: SweepHistory, folder: Path, view: View, brake: Brake
) -> None:
    each = sweep.resources
    progress = Progress(
        sweep.metric,
        sweep.mode,
        sweep.space,
        sweep.budget.trials,
        sweep.budget.epochs,
        devices=each.devices,
        unit=each.unit,
    )
    progress.take_up(history)
    trials = sweep.budget.trials - progress.ended
    watched = type(view) is not NoView
    forecaster = Forecaster(store, history.sweep.sweep_id, sweep.budget.trials) if watched else None
    with cluster_for(sweep.resources) as nodes, brake.on_signals(), view:  # in this order: Ray sets SIGTERM itself
        at_once = machine.at_once(sweep.resources, nodes)
        plan = machine.plan(sweep.resources, nodes)
        view.say(f"{trials} trials of up to {sweep.budget.epochs} epochs on {plan}")
        with starting_together(train, min(at_once, trials) if sweep.resources.workers == 1 else 1) as train_together:
            tuner = make_tuner(
                sweep,
                train_together,
                make_search(sweep, store, history.sweep.sweep_id),
                trials=trials,
                at_once=at_once,
                folder=_next_folder(folder / "ray"),
                watcher=Monitor(progress, view, brake, sweep.budget.hours, forecaster),
            )
            with forecaster or nullcontext():
                run_tuner(tuner, brake)


def _now(store: Store, before: SweepHistory) -> SweepHistory:
    """What the store knows now; a sweep that was halted before it reached the store is as it was."""
    try:
        return store.history(before.sweep.sweep_id)
    except StoreError:
        return before


def _make_folder(sweep: Sweep, sweep_id: str) -> Path:
    folder = sweep.output.expanduser().absolute() / f"{re.sub(r'[^A-Za-z0-9_.-]', '-', sweep.name)}-{sweep_id[-8:]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise SweepSpecError(f"no folder for log and report can be made: {problem}; set output to another") from None
    return folder


def _next_folder(parent: Path) -> Path:
    """A fresh folder for Tune, for which each run of a sweep is a new one."""
    parent.mkdir(exist_ok=True)
    return parent / f"run-{sum(1 for _ in parent.iterdir()) + 1}"
