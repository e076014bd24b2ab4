"""A trial that ran out of memory is tried once more, with twice its share of the machine where it had a part of it.

And a trial whose process has died goes on from its last checkpoint, also on one machine: it did not raise, so it need
not do so again. What a crew died of does not count: Ray Train has tried that again itself.

Tune retries trials that failed or does not, whatever they failed by; it asks `Trial.should_recover`, which is answered
here for as long as a sweep runs. Nothing else in Tune is told of the failure before that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ray.tune.execution.placement_groups import PlacementGroupFactory
from ray.tune.experiment import Trial
from ray.tune.result import EXPR_ERROR_FILE

_SHARED = ("CPU", "GPU")
_RAISED = re.compile(r"ResourceExhausted|RESOURCE_EXHAUSTED|MemoryError|out of memory", re.IGNORECASE)
# What the kernel's SIGKILL looks like, and Ray's own monitor; of a lost machine Ray says that its node has died.
_KILLED = re.compile(r"worker process has died|running low on memory")
_NODE_LOST = re.compile(r"its node has died|the actor's node was preempted")
_CREW_FAILED = re.compile(r"Training failed due to (?:worker|controller) error")  # Ray Train's


@contextmanager
def second_chances(deaths: int) -> Iterator[None]:
    """Within, the first time that a trial runs out of a part of a machine, it gets a larger one.

    Args:
        deaths: so often a trial goes on after its process or machine was lost, whatever Tune is told of retries.
    """
    decides, enlarged, died = Trial.should_recover, set[str](), Counter[str]()

    def should_recover(trial: Trial) -> bool:
        if trial.trial_id not in enlarged and _enlarge(trial):
            enlarged.add(trial.trial_id)
            return True
        if died[trial.trial_id] < deaths and was_lost(_newest_failure(trial)):
            died[trial.trial_id] += 1
            return True
        return bool(decides(trial))

    Trial.should_recover = should_recover
    try:
        yield
    finally:
        Trial.should_recover = decides


def _enlarge(trial: Trial) -> bool:
    """Whether the trial has just run out of memory, and has a larger share now."""
    larger = doubled(trial.placement_group_factory)
    if larger is None or not ran_out(_newest_failure(trial)):
        return False
    trial.placement_group_factory = larger  # it is still called running, so Tune does not look for it by its share
    trial.invalidate_json_state()
    return True


def ran_out(failure: str) -> bool:
    """Whether memory, of the machine or of its GPU, is what a trial failed by; told by what Ray says of it."""
    lines = failure.strip().splitlines()
    return process_died(failure) or bool(lines and _RAISED.search(lines[-1]))


def process_died(failure: str) -> bool:
    """Whether a trial failed by the end of its process, with its machine still there."""
    return _KILLED.search(failure) is not None


def was_lost(failure: str) -> bool:
    """Whether the trial's own process, or the machine below it, is gone, and nothing has tried that again."""
    return not _CREW_FAILED.search(failure) and (process_died(failure) or _NODE_LOST.search(failure) is not None)


def _newest_failure(trial: Trial) -> str:
    try:
        text = (Path(trial.local_path or "") / EXPR_ERROR_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition("Failure # ")[2]


def doubled(share: PlacementGroupFactory) -> PlacementGroupFactory | None:
    """Twice the part of a machine, at most all of it; None where it is no part."""
    if not any(0 < amount < 1 for bundle in share.bundles for name, amount in bundle.items() if name in _SHARED):
        return None
    return PlacementGroupFactory([{name: _double(name, amount) for name, amount in b.items()} for b in share.bundles])


def _double(name: str, amount: float) -> float:
    return min(2 * amount, 1.0) if name in _SHARED and amount < 1 else amount
