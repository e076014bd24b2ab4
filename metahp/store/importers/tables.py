"""A long table in CSV or Parquet: one row per report, or one per trial."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from metahp.errors import StoreError
from metahp.store import codec
from metahp.store.files import explained
from metahp.store.importers.found import FoundSweep, longest
from metahp.types import Mode, TrialStatus, parse_mode

Row = Mapping[str, Any]

_WHOLE = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|nan|[+-]?inf(?:inity)?", re.IGNORECASE)
_PADDED = re.compile(r"^\s*[+-]?0\d+\s*$")  # 007 is a name: as a number it would lose its zeros
_TICKS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}  # of a duration, in a second
_NESTED = "config/"  # how Ray Tune's data frames call hyperparameters


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of a table is what.

    Attributes:
        metric: the values of the curves.
        sweep: tells sweeps apart; without it the table is one sweep.
        trial: tells trials apart; without it each row is a trial.
        step: counts from 1; without it each trial has one report.
        seconds: of training since the trial's start.
        status: how the trial ended, a word of `TrialStatus`; the last row of a trial counts.
        config: the whole configuration as JSON.
        params: the hyperparameters. Without them and ``config``: the columns that begin with ``config/``, with ``/``
            between nested keys; if there are none, all columns without a part of their own that never change
            within a trial.
    """

    metric: str
    sweep: str | None = None
    trial: str | None = None
    step: str | None = None
    seconds: str | None = None
    status: str | None = None
    config: str | None = None
    params: tuple[str, ...] = ()

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Columns:
        """The columns that ``part=column`` name, e.g. ``trial=run_id``, ``params=lr,units``.

        Raises:
            StoreError: a part is unknown or named twice, or the metric is not named.
        """
        parts = [text.partition("=") for text in texts]
        known = [field.name for field in fields(cls)]
        for part, _, column in parts:
            if part not in known or not column:
                raise StoreError(f"--map says which column is what, e.g. trial=run_id; known are {', '.join(known)}")
        named = {part: column for part, _, column in parts}
        if len(named) < len(parts) or "metric" not in named:
            raise StoreError("--map names each part once, and always the metric, e.g. metric=val_accuracy")
        return cls(params=tuple(filter(None, named.pop("params", "").split(","))), **named)

    @property
    def named(self) -> list[str]:
        """All columns that have a part."""
        parts = (self.metric, self.sweep, self.trial, self.step, self.seconds, self.status, self.config)
        return [*(part for part in parts if part is not None), *self.params]


def table_sweeps(file: Path, columns: Columns, mode: str, *, metric: str | None = None) -> list[FoundSweep]:
    """The sweeps in a table.

    Args:
        file: ends in ``.parquet`` or ``.csv``.
        columns: which column is what.
        mode: ``"min"`` or ``"max"``.
        metric: what the metric is called; by default like its column.

    Raises:
        StoreError: the file cannot be read, or lacks a column.
    """
    checked, table = parse_mode(mode), _read(file)
    _check_columns(file, columns, table.column_names)
    by_sweep: dict[str, list[Row]] = {}
    unplaced: Counter[str] = Counter()
    for row in _rows(table, columns):
        if any(part is not None and row[part] is None for part in (columns.sweep, columns.trial)):
            unplaced["a row without a sweep or a trial"] += 1
        else:
            by_sweep.setdefault(file.stem if columns.sweep is None else str(row[columns.sweep]), []).append(row)
    name = metric or columns.metric
    found = [_sweep(key, own, columns, name, checked) for key, own in by_sweep.items()]
    first, *others = found or [FoundSweep(file.stem, name, checked, ())]
    return [replace(first, unplaced=unplaced), *others]  # such rows are of no sweep; with the first they are told once


def _read(file: Path) -> pa.Table:
    with explained("read a table", file):
        try:
            match file.suffix.lower():
                case ".parquet":
                    return _plain(pq.read_table(file))
                case ".csv":
                    return _plain(_read_csv(file))
        except pa.ArrowInvalid as problem:
            raise StoreError(f"cannot read {file}: {problem}") from problem
    raise StoreError(f"cannot read {file}: a table is a .parquet or a .csv file")


def _read_csv(file: Path) -> pa.Table:
    """With names such as 007 as they are written, which are numbers to pyarrow."""
    table = pyarrow.csv.read_csv(file, convert_options=_csv())
    whole = [field.name for field in table.schema if pa.types.is_integer(field.type)]
    if not whole:
        return table
    texts = pyarrow.csv.read_csv(file, convert_options=_csv(dict.fromkeys(whole, pa.string())))
    for place, field in enumerate(table.schema):
        if field.name in whole and pc.any(pc.match_substring_regex(texts.column(place), _PADDED.pattern)).as_py():
            table = table.set_column(place, field.name, texts.column(place))
    return table


