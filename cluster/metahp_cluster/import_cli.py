"""``metahp import …``: sweeps that other tools ran, into a store. Importing the same again changes nothing.

Exit codes: 0 what can be placed is in the store, what cannot is counted with the reason · 2 something given is wrong,
or nothing could be placed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from metahp.errors import RecordError, SearchSpaceError, StoreError, SweepSpecError
from metahp.space import SearchSpace
from metahp.store import ImportReport, Store
from metahp.store.importers import Columns, FoundSweep, optuna_studies, ray_experiments, table_sweeps
from metahp.types import TaskValue
from metahp_cluster import yaml_lines
from metahp_cluster.as_json import AsJson, print_json
from metahp_cluster.printable import printable
from metahp_cluster.space_syntax import parse_space
from metahp_cluster.spec import default_store

Into = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="The store's directory or URI; by default your own.",
        envvar="METAHP_STORE",
        metavar="STORE",
        show_default=False,
    ),
]
ModeOption = Annotated[str, typer.Option(help="Whether the metric is minimised or maximised.", metavar="min|max")]
SpaceFile = Annotated[
    Path | None,
    typer.Option("--space", help="The search space in YAML, as in a sweep file; inferred without.", metavar="FILE"),
]
Tasks = Annotated[
    list[str] | None, typer.Option("--task", help="What is known of the task; repeat for more.", metavar="KEY=VALUE")
]
Name = Annotated[str | None, typer.Option(help="Another name for the sweep.", metavar="NAME")]

app = typer.Typer(help="Bring in sweeps that other tools ran.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Extras:
    """What the command line adds to what was found: store, space, task, name."""

    store: str
    space: SearchSpace | None
    task: dict[str, TaskValue]
    name: str | None


@app.command()
def ray(
    directory: Annotated[
        Path, typer.Argument(help="An experiment of Ray Tune, or a folder of several.", metavar="FOLDER")
    ],
    metric: Annotated[str, typer.Option(help="The key of the reports; eval/accuracy for a nested one.", metavar="KEY")],
    mode: ModeOption,
    store: Into = None,
    step: Annotated[
        str, typer.Option(help="The key of the reports that counts steps.", metavar="KEY")
    ] = "training_iteration",
    space: SpaceFile = None,
    task: Tasks = None,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Import results of Ray Tune; nothing is unpickled.

    Example: metahp import ray ~/ray_results/tuning --store ~/sweeps --metric val_loss --mode min
    """
    extras = _extras(store, space, task, name)
    _import(ray_experiments(directory, metric, mode, step=step), extras, as_json)


