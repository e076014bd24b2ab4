"""Running a sweep from beginning to end: `run`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO

from metahp.errors import SweepSpecError
from metahp.store import Store
from metahp.types import Sweep as RecordedSweep
from metahp.types import SweepHistory
from metahp_cluster import environment, loggers, user_code
from metahp_cluster.machine import Logical
from metahp_cluster.quiet import noise_to
from metahp_cluster.results import SweepResult
from metahp_cluster.spec import Sweep, recorded


def run(
    sweep: Sweep, *, resume: bool | str = False, watch: TextIO | None = None, logical: Logical | None = None
) -> SweepResult:
    """Run a sweep, or go on with one.

    While it runs, what this process and its children print goes to the log in the sweep's folder. Ctrl-C and SIGTERM
    end it cleanly: everything reported is in the store, and the trials that were running come first in a resume.

    Args:
        sweep: what to run.
        resume: True to go on with the newest sweep of this name in the store, or the id of a sweep there.
        watch: where progress is shown, e.g. ``sys.stdout``; None shows nothing.
        logical: cores and GPUs that Ray is to count with in place of those of this machine, to try out a sweep.

    Returns:
        what it came to, earlier runs of a resumed sweep included; `SweepResult.halted` says why it ended early, if so.

    Raises:
        SweepSpecError: a trainable or logger that cannot be used, more resources than there are, nothing to resume.
        StoreError: the store cannot be read or written.
        StoreConflictError: the sweep to resume has another space, metric or mode.
    """
    environment.prepare()
    loggers.check(sweep.loggers)
    with noise_to(Path(os.devnull), sys.stdout):  # each worker imports it again, and what it prints is in the log
        train = user_code.resolve(sweep.trainable)
    store = Store(sweep.store)
    history = _history_to_resume(store, sweep, resume) if resume else None
    from metahp_cluster.local import run_trials  # imports Ray, which must see the prepared environment

    result = run_trials(sweep, train, store, history, watch, logical or Logical())
    from metahp_cluster.report import context, write_report  # and Plotly with it

    write_report(result.report, result, context(store, result.history))
    return result


def _history_to_resume(store: Store, sweep: Sweep, resume: bool | str) -> SweepHistory:
    named = [s for s in store.sweeps() if (s.sweep_id == resume if isinstance(resume, str) else s.name == sweep.name)]
    if not named:
        what = f"sweep {resume!r}" if isinstance(resume, str) else f"sweep named {sweep.name!r}"
        raise SweepSpecError(f"{store.location} holds no {what}; run without resume to begin one")
    history = _recovered(store, recorded(sweep, named[-1].sweep_id))
    if sum(trial.status.is_over for trial in history.trials) >= sweep.budget.trials:
        raise SweepSpecError(
            f"all {sweep.budget.trials} trials of {sweep.name!r} ({history.sweep.sweep_id}) are over, there is nothing "
            "to resume; ask for more in budget/trials, or run without resume for a new sweep"
        )
    return history


def _recovered(store: Store, sweep: RecordedSweep) -> SweepHistory:
    """The history of a sweep with what its driver had accepted, but had not published when it was killed."""
    writer = store.open_sweep(sweep)
    try:
        return writer.history()
    finally:
        writer.close("interrupted")
