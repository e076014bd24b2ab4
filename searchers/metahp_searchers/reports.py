"""What a Tune result says, in MetaHP's words; results come flat (``"a/b"``) or nested, whole or broken."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ray.tune.result import AUTO_RESULT_KEYS, DEBUG_METRICS
from ray.tune.utils.util import flatten_dict

from metahp.store.codec import as_number
from metahp.types import Measurement

Result = Mapping[str, Any]

_BOOKKEEPING = frozenset(
    {*AUTO_RESULT_KEYS, *DEBUG_METRICS, "done", "trial_id", "experiment_tag", "should_checkpoint", "__duplicate__"}
)


def measurement_of(result: Result | None, metric: str, time_attr: str) -> Measurement | None:
    """The report of ``metric``, NaN where it is missing or no number; None where no step is named either."""
    flat = flattened(result)
    step = step_of(flat, time_attr)
    if step is None:
        return None
    return Measurement(step, _number(flat.get(metric)), _number(flat.get("time_total_s")))


def step_of(result: Result, time_attr: str) -> int | None:
    """How far the trial is, from 1; None where that is missing or makes no sense."""
    step = _number(result.get(time_attr))
    return int(step) if math.isfinite(step) and step >= 1 else None


def metrics_of(result: Result | None) -> dict[str, Any]:
    """What the training function reported, flat, without what Tune adds."""
    flat = flattened(result)
    return {key: value for key, value in flat.items() if key not in _BOOKKEEPING and not key.startswith("config/")}


def flattened(result: Result | None) -> dict[str, Any]:
    """The result with keys ``"a/b"``; ``{}`` for none."""
    return {str(key): value for key, value in flatten_dict(dict(result or {})).items()}


def _number(value: Any) -> float:
    number = None if value is None else as_number(value)
    return math.nan if number is None else number