def _csv(types: Mapping[str, pa.DataType] | None = None) -> pyarrow.csv.ConvertOptions:
    return pyarrow.csv.ConvertOptions(  # NaN is not among the nulls: a diverged trial is data
        column_types=types,
        null_values=["", "null", "None", "NA", "N/A"],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )


def _plain(table: pa.Table) -> pa.Table:
    """Durations as seconds, dates and times as text: JSON has no word for them."""
    for place, field in enumerate(table.schema):
        if pa.types.is_duration(field.type):
            table = table.set_column(place, field.name, _seconds(table.column(place), _TICKS[field.type.unit]))
        elif pa.types.is_temporal(field.type) and not pa.types.is_interval(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(pa.string()))
    return table


def _seconds(durations: pa.ChunkedArray, ticks: int) -> pa.ChunkedArray:
    return pc.divide(durations.cast(pa.int64()).cast(pa.float64(), safe=False), float(ticks))


def _rows(table: pa.Table, columns: Columns) -> Sequence[Row]:
    """The rows; a word in a column of numbers costs that cell, not the column."""
    measured = {columns.metric, columns.step, columns.seconds}
    words = {columns.sweep, columns.trial, columns.status, columns.config}
    texts = [field.name for field in table.schema if pa.types.is_string(field.type) and field.name not in words]
    rows: list[dict[str, Any]] = table.to_pylist()
    for name in texts:
        cells = [_number(row[name]) for row in rows]
        if name in measured or (_mostly_numbers(cells) and not any(_is_padded(row[name]) for row in rows)):
            for row, cell in zip(rows, cells, strict=True):
                row[name] = cell
    return rows


def _number(cell: str | None) -> str | int | float | None:
    if cell is None or not _NUMBER.fullmatch(cell.strip()):
        return cell
    return int(cell) if _WHOLE.fullmatch(cell.strip()) else float(cell)


def _is_padded(cell: str | None) -> bool:
    return cell is not None and _PADDED.search(cell) is not None


def _mostly_numbers(cells: Sequence[object]) -> bool:
    given = [cell for cell in cells if cell is not None]
    return sum(not isinstance(cell, str) for cell in given) * 2 > len(given)


def _check_columns(file: Path, columns: Columns, there: Sequence[str]) -> None:
    missing = [name for name in columns.named if name not in there]
    if missing:
        raise StoreError(f"{file} has no column {missing[0]!r}; it has {', '.join(there)}")


def _sweep(name: str, rows: Sequence[Row], columns: Columns, metric: str, mode: Mode) -> FoundSweep:
    by_trial: dict[str, list[Row]] = {}
    for number, row in enumerate(rows):
        by_trial.setdefault(str(number if columns.trial is None else row[columns.trial]), []).append(row)
    params = _params(columns, rows[0], list(by_trial.values()))
    trials = [_trial(trial_id, own, columns, params) for trial_id, own in by_trial.items()]
    return FoundSweep(name, metric, mode, trials, max_step=longest([trial["curve"] for trial in trials]))


def _params(columns: Columns, row: Row, trials: Sequence[Sequence[Row]]) -> list[str]:
    if columns.params or columns.config is not None:
        return list(columns.params)
    free = [name for name in row if name not in columns.named]
    nested = [name for name in free if name.startswith(_NESTED)]
    return nested or [name for name in free if all(_is_constant(name, own) for own in trials)]


def _is_constant(name: str, rows: Sequence[Row]) -> bool:
    return all(row[name] == rows[0][name] or (_is_nan(row[name]) and _is_nan(rows[0][name])) for row in rows)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _trial(trial_id: str, rows: Sequence[Row], columns: Columns, params: Sequence[str]) -> dict[str, Any]:
    status = rows[-1][columns.status] if columns.status is not None else None
    return {
        "trial_id": trial_id,
        "config": _config(rows[0], columns, params),
        "curve": [_point(row, columns) for row in rows],
        "status": TrialStatus.COMPLETED if status is None else status,
    }


def _config(row: Row, columns: Columns, params: Sequence[str]) -> dict[str, Any] | None:
    """The configuration; None, which nobody can place, where its JSON is none."""
    if columns.config is not None:
        try:
            config = codec.loads(row[columns.config])
        except (ValueError, TypeError):
            return None
        return config if isinstance(config, dict) else None
    config = {}
    for name in params:
        *above, last = name.removeprefix(_NESTED).split("/")
        here = config
        for key in above:
            here = here.setdefault(key, {})
        here[last] = None if _is_nan(row[name]) else row[name]  # which is how data frames say that there is none
    return config


def _point(row: Row, columns: Columns) -> tuple[Any, ...]:
    step = 1 if columns.step is None else row[columns.step]
    return (step, row[columns.metric]) if columns.seconds is None else (step, row[columns.metric], row[columns.seconds])
