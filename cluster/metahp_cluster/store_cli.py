"""``metahp store …``: look into a store, and look after it.

Exit codes: 0 all is well · 2 something given is wrong, or the store cannot be read or written · 4 rows are missing,
damaged or doubled (``check`` alone). With ``--json`` each command prints one JSON object on standard output.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from metahp.errors import StoreError
from metahp.store import Store
from metahp.types import SweepHistory, TaskValue
from metahp_cluster.as_json import AsJson, print_json
from metahp_cluster.own_store import Location, opened, store_and_word
from metahp_cluster.tables import print_table

DAMAGED = 4

ExportWords = Annotated[
    list[str], typer.Argument(help="The file, .parquet or .csv; before it the store.", metavar="[STORE] FILE")
]
SweepIds = Annotated[list[str] | None, typer.Option("--sweep", help="Only this sweep; repeat for more.", metavar="ID")]

app = typer.Typer(help="Look into a store, and look after it.", no_args_is_help=True)


class Exportable(StrEnum):
    """What can be exported."""

    CURVES = "curves"
    RESULTS = "results"
    TRIALS = "trials"
    DECISIONS = "decisions"
    SWEEPS = "sweeps"


@app.command()
def info(location: Location = None, as_json: AsJson = False) -> None:
    """List the sweeps of a store, and how big it is.

    Example: metahp store info ~/sweeps
    """
    store = opened(location)
    sizes = {table: dataclasses.asdict(size) for table, size in store.sizes().items()}
    sweeps = [_summary(store.history(sweep.sweep_id)) for sweep in store.sweeps()]
    if as_json:
        print_json({"store": store.location, "store_id": store.store_id, "tables": sizes, "sweeps": sweeps})
        return
    if sweeps:
        _print_sweeps(store, sweeps)
    elif store.holes():
        print(f"no sweep of {store.location} can be read, for its files are damaged; see metahp store check")
    else:
        print(f"{store.location} holds no sweeps yet; metahp run and metahp import fill it")
    for table, size in sizes.items():
        print(f"{table}: {size['rows']:,} rows in {size['segments']:,} files, {size['bytes'] / 1e6:.1f} MB")


@app.command()
def check(
    location: Location = None,
    accept_holes: Annotated[
        bool, typer.Option("--accept-holes", help="The missing rows are lost for good: cursors go on behind them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read every file: is everything there, undamaged, and once? Exit code 4 if not.

    Example: metahp store check
    """
    store = opened(location)
    accepted = store.accept_holes() if accept_holes else []
    report = store.check()
    found = dataclasses.asdict(report) | {"whole": report.is_whole, "accepted": [str(hole) for hole in accepted]}
    found["holes"] = [str(hole) for hole in report.holes]
    if as_json:
        print_json(found)
    else:
        _print_lines(_check_lines(found, accepted=len(accepted)))
    raise typer.Exit(0 if report.is_whole else DAMAGED)


@app.command()
def recover(location: Location = None, as_json: AsJson = False) -> None:
    """Publish what drivers that died on this machine had accepted; every new sweep does so too.

    Example: metahp store recover
    """
    done = opened(location).recover()
    if as_json:
        print_json(done)
        return
    print(f"published: {len(done.published)} dead driver runs, {len(done.alive)} are alive and publish their own")
    for path in done.unreadable:
        print(f"not readable, left as it is: {path}")


@app.command()
def compact(location: Location = None, as_json: AsJson = False) -> None:
    """Merge small files; safe at any time, beside readers and running sweeps.

    Example: metahp store compact
    """
    done = opened(location).compact()
    if as_json:
        print_json(done)
    else:
        print(f"{done.before:,} files became {done.after:,}; {done.left_over:,} temporary files deleted")


