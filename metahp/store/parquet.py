"""One segment as bytes: Parquet with checksums, and what must be true of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from metahp.store.schema import SCHEMA_VERSION, TABLES, Table

# Without the page checksums a flipped bit would be read as another number; verifying them costs nothing measurable.
_FORMAT = ds.ParquetFileFormat(
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
)


def encode(rows: pa.Table, table: Table, spool_id: str, first: int) -> bytes:
    """Rows as a Parquet file that says where it belongs."""
    origin = {"schema_version": SCHEMA_VERSION, "table": table, "spool_id": spool_id, "first": first}
    sink = pa.BufferOutputStream()
    schema = rows.schema.with_metadata({"metahp": json.dumps(origin)})
    pq.write_table(rows.cast(schema), sink, compression="zstd", write_page_checksum=True)
    return bytes(sink.getvalue().to_pybytes())


def digest(content: bytes) -> str:
    """Half of a SHA-256 in hex: covers the footer too, which Parquet has no checksum for."""
    return hashlib.sha256(content).hexdigest()[:16]


def fault(content: bytes, expected_digest: str, table: Table, spool_id: str, first: int, last: int) -> str | None:
    """Why a file cannot be the segment that its place and name say, or None."""
    if digest(content) != expected_digest:
        return "its content does not have the digest in its name"
    try:
        metadata = pq.read_metadata(pa.BufferReader(content))
    except pa.ArrowException as problem:
        return f"it is no Parquet file ({problem})"
    claimed = json.loads((metadata.metadata or {}).get(b"metahp", b"{}"))
    expected = {"table": table, "spool_id": spool_id, "first": first}
    if any(claimed.get(key) != value for key, value in expected.items()):
        return f"it says it is {claimed}, its place says {expected}"
    if metadata.num_rows != last - first + 1:
        return f"it holds {metadata.num_rows} rows"
    return None


def load(path: Path, table: Table, columns: Sequence[str] | None, where: pc.Expression | None) -> list[pa.RecordBatch]:
    """The rows of a file, or those for which ``where`` is true; columns that it lacks are null.

    Raises:
        FileNotFoundError: it is gone.
        OSError, pyarrow.ArrowException: it is damaged, or ``where`` does not fit the table.
    """
    names = TABLES[table].names if columns is None else list(columns)
    if where is None and names:
        return _load_all(path, pa.schema([TABLES[table].field(name) for name in names])).to_batches()
    source = ds.dataset(path, schema=TABLES[table], format=_FORMAT)
    return source.to_table(columns=names, filter=where, use_threads=False).to_batches()


def _load_all(path: Path, schema: pa.Schema) -> pa.Table:
    """Without a dataset, whose threads cost more than reading a small file."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        there = set(file.schema_arrow.names)
        rows = file.read([name for name in schema.names if name in there], use_threads=False)
        count = file.metadata.num_rows
    columns = [rows[f.name].cast(f.type) if f.name in there else pa.nulls(count, f.type) for f in schema]
    return pa.Table.from_arrays(columns, schema=schema)
