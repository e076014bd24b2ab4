"""A store's rows as one file for other tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from metahp.errors import StoreError
from metahp.store import codec
from metahp.store.files import explained
from metahp.store.files import publish as publish_file
from metahp.types import SweepHistory, Trial

Exported = Literal["sweeps", "trials", "results", "decisions", "curves"]

CURVES = pa.schema(
    [
        ("sweep", pa.string()),
        ("name", pa.string()),
        ("metric", pa.string()),
        ("mode", pa.string()),
        ("trial", pa.string()),
        ("status", pa.string()),
        ("step", pa.int64()),
        ("value", pa.float64()),
        ("elapsed_s", pa.float64()),
        ("config", pa.string()),  # JSON
    ]
)
"""The columns of exported curves: one row per report that counts, with the configuration beside it."""


def curve_batches(histories: Iterable[SweepHistory]) -> Iterator[pa.RecordBatch]:
    """The reports that count, sweep by sweep."""
    for own in histories:
        rows = [row for trial in own.trials for row in _rows(own, trial)]
        if rows:
            yield pa.RecordBatch.from_pylist(rows, CURVES)


def write(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, replace: bool = False) -> int:
    """Writes rows to a file that is whole or not there, Parquet or CSV by its name.

    In CSV, columns that hold mappings become JSON.

    Args:
        path: ends in ``.parquet`` or ``.csv``.
        schema: the columns.
        batches: the rows.
        replace: whether a file that is there already is replaced.

    Returns:
        how many rows there are.

    Raises:
        StoreError: the name has another end, there is such a file, or it cannot be written.
    """
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise StoreError(f"cannot export to {path}: the name must end in {' or '.join(_WRITERS)}")
    if not path.absolute().parent.is_dir():
        raise StoreError(f"cannot export to {path}: there is no folder {path.absolute().parent}; make it first")
    if path.exists() and not replace:
        raise StoreError(
            f"{path} is there already; give another name, or replace it: --replace, in Python replace=True"
        )
    count = 0

    def write_to(temporary: Path) -> None:
        nonlocal count
        count = writer(temporary, schema, batches)

    with explained("export", path):
        publish_file(path, write_to, replace=replace)
    return count


def _rows(own: SweepHistory, trial: Trial) -> Iterator[dict[str, Any]]:
    sweep = own.sweep
    common = {
        "sweep": sweep.sweep_id,
        "name": sweep.name,
        "metric": sweep.metric,
        "mode": str(sweep.mode),
        "trial": trial.trial_id,
        "status": str(trial.status),
        "config": codec.dumps(dict(trial.config)),
    }
    for m in trial.curve.measurements:
        yield common | {"step": m.step, "value": m.value, "elapsed_s": m.elapsed_s}


def _write_parquet(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        for batch in batches:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def _write_csv(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    flat = pa.schema([(f.name, pa.string() if pa.types.is_map(f.type) else f.type) for f in schema])
    count = 0
    with pyarrow.csv.CSVWriter(path, flat) as writer:
        for batch in batches:
            columns = [_flat(batch.column(name)) for name in schema.names]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=flat))
            count += batch.num_rows
    return count


def _flat(column: pa.Array) -> pa.Array:
    if not pa.types.is_map(column.type):
        return column
    texts = [None if pairs is None else json.dumps(dict(pairs), sort_keys=True) for pairs in column.to_pylist()]
    return pa.array(texts, pa.string())


_WRITERS: dict[str, Callable[[Path, pa.Schema, Iterable[pa.RecordBatch]], int]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
}
