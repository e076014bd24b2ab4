"""What counts of a trial that was started more than once: the effective curve.

A trial runs in *attempts*: it crashes and starts again, from a checkpoint or from nothing, or it is paused and goes on.
**A report of step s in attempt a counts if no later attempt began at or before s**, where an attempt begins at its
smallest reported step. So a crash with a checkpoint keeps what was reported up to the checkpoint, a restart from
nothing hides everything before it, a pause hides nothing, and an attempt that has not reported yet hides nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from metahp.store import rows
from metahp.store.rows import TrialEvent
from metahp.types import Config, IntArray, LearningCurve, Measurement, Trial, TrialStatus

EVENT_COLUMNS = ("sweep_id", "trial_id", "attempt", "event", "config_json")
RESULT_COLUMNS = ("trial_id", "attempt", "step", "objective", "time_total_s")


class TrialBook:
    """All trials of one sweep, kept up to date row by row; rows come in the order in which they were written."""

    def __init__(self) -> None:
        self._pages: dict[str, _Page] = {}

    def add(self, events: Iterable[Mapping[str, Any]], results: Iterable[Mapping[str, Any]]) -> None:
        """Takes in rows of ``trials`` and of ``results``; rows that were taken in before do no harm."""
        for row in events:
            self.add_event(row)
        for row in results:
            self.add_result(row)

    def add_batches(self, events: Iterable[pa.RecordBatch], results: Iterable[pa.RecordBatch]) -> None:
        """The same as `add`, for many rows: several times faster."""
        for batch in events:
            for row in batch.to_pylist():
                self.add_event(row)
        gathered = list(results)
        if gathered:
            self._add_points(pa.Table.from_batches(gathered))

    def _add_points(self, rows: pa.Table) -> None:
        """Reports, grouped so that each attempt of a trial is taken in at once."""
        trial = rows["trial_id"].combine_chunks().dictionary_encode()
        code = trial.indices.to_numpy(zero_copy_only=False)
        attempt = rows["attempt"].to_numpy()
        order = np.lexsort((attempt, code))  # stable: within an attempt the order of writing is kept
        step, value, elapsed_s = (rows[name].to_numpy()[order].tolist() for name in RESULT_COLUMNS[2:])
        measurements = _measurements(step, value, elapsed_s)
        bounds = [*_begins(code[order], attempt[order]), len(order)]
        for begin, end in pairwise(bounds):
            first = order[begin]
            page = self._page(trial.dictionary[code[first].item()].as_py())
            page.add_results(attempt[first].item(), step[begin:end], measurements[begin:end])

    def add_event(self, row: Mapping[str, Any]) -> None:
        """Takes in one row of ``trials``."""
        self._page(row["trial_id"]).add_event(row["attempt"], TrialEvent(row["event"]), row.get("config_json"))

    def add_result(self, row: Mapping[str, Any]) -> None:
        """Takes in one row of ``results``; the first one with an identity counts."""
        value = math.nan if row["objective"] is None else row["objective"]
        elapsed_s = math.nan if row["time_total_s"] is None else row["time_total_s"]
        self._page(row["trial_id"]).add_result(row["attempt"], Measurement(row["step"], value, elapsed_s))

    def attempt(self, trial_id: str) -> int:
        """The newest attempt of a trial, 0 if it was never started."""
        return self._pages[trial_id].newest if trial_id in self._pages else 0

    def reported(self, trial_id: str, step: int) -> Measurement | None:
        """What the newest attempt of a trial reported at a step, or None."""
        page = self._pages.get(trial_id)
        return page.attempts.get(page.newest, {}).get(step) if page else None

    def trials(self) -> tuple[Trial, ...]:
        """Every trial that was started, in the order of first mention."""
        return tuple(page.trial(trial_id) for trial_id, page in self._pages.items() if page.config_json is not None)

    def _page(self, trial_id: str) -> _Page:
        page = self._pages.get(trial_id)
        if page is None:
            page = self._pages[trial_id] = _Page()
        return page


@dataclass
class _Page:
    """One trial: its measurements by attempt and step."""

    newest: int = 0
    status: TrialStatus = TrialStatus.PENDING
    config_json: str | None = None
    attempts: dict[int, dict[int, Measurement]] = field(default_factory=dict)
    _config: Config | None = None
    _trial: Trial | None = None

    def add_event(self, attempt: int, event: TrialEvent, config_json: str | None) -> None:
        self._trial = None
        if attempt < self.newest:
            return  # a late word of an attempt that has a successor
        self.newest = attempt
        self.status = event.status
        if config_json is not None:  # population-based training changes the configuration between attempts
            self.config_json, self._config = config_json, None

    def add_result(self, attempt: int, measurement: Measurement) -> None:
        self._trial = None
        self.newest = max(self.newest, attempt)
        self.attempts.setdefault(attempt, {}).setdefault(measurement.step, measurement)

    def add_results(self, attempt: int, steps: Sequence[int], measurements: Sequence[Measurement]) -> None:
        self._trial = None
        self.newest = max(self.newest, attempt)
        given = dict(zip(steps, measurements, strict=True))
        if attempt not in self.attempts and len(given) == len(steps):
            self.attempts[attempt] = given
            return
        known = self.attempts.setdefault(attempt, {})
        for step, measurement in zip(steps, measurements, strict=True):
            known.setdefault(step, measurement)

    def trial(self, trial_id: str) -> Trial:
        if self._trial is None:
            if self._config is None:
                self._config = rows.config_of(self.config_json or "{}")
            curve = LearningCurve(tuple(effective(self.attempts)))
            self._trial = Trial(trial_id, self._config, curve, self.status)
        return self._trial


def _measurements(steps: Sequence[int], values: Sequence[float], elapsed_s: Sequence[float]) -> list[Measurement]:
    """`Measurement` of many rows in half the time: past its ``__init__``, as rows were checked when written."""
    if min(steps, default=1) < 1:
        return list(map(Measurement, steps, values, elapsed_s))  # which says what is wrong
    made = [Measurement.__new__(Measurement) for _ in steps]
    for name, column in (("step", steps), ("value", values), ("elapsed_s", elapsed_s)):
        deque(map(getattr(Measurement, name).__set__, made, column), maxlen=0)
    return made


def _begins(code: IntArray, attempt: IntArray) -> list[int]:
    """Where, in rows sorted by trial and attempt, each attempt begins."""
    changes = (np.diff(code, prepend=-1) != 0) | (np.diff(attempt, prepend=-1) != 0)
    return np.flatnonzero(changes).tolist()


def effective(attempts: Mapping[int, Mapping[int, Measurement]]) -> Iterable[Measurement]:
    """The measurements that count, by step.

    Args:
        attempts: per attempt, its measurements by step.
    """
    kept: Mapping[int, Measurement] = next(iter(attempts.values())) if len(attempts) == 1 else {}
    for _, points in sorted(attempts.items()) if len(attempts) > 1 else ():
        begin = min(points, default=math.inf)
        kept = {step: m for step, m in kept.items() if step < begin} | dict(points)
    return map(kept.__getitem__, sorted(kept))
