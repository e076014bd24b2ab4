"""The store: what every sweep taught, kept for years, open to everyone.

>>> store = Store("~/sweeps")
>>> with store.open_sweep(sweep) as writer:
...     writer.start_attempt("trial-1", {"learning_rate": 0.01})
...     writer.record("trial-1", Measurement(step=1, value=0.71, elapsed_s=3.2))
>>> store.curves()

**The promise**

*Accepted*: when `SweepWriter.record` has returned, the report survives ``kill -9`` of any process and, on a local disk
that honours fsync, a power cut. *Published*: within two seconds, or a thousand rows, every reader sees it.
*Exactly once*: each (sweep, trial, attempt, step) is there once; a repeated or restored epoch adds to no count and to
no curve. *Not promised*: reports that never reached the driver; what was accepted but not yet published when the
driver's disk is destroyed (at most the last two seconds); anything on a file system that ignores fsync.

**The layout**::

    <store>/STORE.json                                               format, version, store_id
    <store>/{sweeps,trials,results,decisions}/spool=<spool_id>/seg-<first>-<last>-<digest>.parquet
    <store>/quarantine/<table>/<spool_id>/…                          damaged files, each with its reason
    <store>/ended/<spool_id>-<rows>…                                 how much there was when a driver run was over
    <store>/accepted/<table>/<spool_id>/<first>-<last>.json          rows that somebody gave up as lost
    <store>/pruned/<uuid>.json                                       what was deleted on purpose
    $XDG_STATE_HOME/metahp/spool/<store_id>/<spool_id>.db            accepted, not yet published; on a local disk

A *spool* is one driver's run of one sweep. Its rows are accepted into a sqlite file and published from there into
segments that never change. Each driver writes to directories of its own, so drivers need no locks and no server;
rows are numbered without a gap, so a lost segment is noticed. All names are UUIDs, numbers and digests: nothing a user
chose becomes a path. There is no pickle anywhere. A store may be a bucket: see `buckets`.

Other tools read the tables directly. A merge of segments may show a row twice for a moment, hence the DISTINCT.

DuckDB::

    SELECT DISTINCT ON (sweep_id, trial_id, attempt, step) * FROM '<store>/results/**/*.parquet'

Polars::

    pl.scan_parquet("<store>/results/**/*.parquet").unique(["sweep_id", "trial_id", "attempt", "step"]).collect()

pandas::

    pd.read_parquet("<store>/results").drop_duplicates(["sweep_id", "trial_id", "attempt", "step"])

``metahp store export`` and `Store.export` write one file without any of that, also for curves alone.

========================  =============================================================
`Store`, `SweepWriter`    reading and importing; writing
`schema`                  the columns of the four tables
`curves`                  which reports count when a trial was started more than once
`spool`, `sealing`        accepting; publishing, also for a driver that died
`segments`, `parquet`     files that are checked, merged and put in quarantine
`endings`                 how much there was when a driver run was over
`places`, `buckets`       where files lie: a disk, or an object store
`catalog`                 which sweeps there are
`follow`                  sweeps while they grow, each row read once
`upkeep`, `export`        checking, merging, pruning; rows as one file for others
`importing`, `importers`  sweeps that were run elsewhere: Ray Tune, Optuna, tables
`codec`, `rows`           plain data as exact JSON; sweeps and reports as rows
`redaction`               what is never written
========================  =============================================================
"""

from metahp.store.cursor import Cursor
from metahp.store.importing import ImportReport, Refusal
from metahp.store.rows import TrialEvent
from metahp.store.segments import Hole
from metahp.store.store import Store
from metahp.store.writer import SweepWriter

__all__ = ["Cursor", "Hole", "ImportReport", "Refusal", "Store", "SweepWriter", "TrialEvent"]
