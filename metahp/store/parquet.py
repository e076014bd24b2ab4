"""One segment as bytes: Parquet with checksums, and what must be true of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metahp.store import codec
from metahp.store.schema import SCHEMA_VERSION, TABLES, Table

# Without the page checksums a flipped bit would be read as another number; verifying them costs nothing measurable.
# The limits are far above our own footers, and keep a made-up one from taking all memory.
_CAREFULLY = {
    "page_checksum_verification": True,
    "thrift_string_size_limit": 16 << 20,
    "thrift_container_size_limit": 100_000,
}


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
        metadata = pq.ParquetFile(pa.BufferReader(content), **_CAREFULLY).metadata
        claimed = dict(codec.parse((metadata.metadata or {}).get(b"metahp", b"{}")))
    except (pa.ArrowException, OSError, ValueError, TypeError) as problem:
        return f"it is no Parquet file of a store ({problem})"
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
    import pyarrow.dataset as ds  # brings pandas along: a quarter of the start of every command

    options = ds.ParquetFragmentScanOptions(**_CAREFULLY)
    source = ds.dataset(path, schema=TABLES[table], format=ds.ParquetFileFormat(default_fragment_scan_options=options))
    return source.to_table(columns=names, filter=where, use_threads=False).to_batches()


def _load_all(path: Path, schema: pa.Schema) -> pa.Table:
    """Without a dataset, whose threads cost more than reading a small file."""
    with pq.ParquetFile(path, **_CAREFULLY) as file:
        there = set(file.schema_arrow.names)
        rows = file.read([name for name in schema.names if name in there], use_threads=False)
        count = file.metadata.num_rows
    columns = [rows[f.name].cast(f.type) if f.name in there else pa.nulls(count, f.type) for f in schema]
    return pa.Table.from_arrays(columns, schema=schema)