@app.command()
def export(
    words: ExportWords,
    table: Annotated[
        Exportable, typer.Option(help="Curves are the reports that count, with configurations.", metavar="TABLE")
    ] = (Exportable.CURVES),
    sweep: SweepIds = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a file that is there already.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write rows, each once, to one file that every tool reads.

    Example: metahp store export curves.csv --table curves
    """
    store, file = store_and_word(words)
    to = Path(file)
    _check_known(store, sweep)
    rows = store.export(to, table.value, sweep_ids=sweep, replace=replace)
    if as_json:
        print_json({"file": str(to), "table": table.value, "rows": rows})
    else:
        print(f"{rows:,} rows of {table.value} are in {to}")


@app.command()
def prune(
    older_than: Annotated[str, typer.Option(help="Not written to for so long: 90d, 36h, 12w.", metavar="AGE")],
    location: Location = None,
    sweep: SweepIds = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it only say what would be deleted.")] = False,
    unlearned: Annotated[
        bool, typer.Option("--unlearned", help="Also what the store's predictor has not learned from yet.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete old sweeps, for ever. A sweep somebody still writes must not be pruned.

    Example: metahp store prune --older-than 90d
    """
    store = opened(location)
    _check_known(store, sweep)
    found = store.prune(older_than, sweep_ids=sweep, dry_run=not yes, unlearned=unlearned)
    kept = [old for old in store.prune(older_than, sweep_ids=sweep, dry_run=True, unlearned=True) if not old.is_learned]
    if as_json:
        print_json({"deleted": yes, "sweeps": found})
        return
    for old in found:
        print(f"{old.sweep_id} {old.name!r}: {old.rows:,} rows, last written {old.last_written:%Y-%m-%d %H:%M} UTC")
    if yes:
        print(f"{len(found)} sweeps deleted")
    else:
        print(f"{len(found)} sweeps would be deleted; say --yes to do it")
    if kept and not unlearned:
        print(f"{len(kept)} more are kept until the predictor has learned from them; metahp learn does so")


def _check_known(store: Store, sweep_ids: list[str] | None) -> None:
    known = {sweep.sweep_id for sweep in store.sweeps()}
    unknown = sorted(set(sweep_ids or ()) - known)
    if unknown:
        raise StoreError(f"{store.location} holds no sweep {unknown[0]!r}; metahp store info lists those it has")


def _summary(own: SweepHistory) -> dict[str, Any]:
    best = own.incumbent()
    return {
        "sweep_id": own.sweep.sweep_id,
        "name": own.sweep.name,
        "metric": own.sweep.metric,
        "mode": str(own.sweep.mode),
        "task": {key: _finite(value) for key, value in own.sweep.task.items()},
        "trials": len(own.trials),
        "reports": sum(len(trial.curve) for trial in own.trials),
        "best": None if best is None else best.curve.best(own.sweep.mode),
    }


def _finite(value: TaskValue) -> TaskValue:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _print_sweeps(store: Store, sweeps: list[dict[str, Any]]) -> None:
    print(f"store {store.location}")
    print_table(("sweep", "name", "metric", "trials", "reports", "best"), map(_sweep_row, sweeps))


def _sweep_row(own: dict[str, Any]) -> list[str]:
    best = "" if own["best"] is None else f"{own['best']:.6g}"
    metric = f"{own['metric']} ({own['mode']})"
    return [own["sweep_id"], own["name"], metric, str(own["trials"]), f"{own['reports']:,}", best]


def _check_lines(found: Mapping[str, Any], *, accepted: int) -> list[str]:
    lines = [f"damaged: {name}" for name in found["in_place"]]
    lines += [f"missing: {hole}" for hole in found["holes"]]
    lines += [f"doubled: {extra:,} reports of sweep {sweep_id}" for sweep_id, extra in found["doubled"].items()]
    lines += [f"in quarantine: {name}: {reason}" for name, reason in found["quarantined"].items()]
    if not found["whole"]:
        lines.append("put the files back from a backup, or accept the loss: metahp store check --accept-holes")
    if accepted:
        lines.append(f"accepted: {accepted} holes; cursors go on behind them")
    if found["waiting"]:
        lines.append(f"not published yet: {len(found['waiting'])} driver runs that died; see metahp store recover")
    if found["left_over"]:
        lines.append(f"left over: {found['left_over']} temporary files; metahp store compact deletes them")
    rows = sum(size["rows"] for size in found["tables"].values())
    files = sum(size["segments"] for size in found["tables"].values())
    verdict = "whole" if found["whole"] else "NOT whole"
    return [*lines, f"{verdict}: {rows:,} rows in {files:,} files were read and verified"]


def _print_lines(lines: list[str]) -> None:
    for line in lines:
        print(line)
