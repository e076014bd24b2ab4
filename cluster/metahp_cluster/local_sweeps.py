"""The sweeps of a store in a terminal: what ``metahp list`` and ``metahp status`` say where no cluster is named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from metahp.store import Store
from metahp.types import TrialStatus
from metahp_cluster.as_json import print_json
from metahp_cluster.printable import print_lines
from metahp_cluster.sweep_ids import known_id
from metahp_cluster.tables import print_table
from metahp_cluster.ui.watch import Entry, Watch


def list_sweeps(store: Store, *, as_json: bool) -> None:
    """All sweeps of a store, the newest first, with how they stand."""
    now, entries = datetime.now(UTC), Watch(store).entries()
    if as_json:
        print_json([_data(entry, now) for entry in entries])
    elif not entries:
        print(f"{store.location} holds no sweeps yet; metahp run begins one, list --address URL asks a cluster")
    else:
        print(f"store {store.location}")
        print_table(("sweep", "name", "state", "trials", "best", "last word"), [_row(entry, now) for entry in entries])


def tell_sweep(store: Store, wanted: str, *, as_json: bool) -> None:
    """How one sweep stands.

    Args:
        store: where it is.
        wanted: its id, how that begins, or its name; of several of one name the newest is told of.
        as_json: for programs.

    Raises:
        StoreError: there is none, or the id begins several.
    """
    now, entry = datetime.now(UTC), Watch(store).entry(known_id(store, wanted))
    data = _data(entry, now)
    if as_json:
        print_json(data)
        return
    counts = ", ".join(f"{count} {status}" for status, count in data["trials"].items()) or "none yet"
    best = "none yet" if data["best"] is None else f"{data['best']:.6g}"
    lines = (
        f"{data['sweep_id']} {data['name']}: {data['state']}, last word {_ago(entry, now)} ago",
        f"trials: {counts}; {data['epochs']} epochs, {data['epochs_saved']} saved by pruning",
        f"best {data['metric']}: {best}",
    )
    print_lines(lines)


def _data(entry: Entry, now: datetime) -> dict[str, Any]:
    own = entry.summary
    return {
        "sweep_id": own.sweep.sweep_id,
        "name": own.sweep.name,
        "state": entry.state(now),
        "trials": {str(status): own.counts[status] for status in TrialStatus if own.counts[status]},
        "epochs": own.cost.epochs,
        "epochs_saved": own.epochs_saved,
        "metric": own.sweep.metric,
        "best": own.best,
        "began": entry.log.began.isoformat(),
        "latest": entry.log.latest.isoformat(),
    }


def _row(entry: Entry, now: datetime) -> tuple[str, ...]:
    own = entry.summary
    best = "" if own.best is None else f"{own.sweep.metric} {own.best:.6g}"
    return own.sweep.sweep_id, own.sweep.name, entry.state(now), str(own.cost.trials), best, f"{_ago(entry, now)} ago"


def _ago(entry: Entry, now: datetime) -> str:
    seconds = max((now - entry.log.latest).total_seconds(), 0.0)
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
