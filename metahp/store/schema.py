"""The four tables of a store, as Arrow schemas. Every table is only ever appended to.

=========== ==================================================================================================
`sweeps`    one row per opening and closing of a sweep by a driver; the newest row of a sweep counts
`trials`    one row per event in the life of a trial; the configuration comes with each start
`results`   one row per report, identified by ``(sweep_id, trial_id, attempt, step)``
`decisions` one row per decision about a running trial, written before anybody knows whether it was right
=========== ==================================================================================================

``spool_id`` names the driver run that wrote a row and ``spool_seq`` counts its rows of that table from 1 without a
gap. Order never depends on clocks. Columns may be added in later versions: readers ignore columns they do not know and
take null for those that are missing. A golden store of every released version is kept in the tests.
"""

from __future__ import annotations

from typing import Literal

import pyarrow as pa

SCHEMA_VERSION = 1

Table = Literal["sweeps", "trials", "results", "decisions"]

_UTC = pa.timestamp("us")  # without a zone: DuckDB cannot hand zoned times to Python unless pytz is installed
_NUMBERS = pa.map_(pa.string(), pa.float64())
_TEXTS = pa.map_(pa.string(), pa.string())
_ORIGIN = [
    ("schema_version", pa.int16()),
    ("spool_id", pa.string()),
    ("spool_seq", pa.int64()),
]

TABLES: dict[Table, pa.Schema] = {
    "sweeps": pa.schema(
        [
            ("sweep_id", pa.string()),
            ("name", pa.string()),
            ("metric", pa.string()),
            ("mode", pa.string()),  # min | max
            ("max_step", pa.int64()),  # null where not known beforehand
            ("space_json", pa.string()),
            ("task_json", pa.string()),
            ("searcher", pa.string()),
            ("scheduler", pa.string()),
            ("metahp_version", pa.string()),
            ("created_utc", _UTC),  # of the row
            ("state", pa.string()),  # running, or what the driver gave when it closed the sweep
            *_ORIGIN,
        ]
    ),
    "trials": pa.schema(
        [
            ("sweep_id", pa.string()),
            ("trial_id", pa.string()),
            ("attempt", pa.int32()),  # counted from 1; 0 for events before the first start
            ("event", pa.string()),  # see TrialEvent
            ("config_num", _NUMBERS),  # the configuration, flattened: numbers
            ("config_cat", _TEXTS),  # everything else, as text
            ("config_json", pa.string()),  # the whole configuration, see codec.py; null if the event brought none
            ("config_hash", pa.string()),  # SHA-256 of config_json
            ("error_text", pa.string()),
            ("created_utc", _UTC),
            *_ORIGIN,
        ]
    ),
    "results": pa.schema(
        [
            ("sweep_id", pa.string()),
            ("trial_id", pa.string()),
            ("attempt", pa.int32()),
            ("step", pa.int64()),
            ("objective", pa.float64()),  # null where the metric was missing in the report
            ("objective_state", pa.string()),  # ok | nan | +inf | -inf | missing
            ("metrics", _NUMBERS),  # all numbers of the report
            ("extras_json", pa.string()),  # the rest of the report, or null
            ("time_total_s", pa.float64()),  # seconds of training since the trial's start, NaN where unknown
            ("done", pa.bool_()),
            ("ingested_utc", _UTC),
            *_ORIGIN,
        ]
    ),
    "decisions": pa.schema(
        [
            ("sweep_id", pa.string()),
            ("trial_id", pa.string()),
            ("attempt", pa.int32()),
            ("step", pa.int64()),  # the newest that was known of the trial, 0 before it was started
            ("action", pa.string()),  # start | continue | pause | stop
            ("reason", pa.string()),
            ("probability", pa.float64()),  # to beat the incumbent or what is expected; NaN where none was predicted
            ("threshold", pa.float64()),  # NaN where none applied
            ("forecast_step", pa.int64()),  # null where no prediction was asked
            ("forecast_mean", pa.float64()),  # of the score at that step
            ("forecast_std", pa.float64()),
            ("propensity", pa.float64()),  # the chance with which such an action is carried out
            ("carried_out", pa.bool_()),  # a stop that is not lets the trial run on: the audit
            ("acquisition", pa.float64()),  # what a new trial was chosen for, null where nothing was compared
            ("model_version", pa.string()),  # of the store's predictor, shipped, prior; null where none was asked
            ("carried_json", pa.string()),  # [[sweep_id, trial_id, weight], ...]: the past trials that count most
            ("decided_utc", _UTC),
            *_ORIGIN,
        ]
    ),
}
