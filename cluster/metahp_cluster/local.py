"""One run of a sweep by a Tune loop in this process."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path
from typing import TextIO

from metahp.errors import StoreError, SweepSpecError
from metahp.store import Store
from metahp.store.shares import TrialShare
from metahp.types import SweepHistory
from metahp_cluster import machine
from metahp_cluster.display import display
from metahp_cluster.forecaster import Forecaster
from metahp_cluster.forgetting import give_memory_back
from metahp_cluster.interrupts import Brake
from metahp_cluster.monitor import Monitor
from metahp_cluster.progress import Progress
from metahp_cluster.results import SweepResult
from metahp_cluster.spec import Sweep, on_file_system, recorded
from metahp_cluster.start_together import starting_together
from metahp_cluster.trial_start import made_ready
from metahp_cluster.tuning import cluster_for, make_search, make_tuner, run_tuner
from metahp_cluster.user_code import TrainFunction
from metahp_cluster.views import NoView, View
from metahp_cluster.workers import check_backend
from metahp_searchers import new_sweep_id


def run_trials(
    sweep: Sweep,
    train: TrainFunction,
    store: Store,
    history: SweepHistory | None,
    watch: TextIO | None,
    logical: machine.Logical,
) -> SweepResult:
    """Run the trials of a sweep, or what is left of it.

    Args:
        sweep: what to run.
        train: its training function.
        store: where it is kept.
        history: what of it is over, None for a new one.
        watch: where progress is shown, None for nowhere.
        logical: what Ray counts with in place of what this machine has.
    """
    history = history or SweepHistory(recorded(sweep, new_sweep_id()))
    sweep_id = history.sweep.sweep_id
    folder = _make_folder(sweep, sweep_id)
    brake = Brake()
    with display(folder / "sweep.log", watch) as view:
        view.say(f"sweep {sweep.name} {sweep_id}; what Ray and the trials print is in {folder / 'sweep.log'}")
        _run_on_ray(sweep, train, store, history, folder, view, brake, logical)
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
    sweep: Sweep,
    train: TrainFunction,
    store: Store,
    history: SweepHistory,
    folder: Path,
    view: View,
    brake: Brake,
    logical: machine.Logical,
) -> None:
    check_backend(sweep.resources)
    give_memory_back()
    with cluster_for(sweep.resources, logical) as nodes, brake.on_signals(), view:  # so: Ray sets SIGTERM itself
        resources, hint = machine.settled(sweep.resources, nodes), machine.without_gpus(sweep.resources, nodes)
        sweep = sweep.model_copy(update={"resources": resources})
        at_once, plan = machine.at_once(resources, nodes), machine.plan(resources, nodes)
        progress = _progress(sweep, history)
        trials = sweep.budget.trials - progress.ended
        store.shares.note(history.sweep.sweep_id, TrialShare(sweep.resources.devices, sweep.resources.unit))
        view.say(f"{trials} trials of up to {sweep.budget.epochs} epochs on {plan}")
        if hint:
            view.say(hint)
        watched = type(view) is not NoView
        forecaster = Forecaster(store, history.sweep.sweep_id, sweep.budget.trials) if watched else None
        ready = made_ready(train, resources, sweep.seed)
        with starting_together(ready, min(at_once, trials) if resources.workers == 1 else 1) as train_together:
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
                run_tuner(tuner, brake, resources)


def _progress(sweep: Sweep, history: SweepHistory) -> Progress:
    each, budget = sweep.resources, sweep.budget
    progress = Progress(
        sweep.metric,
        sweep.mode,
        sweep.space,
        budget.trials,
        budget.epochs,
        devices=each.devices,
        unit=each.unit,
    )
    progress.take_up(history)
    return progress


def _now(store: Store, before: SweepHistory) -> SweepHistory:
    """What the store knows now; a sweep that was halted before it reached the store is as it was."""
    try:
        return store.history(before.sweep.sweep_id)
    except StoreError:
        return before


def _make_folder(sweep: Sweep, sweep_id: str) -> Path:
    output = Path(on_file_system(str(sweep.output))).expanduser().absolute()
    folder = output / f"{re.sub(r'[^A-Za-z0-9_.-]', '-', sweep.name)}-{sweep_id[-8:]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise SweepSpecError(f"no folder for log and report can be made: {problem}; set output to another") from None
    return folder


def _next_folder(parent: Path) -> Path:
    """A fresh folder for Tune, for which each run of a sweep is a new one."""
    parent.mkdir(exist_ok=True)
    return parent / f"run-{sum(1 for _ in parent.iterdir()) + 1}"
