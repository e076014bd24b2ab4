"""What a sweep came to, read from the store."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pyarrow as pa

from metahp.types import Config, SweepHistory, TrialStatus


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep came to.

    Attributes:
        history: the sweep with all its trials and learning curves, those of earlier runs of it too.
        trials_wanted: how many trials it was to have.
        epochs_each: epochs of a full training.
        store: where it is kept.
        folder: its own folder, with log and report.
        halted: why it ended before all trials were over, or None.
        signal_number: the signal that ended it, or None.
        time_is_up: whether its hours ended it.
    """

    history: SweepHistory
    trials_wanted: int
    epochs_each: int
    store: str
    folder: Path
    halted: str | None = None
    signal_number: int | None = None
    time_is_up: bool = False

    @property
    def sweep_id(self) -> str:
        """Resumes the sweep, and finds it in the store."""
        return self.history.sweep.sweep_id

    @property
    def best_config(self) -> Config | None:
        """The configuration of the best trial, None where no trial has reported a finite value."""
        best = self.history.incumbent()
        return None if best is None else best.config

    @property
    def best_value(self) -> float | None:
        """The best value that any trial has reported at any epoch."""
        best = self.history.incumbent()
        return None if best is None else best.curve.best(self.history.sweep.mode)

    @property
    def counts(self) -> Counter[TrialStatus]:
        """How many trials stand where."""
        return Counter(trial.status for trial in self.history.trials)

    @property
    def ended(self) -> int:
        """How many trials are over."""
        return sum(trial.status.is_over for trial in self.history.trials)

    @property
    def is_complete(self) -> bool:
        """Whether all trials are over; otherwise the sweep can be resumed."""
        return self.ended >= self.trials_wanted

    @property
    def epochs_used(self) -> int:
        """Epochs that were trained."""
        return sum(trial.curve.last_step for trial in self.history.trials)

    @property
    def epochs_saved(self) -> int:
        """Epochs that pruned trials did not train."""
        pruned = [trial for trial in self.history.trials if trial.status is TrialStatus.STOPPED]
        return sum(max(self.epochs_each - trial.curve.last_step, 0) for trial in pruned)

    @property
    def log(self) -> Path:
        """What Ray, TensorFlow and the trials printed."""
        return self.folder / "sweep.log"

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.folder / "report.html"

    def rows(self) -> list[dict[str, Any]]:
        """One flat dict for each trial, e.g. for a data frame."""
        mode = self.history.sweep.mode
        return [
            {
                "trial_id": trial.trial_id,
                "status": str(trial.status),
                "epochs": trial.curve.last_step,
                self.history.sweep.metric: trial.curve.best(mode),
                "config": dict(trial.config),
            }
            for trial in self.history.trials
        ]

    def to_arrow(self) -> pa.Table:
        """One row for each trial, as `rows`, with a column ``config/NAME`` for each hyperparameter.

        Columns of choices that mix types are text. ``.to_pandas()`` or ``polars.from_arrow`` make a data frame of it.
        """
        rows = [_flat(row) for row in self.rows()]
        names = dict.fromkeys(name for row in rows for name in row)
        return pa.table({name: _column([row.get(name) for row in rows]) for name in names})

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        said = f"{self.ended} of {self.trials_wanted} trials over, {self.epochs_used} epochs"
        best = "no finite value yet" if self.best_value is None else f"best {self.best_value:.4g} by {self.best_config}"
        return f"<b>{escape(self.history.sweep.name or self.sweep_id)}</b>: {escape(said)}; {escape(best)}"


def facts(result: SweepResult) -> list[tuple[str, str]]:
    """What a sweep came to, in names and words."""
    sweep, counts = result.history.sweep, result.counts
    full = result.epochs_used + result.epochs_saved
    share = f" ({result.epochs_saved / full:.0%} of {full})" if full else ""
    best = "no finite value reported" if result.best_value is None else f"{result.best_value:.6g}"
    found = [
        (f"best {sweep.metric} ({sweep.mode})", best),
        ("trials", ", ".join(f"{counts[s]} {s}" for s in TrialStatus if counts[s]) or "none"),
        ("epochs trained", str(result.epochs_used)),
        ("epochs saved by pruning", f"{result.epochs_saved}{share}"),
        ("store", result.store),
    ]
    if result.halted:
        found.insert(0, ("ended early", result.halted))
    return found


def _flat(row: dict[str, Any], path: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        flat |= _flat(value, f"{path}{name}/") if isinstance(value, dict) else {path + name: value}
    return flat


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values])
