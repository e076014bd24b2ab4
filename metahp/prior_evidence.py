"""Sweeps that ship as evidence, for stores that hold too few of their own; and the certificate that a sweep goes by.

``shipped/losses.json`` was made by the command in it, from shadow sweeps of tasks that were really trained. A
certificate by them speaks of sweeps like these: it holds for a user's as far as they are exchangeable with them, and
gives way to one by the store's own as soon as that holds enough tasks to certify anything. Sweeps that began with a
past of their own are told apart from those that knew what ships alone, since predictions of the former err less.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from metahp.alike import are_alike
from metahp.certificate import Certificate, certificate, evidence_of_store, least_tasks
from metahp.errors import StoreError
from metahp.store import Store
from metahp.sweep_losses import GRID, SweepLosses, task_of
from metahp.types import Sweep

SHIPPED = Path(__file__).parent / "shipped" / "losses.json"
FRESH, PAST = "starter", "other-tasks"
_LEAST_PAST = 7  # tasks with sweeps like the one to come; as many as those that ship with a past had at least


@cache
def shipped_evidence(history: str, path: Path = SHIPPED) -> tuple[SweepLosses, ...]:
    """What the sweeps that ship have to say.

    Args:
        history: with which they began, `FRESH` or `PAST`.
        path: their file.

    Raises:
        StoreError: the file is damaged, or of another version of MetaHP.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        grid, sweeps = data["thresholds"], data["sweeps"]
        known = [each for each in sweeps if each["history"] == history]
        found = tuple(SweepLosses(each["task"], tuple(each["losses"])) for each in known)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise StoreError(f"{path} cannot be read as evidence; install MetaHP anew: {problem!r}") from problem
    if tuple(grid) != GRID:
        raise StoreError(f"{path} is of another version of MetaHP: it speaks of other thresholds")
    return found


def certified(store: Store | None, sweep: Sweep | None, allowed: float, confidence: float) -> Certificate:
    """By the store's own sweeps where they are enough to certify anything, else by those that ship.

    Which of the two is chosen depends on how many tasks there are, not on what they have lost.

    Args:
        store: where own sweeps are; None for none.
        sweep: what is going to be swept; sweeps that have little in common with it are left out.
        allowed: the share of the sweeps that may lose their winner, in ``(0, 1)``.
        confidence: in ``(0, 1)``.

    Raises:
        StoreError: the store cannot be read.
    """
    own = evidence_of_store(store, sweep) if store is not None else []
    if len({each.task for each in own}) >= least_tasks(allowed, confidence):
        return certificate(own, allowed, confidence)
    has_past = store is not None and sweep is not None and _has_past(store, sweep)
    history, said = (PAST, "with a past") if has_past else (FRESH, "without a past")
    return certificate(shipped_evidence(history), allowed, confidence, source=f"MetaHP's own sweeps {said}")


def _has_past(store: Store, sweep: Sweep) -> bool:
    """Whether sweeps of enough tasks have shown anything; no more of them are read than that takes."""
    tasks: set[str] = set()
    for own in store.sweeps():
        new = own.sweep_id != sweep.sweep_id and are_alike(own, sweep) and task_of(own) not in tasks
        if new and any(len(trial.curve) for trial in store.history(own.sweep_id).trials):
            tasks.add(task_of(own))
        if len(tasks) >= _LEAST_PAST:
            return True
    return False