@app.command()
def optuna(
    url: Annotated[str, typer.Argument(help="An Optuna storage, e.g. sqlite:///study.db.", metavar="URL")],
    store: Into = None,
    study: Annotated[str | None, typer.Option(help="Only this study.", metavar="NAME")] = None,
    metric: Annotated[
        str, typer.Option(help="What the values are; Optuna has no name for them.", metavar="NAME")
    ] = "value",
    task: Tasks = None,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Import studies of Optuna, with their search spaces.

    Example: metahp import optuna sqlite:///study.db --store ~/sweeps --metric accuracy
    """
    extras = _extras(store, None, task, name)
    _import(optuna_studies(url, study, metric=metric), extras, as_json)


_Table = Annotated[Path, typer.Argument(help="One row per report.", metavar="FILE")]
_Map = Annotated[
    list[str],
    typer.Option(
        "--map",
        help="Which column is what: metric, sweep, trial, step, seconds, status, config; params=lr,units.",
        metavar="PART=COLUMN",
    ),
]
_MetricName = Annotated[
    str | None, typer.Option(help="What the metric is called, if not like its column.", metavar="NAME")
]


@app.command()
def csv(
    file: _Table,
    columns: _Map,
    mode: ModeOption,
    store: Into = None,
    metric: _MetricName = None,
    space: SpaceFile = None,
    task: Tasks = None,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Import a long table in CSV.

    Example: metahp import csv curves.csv --store ~/sweeps --mode max --map trial=run
    """
    _import_table(file, ".csv", _extras(store, space, task, name), Columns.parse(columns), mode, metric, as_json)


@app.command()
def parquet(
    file: _Table,
    columns: _Map,
    mode: ModeOption,
    store: Into = None,
    metric: _MetricName = None,
    space: SpaceFile = None,
    task: Tasks = None,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Import a long table in Parquet.

    Example: metahp import parquet curves.parquet --store ~/sweeps --mode max --map trial=run
    """
    _import_table(file, ".parquet", _extras(store, space, task, name), Columns.parse(columns), mode, metric, as_json)


def _import_table(
    file: Path, suffix: str, extras: Extras, columns: Columns, mode: str, metric: str | None, as_json: bool
) -> None:
    if file.suffix.lower() != suffix:
        raise StoreError(f"{file} is no {suffix} file; use metahp import {file.suffix[1:].lower() or 'csv'}")
    _import(table_sweeps(file, columns, mode, metric=metric), extras, as_json)


def _import(found: Sequence[FoundSweep], extras: Extras, as_json: bool) -> None:
    if extras.name is not None and len(found) > 1:
        raise StoreError(f"--name is for one sweep, here are {len(found)}; leave it out")
    store = Store(extras.store)
    reports = [_one(store, sweep, extras) for sweep in found]
    placed = [report for report in reports if report["new_trials"] or report["new_reports"] or report["known"]]
    if as_json:
        print_json({"store": store.location, "sweeps": reports})
    else:
        for report in reports:
            _print(report)
        print(f"{len(placed)} sweeps are in {store.location}")
    if not placed:
        refused = any(report["refused"] for report in reports)
        reason = "the reasons are above" if refused else "no trials were found"
        raise StoreError(f"nothing could be imported: {reason}")


def _one(store: Store, sweep: FoundSweep, extras: Extras) -> dict[str, Any]:
    report = store.import_sweep(
        name=extras.name or sweep.name,
        space=extras.space or sweep.space,
        metric=sweep.metric,
        mode=sweep.mode,
        trials=sweep.trials,
        task=extras.task,
        max_step=sweep.max_step,
    )
    return _facts(extras.name or sweep.name, report, sweep)


def _facts(name: str, report: ImportReport, sweep: FoundSweep) -> dict[str, Any]:
    return {
        "sweep_id": report.sweep_id,
        "name": name,
        "new_trials": report.trials,
        "new_reports": report.measurements,
        "known": report.known,
        "refused": {**report.reasons, **sweep.unplaced},
    }


def _print(facts: dict[str, Any]) -> None:
    counts = f"{facts['new_trials']} new trials, {facts['new_reports']} new reports, {facts['known']} known before"
    print(f"{printable(facts['name'])} ({facts['sweep_id']}): {counts}")
    for reason, count in facts["refused"].items():
        print(f"  left out {count}×: {printable(reason)}")


def _extras(store: str | None, space: Path | None, task: list[str] | None, name: str | None) -> Extras:
    return Extras(store or default_store(), None if space is None else _space(space), _task(task or []), name)


def _space(file: Path) -> SearchSpace:
    try:
        document = yaml_lines.parse(file.read_text(encoding="utf-8"), str(file))
        return SearchSpace(parse_space(document.data))
    except (OSError, UnicodeDecodeError) as problem:
        raise SweepSpecError(f"cannot read the search space {file}: {problem}") from None
    except SearchSpaceError as problem:
        raise SweepSpecError(f"{file}: {problem}") from None


def _task(texts: Sequence[str]) -> dict[str, TaskValue]:
    pairs = [text.partition("=") for text in texts]
    wrong = next((text for text, (key, equals, _) in zip(texts, pairs, strict=True) if not key or not equals), None)
    if wrong is not None:
        raise RecordError(f"--task is KEY=VALUE, e.g. classes=10; got {wrong!r}")
    return {key: _value(text) for key, _, text in pairs}


def _value(text: str) -> TaskValue:
    data = yaml_lines.parse(text, "--task").data
    return data if isinstance(data, bool | int | float) else text
