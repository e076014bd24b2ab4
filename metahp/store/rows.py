"""Sweeps, trial events and measurements as rows of the tables, and back.

A row is a dict of the columns of its table without ``spool_id`` and ``spool_seq``, made of what JSON can hold.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

import metahp
from metahp.errors import RecordError
from metahp.space import SearchSpace
from metahp.store import codec
from metahp.store.redaction import redact, redact_space, redact_text
from metahp.store.schema import SCHEMA_VERSION
from metahp.types import (
    Action,
    Carrier,
    Config,
    Decision,
    Forecast,
    MadeDecision,
    Measurement,
    Sweep,
    TrialStatus,
    parse_mode,
)

Row = dict[str, Any]

MAX_TEXT = 256_000  # characters of one JSON column
MAX_SPACE = 1_000_000  # of a search space: ten thousand hyperparameters
MAX_METRICS = 2_000
MAX_KEY = 256
MAX_ERROR = 4_000
MAX_STEP = 2**63 - 1

_log = logging.getLogger(__name__)


class TrialEvent(StrEnum):
    """What can happen to a trial."""

    CREATED = "created"
    STARTED = "started"
    RESTORED = "restored"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"
    ERRORED = "errored"
    ORPHANED = "orphaned"  # a restored driver does not know it any more: kept as an observation, no longer run

    @property
    def status(self) -> TrialStatus:
        """Where a trial stands after this event."""
        return _STATUS[self]


_STATUS = {
    TrialEvent.CREATED: TrialStatus.PENDING,
    TrialEvent.STARTED: TrialStatus.RUNNING,
    TrialEvent.RESTORED: TrialStatus.RUNNING,
    TrialEvent.PAUSED: TrialStatus.PAUSED,
    TrialEvent.COMPLETED: TrialStatus.COMPLETED,
    TrialEvent.STOPPED: TrialStatus.STOPPED,
    TrialEvent.ERRORED: TrialStatus.ERRORED,
    TrialEvent.ORPHANED: TrialStatus.STOPPED,
}


def sweep_row(sweep: Sweep, state: str, searcher: str, scheduler: str) -> Row:
    """A row of ``sweeps``."""
    return {
        "sweep_id": checked_id("sweep_id", sweep.sweep_id),
        "name": clean_text(sweep.name, MAX_ERROR),
        "metric": checked_id("metric", sweep.metric),
        "mode": str(sweep.mode),
        "max_step": sweep.max_step,
        "space_json": _capped("the search space", redact_space(sweep.space).to_json(), MAX_SPACE),
        "task_json": _capped("the description of the task", codec.dumps(redact(dict(sweep.task))), MAX_TEXT),
        "searcher": clean_text(searcher, MAX_KEY),
        "scheduler": clean_text(scheduler, MAX_KEY),
        "metahp_version": metahp.__version__,
        "created_utc": _now_us(),
        "state": clean_text(state, MAX_KEY),
        "schema_version": SCHEMA_VERSION,
    }


def sweep_of(row: Mapping[str, Any]) -> Sweep:
    """The sweep that `sweep_row` wrote.

    Raises:
        MetaHPError: the row says something this version does not understand.
    """
    return Sweep(
        sweep_id=row["sweep_id"],
        space=_space_of(row["space_json"]),
        metric=row["metric"],
        mode=parse_mode(row["mode"]),
        max_step=row["max_step"],
        task=codec.loads(row["task_json"]),
        name=row["name"],
    )


def event_row(
    sweep: Sweep, trial_id: str, attempt: int, event: TrialEvent, *, config: Config | None = None, error: str = ""
) -> Row:
    """A row of ``trials``."""
    return {
        "sweep_id": sweep.sweep_id,
        "trial_id": checked_id("trial_id", trial_id),
        "attempt": attempt,
        "event": str(event),
        **(config_columns(config, sweep.space) if config is not None else {}),
        "error_text": clean_text(error, MAX_ERROR) or None,
        "created_utc": _now_us(),
        "schema_version": SCHEMA_VERSION,
    }


def result_row(
    sweep: Sweep,
    trial_id: str,
    attempt: int,
    measurement: Measurement,
    metrics: Mapping[str, object],
    *,
    done: bool,
) -> Row:
    """A row of ``results``."""
    numbers, extras = _split(metrics)
    value = _checked_value(measurement.value)
    missing = bool(metrics) and sweep.metric not in metrics and math.isnan(value)
    return {
        "sweep_id": sweep.sweep_id,
        "trial_id": trial_id,
        "attempt": attempt,
        "step": _checked_step(measurement.step),
        "objective": None if missing else value,
        "objective_state": "missing" if missing else _state(value),
        "metrics": numbers,
        "extras_json": extras,
        "time_total_s": float(measurement.elapsed_s),
        "done": bool(done),
        "ingested_utc": _now_us(),
        "schema_version": SCHEMA_VERSION,
    }


def decision_row(sweep: Sweep, attempt: int, made: MadeDecision) -> Row:
    """A row of ``decisions``."""
    forecast = made.decision.forecast
    return {
        "sweep_id": sweep.sweep_id,
        "trial_id": checked_id("trial_id", made.trial_id),
        "attempt": attempt,
        "step": _checked_step(made.step, least=0),
        "action": str(made.decision.action),
        "reason": clean_text(made.decision.reason, MAX_ERROR),
        "probability": float(made.decision.probability),
        "threshold": float(made.decision.threshold),
        "forecast_step": forecast.step if forecast else None,
        "forecast_mean": float(forecast.mean) if forecast else None,
        "forecast_std": float(forecast.std) if forecast else None,
        "propensity": float(made.decision.propensity),
        "carried_out": bool(made.decision.carried_out),
        "acquisition": made.decision.acquisition,
        "model_version": made.model_version,
        "carried_json": codec.dumps([[c.sweep_id, c.trial_id, c.weight] for c in made.decision.carried_by]),
        "decided_utc": _now_us(),
        "schema_version": SCHEMA_VERSION,
    }


def decision_of(row: Mapping[str, Any]) -> MadeDecision:
    """The decision that `decision_row` wrote.

    Raises:
        ValueError: the row says something this version does not understand.
    """
    step, mean, std = (row[f"forecast_{part}"] for part in ("step", "mean", "std"))
    decision = Decision(
        action=Action(row["action"]),
        reason=row["reason"],
        probability=row["probability"],
        threshold=row["threshold"],
        forecast=None if step is None else Forecast(step, mean, std),
        propensity=row["propensity"],
        carried_out=row["carried_out"],
        acquisition=row["acquisition"],
        model=row["model_version"],
        carried_by=tuple(Carrier(*told) for told in codec.loads(row["carried_json"] or "[]")),
    )
    return MadeDecision(row["trial_id"], row["step"], decision, row["model_version"])


def config_columns(config: Config, space: SearchSpace) -> Row:
    """The columns of ``trials`` that describe a configuration.

    Raises:
        RecordError: it cannot be written as JSON, or is too big.
    """
    clean = redact(dict(config), space.root)
    text = _capped("the configuration", codec.dumps(clean), MAX_TEXT)
    numbers, texts = {}, {}
    for key, value in codec.flatten(clean):
        number = None if isinstance(value, bool) else codec.as_number(value)
        if number is not None:
            numbers[clean_text(key, MAX_KEY)] = number
        else:
            texts[clean_text(key, MAX_KEY)] = clean_text(
                value if isinstance(value, str) else codec.dumps(value), MAX_TEXT
            )
    return {"config_num": numbers, "config_cat": texts, "config_json": text, "config_hash": codec.digest(text)}


def config_of(text: str) -> Config:
    """The configuration in a ``config_json`` column."""
    config: Config = codec.loads(text)
    return config


def checked_id(what: str, value: str) -> str:
    """``value``, if it can be an identity in every reader of the store.

    Raises:
        RecordError: it is no text, empty, longer than 256 characters, or not valid Unicode.
    """
    if not isinstance(value, str) or not 0 < len(value) <= MAX_KEY or clean_text(value, MAX_KEY) != value:
        raise RecordError(f"{what} must be a text of 1 to {MAX_KEY} characters without credentials, got {value!r:.300}")
    return value


def clean_text(text: str, limit: int) -> str:
    """Valid Unicode without secrets, cut to ``limit`` characters."""
    valid = text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")
    return redact_text(valid)[:limit]


def _capped(what: str, text: str, most: int) -> str:
    if len(text) > most:
        raise RecordError(
            f"{what} takes {len(text):,} characters, at most {most:,} can be recorded; "
            "pass big objects by tune.with_parameters"
        )
    return text


def _space_of(text: str) -> SearchSpace:
    try:
        return SearchSpace.from_json(text)
    except RecursionError:
        raise codec.too_deep() from None


@lru_cache(maxsize=4096)  # a sweep reports the same keys again and again
def _clean_key(key: str) -> str:
    return clean_text(key, MAX_KEY)


def _split(metrics: Mapping[str, object]) -> tuple[dict[str, float], str | None]:
    """The numbers of a report, and the rest as JSON; what is beyond the caps is left out with a warning."""
    numbers: dict[str, float] = {}
    extras: dict[str, object] = {}
    for key, value in list(metrics.items())[:MAX_METRICS]:
        number = codec.as_number(value)
        if number is not None:
            numbers[_clean_key(str(key))] = number
        else:
            extras[_clean_key(str(key))] = value
    if len(metrics) > MAX_METRICS:
        _log.warning("a report holds %d metrics; only the first %d are stored", len(metrics), MAX_METRICS)
    return numbers, _extras_json(extras) if extras else None


def _extras_json(extras: dict[str, object]) -> str | None:
    try:
        text = codec.dumps(redact(extras))
    except RecordError as problem:
        _log.warning("the parts of a report that are no numbers are not stored: %s", problem)
        return None
    if len(text) > MAX_TEXT:
        _log.warning("%s of a report take %d characters; at most %d are stored", sorted(extras), len(text), MAX_TEXT)
        return None
    return text


def _checked_step(step: int, least: int = 1) -> int:
    if not least <= step <= MAX_STEP or step != int(step):
        raise RecordError(f"a step must be a whole number from {least} below 2**63, got {step}")
    return int(step)


def _checked_value(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise RecordError(f"Measurement.value must be a number, got {value!r:.100}; NaN stands for none") from None


def _state(value: float) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "+inf" if value > 0 else "-inf"
    return "ok"


def _now_us() -> int:
    return time.time_ns() // 1_000
