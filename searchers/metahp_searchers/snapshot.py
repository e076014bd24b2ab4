"""What a searcher must remember over a restart, as JSON: pointers, a few unfinished trials, never a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metahp.errors import StoreError
from metahp.space import SearchSpace
from metahp.store import codec
from metahp.types import LearningCurve, Measurement, Sweep, Trial, TrialStatus, parse_mode

VERSION = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a sweep's searcher.

    Attributes:
        sweep: what is searched; None before Tune said it.
        num_samples: how many trials are wanted, None for any number.
        tune_ids: the store's id of each trial, by Tune's.
        live: Tune's ids of the trials that have not ended.
        trials: those that the store may not know yet.
        waiting: trials to be suggested again, the next one first.
        rng: state of the random generator.
    """

    sweep: Sweep | None
    num_samples: int | None
    tune_ids: Mapping[str, str]
    live: frozenset[str]
    trials: tuple[Trial, ...]
    waiting: tuple[Trial, ...]
    rng: Mapping[str, Any]

    def to_json(self) -> str:
        """JSON; `from_json` gives an equal snapshot."""
        return codec.dumps(
            {
                "version": VERSION,
                "sweep": None if self.sweep is None else sweep_to_data(self.sweep),
                "num_samples": self.num_samples,
                "tune_ids": dict(self.tune_ids),
                "live": sorted(self.live),
                "trials": [_trial_to_data(trial) for trial in self.trials],
                "waiting": [_trial_to_data(trial) for trial in self.waiting],
                "rng": dict(self.rng),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Snapshot:
        """The snapshot that `to_json` wrote.

        Raises:
            StoreError: the text is no such snapshot, or one of another version.
        """
        try:
            data = codec.loads(text)
            if data["version"] != VERSION:
                raise StoreError(f"the searcher's state has version {data['version']!r}, this MetaHP reads {VERSION}")
            return cls(
                sweep=None if data["sweep"] is None else sweep_from_data(data["sweep"]),
                num_samples=data["num_samples"],
                tune_ids=dict(data["tune_ids"]),
                live=frozenset(data["live"]),
                trials=tuple(_trial_from_data(trial) for trial in data["trials"]),
                waiting=tuple(_trial_from_data(trial) for trial in data["waiting"]),
                rng=dict(data["rng"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise StoreError(f"not the state of a searcher ({problem!r}): {text[:200]!r}") from problem


def sweep_to_data(sweep: Sweep) -> dict[str, Any]:
    """Plain data of a sweep; `sweep_from_data` is the way back."""
    return {
        "sweep_id": sweep.sweep_id,
        "space": sweep.space.to_json(),
        "metric": sweep.metric,
        "mode": str(sweep.mode),
        "max_step": sweep.max_step,
        "task": dict(sweep.task),
        "name": sweep.name,
    }


def sweep_from_data(data: Mapping[str, Any]) -> Sweep:
    """The sweep that `sweep_to_data` took apart."""
    return Sweep(**{**data, "space": SearchSpace.from_json(data["space"]), "mode": parse_mode(data["mode"])})


def _trial_to_data(trial: Trial) -> dict[str, Any]:
    return {
        "trial_id": trial.trial_id,
        "config": dict(trial.config),
        "curve": [[m.step, m.value, m.elapsed_s] for m in trial.curve.measurements],
        "status": str(trial.status),
    }


def _trial_from_data(data: Mapping[str, Any]) -> Trial:
    curve = LearningCurve(tuple(Measurement(*point) for point in data["curve"]))
    return Trial(data["trial_id"], data["config"], curve, TrialStatus(data["status"]))
