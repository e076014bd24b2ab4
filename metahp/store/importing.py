"""History from elsewhere: what of a list of trials can be recorded, and what not and why."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

from metahp.errors import MetaHPError, RecordError
from metahp.space import SearchSpace
from metahp.store import codec
from metahp.store.importers.inference import complete, infer_space
from metahp.store.rows import MAX_STEP, TrialEvent, checked_id, config_columns
from metahp.store.writer import SweepWriter
from metahp.types import Config, Measurement, Sweep, TaskValue, Trial, TrialStatus, parse_mode

_NAMESPACE = UUID("6f0c2f0e-6c8e-5b0e-9a53-5d1f6f1c7a11")
_KEYS = {"config", "curve", "status", "trial_id"}
_ENDS = (TrialEvent.PAUSED, TrialEvent.COMPLETED, TrialEvent.STOPPED, TrialEvent.ERRORED)
_EVENTS = {event.status: event for event in _ENDS}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was not imported.

    Attributes:
        trial: its position in the list, from 0.
        reason: why.
    """

    trial: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        sweep_id: where it went.
        trials: number of new trials.
        measurements: number of new measurements.
        known: number of measurements that were there before.
        refused: the trials and measurements that could not be placed.
    """

    sweep_id: str
    trials: int = 0
    measurements: int = 0
    known: int = 0
    refused: tuple[Refusal, ...] = ()

    @property
    def reasons(self) -> dict[str, int]:
        """Why things were refused, and how many for each reason; the most frequent first."""
        return dict(Counter(refusal.reason for refusal in self.refused).most_common())

    def __str__(self) -> str:
        lines = [f"{self.trials} new trials, {self.measurements} new measurements, {self.known} known before"]
        lines += [f"refused {count}×: {reason}" for reason, count in self.reasons.items()]
        return "\n".join(lines)


@dataclass
class ImportedTrial:
    """A trial that can be recorded."""

    trial_id: str
    config: Config
    end: TrialEvent | None
    curve: list[Measurement] = field(default_factory=list)

    @property
    def teaches(self) -> bool:
        """Whether it says anything about its configuration: by reports, or because it failed."""
        return bool(self.curve) or self.end is TrialEvent.ERRORED

    def adds_to(self, known: Trial | None) -> bool:
        """Whether it brings anything that ``known`` lacks."""
        if known is None:
            return True
        return self._is_news(known) or not {m.step for m in self.curve} <= {m.step for m in known.curve.measurements}

    def record(self, writer: SweepWriter, known: Trial | None) -> int:
        """Writes what ``known`` lacks; returns the number of new measurements."""
        if known is None:
            writer.start_attempt(self.trial_id, self.config)
        added = sum(writer.record(self.trial_id, measurement) for measurement in self.curve)
        if self.end is not None and (known is None or self._is_news(known)):
            writer.record_event(self.trial_id, self.end)
        return added

    def _is_news(self, known: Trial) -> bool:
        return self.end is not None and self.end.status is not known.status


def identity_of(
    name: str, space: SearchSpace | None, metric: str, mode: str, task: Mapping[str, TaskValue] | None
) -> str:
    """The id of an imported sweep: it follows from what the sweep is, so importing again finds it."""
    identity = "inferred" if space is None else space.identity
    content = codec.dumps([name, identity, metric, str(parse_mode(mode)), dict(task or {})])
    return str(uuid5(_NAMESPACE, content))


def space_of(trials: Sequence[Mapping[str, Any]]) -> SearchSpace:
    """The space that the configurations of the trials span."""
    given = [trial.get("config") for trial in trials if isinstance(trial, Mapping)]
    return infer_space([config for config in given if isinstance(config, Mapping) and _is_shallow(config)])


def completed(trials: Sequence[Mapping[str, Any]], space: SearchSpace) -> list[Mapping[str, Any]]:
    """The trials, with None for hyperparameters of an inferred space that their configurations lack."""
    return [
        {**trial, "config": complete(trial["config"], space.root)}
        if isinstance(trial, Mapping) and isinstance(trial.get("config"), Mapping) and _is_shallow(trial["config"])
        else trial
        for trial in trials
    ]


def _is_shallow(config: Mapping[str, Any]) -> bool:
    """Whether it can be looked through; what is nested in itself has no end."""
    with suppress(RecordError):
        codec.check_depth(config)
        return True
    return False


def check_trials(sweep: Sweep, trials: Sequence[Mapping[str, Any]]) -> tuple[list[ImportedTrial], list[Refusal]]:
    """Sorts out what can be recorded, trial by trial and measurement by measurement."""
    good: list[ImportedTrial] = []
    refused: list[Refusal] = []
    taken: set[str] = set()
    for position, given in enumerate(trials):
        try:
            trial = _trial(sweep, position, given)
            _take(trial.trial_id, taken)
        except (MetaHPError, ValueError, TypeError) as problem:
            refused.append(Refusal(position, str(problem)))
            continue
        refused += [Refusal(position, reason) for reason in _fill(trial, given["curve"])]
        if trial.teaches:
            good.append(trial)
        else:
            refused.append(Refusal(position, "a trial without a report that did not fail: nothing is known of it"))
    return good, refused


def record_trials(writer: SweepWriter, trials: Sequence[ImportedTrial], refused: Sequence[Refusal]) -> ImportReport:
    """Writes what is new of the trials."""
    known = {trial.trial_id: trial for trial in writer.history().trials}
    added = sum(trial.record(writer, known.get(trial.trial_id)) for trial in trials)
    return ImportReport(
        writer.sweep.sweep_id,
        trials=sum(trial.trial_id not in known for trial in trials),
        measurements=added,
        known=sum(len(trial.curve) for trial in trials) - added,
        refused=tuple(refused),
    )


def _trial(sweep: Sweep, position: int, given: Mapping[str, Any]) -> ImportedTrial:
    if not isinstance(given, Mapping) or not {"config", "curve"} <= set(given) <= _KEYS:
        raise RecordError(
            f"a trial needs 'config' and 'curve', and may have 'status' and 'trial_id'; got {_keys_of(given)}"
        )
    if isinstance(given["curve"], str | Mapping) or not hasattr(given["curve"], "__iter__"):
        raise RecordError(f"a curve is a list of (step, value, seconds), got {given['curve']!r:.100}")
    codec.check_depth(given["config"])
    list(sweep.space.assignments(given["config"]))  # a configuration outside the space teaches nothing about it
    status = TrialStatus(given.get("status", TrialStatus.COMPLETED))
    config_hash = config_columns(given["config"], sweep.space)["config_hash"]
    trial_id = given.get("trial_id", f"{position:06d}-{config_hash[:12]}")
    return ImportedTrial(checked_id("trial_id", trial_id), given["config"], _EVENTS.get(status))


def _take(trial_id: str, taken: set[str]) -> None:
    if trial_id in taken:
        raise RecordError(f"trial_id {trial_id!r} comes twice; the first trial is kept")
    taken.add(trial_id)


def _keys_of(given: Any) -> str:
    return f"the keys {sorted(map(str, given))}" if isinstance(given, Mapping) else f"{given!r:.100}"


def _fill(trial: ImportedTrial, curve: Sequence[Any]) -> Iterator[str]:
    """Adds the good points of a curve; yields why the others are refused."""
    steps: set[int] = set()
    for point in curve:
        try:
            measurement = _measurement(point)
        except (MetaHPError, ValueError, TypeError, OverflowError) as problem:
            yield str(problem)
            continue
        if measurement.step in steps:
            yield f"step {measurement.step} comes twice; the first is kept"
            continue
        steps.add(measurement.step)
        trial.curve.append(measurement)


def _measurement(point: Any) -> Measurement:
    if isinstance(point, str) or len(point) not in (2, 3):
        raise RecordError(f"a point of a curve is (step, value) or (step, value, seconds), got {point!r:.100}")
    step, value, seconds = (*point, math.nan)[:3]
    number, elapsed_s = codec.as_number(value), codec.as_number(seconds)
    if isinstance(value, bool) or number is None:
        raise RecordError(f"the value of a point must be a number, got {value!r:.100}")
    if codec.as_number(step) is None or step != int(step) or not 1 <= step <= MAX_STEP:
        raise RecordError(f"a step is a whole number from 1, got {step!r:.100}")
    return Measurement(int(step), number, math.nan if elapsed_s is None else elapsed_s)
