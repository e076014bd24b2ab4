"""``metahp report``: the page about a sweep of a store, also of one that was imported or run by somebody else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from metahp_cluster.as_json import AsJson, print_json
from metahp_cluster.damage import warn_of_holes
from metahp_cluster.own_store import Location, opened
from metahp_cluster.printable import printable
from metahp_cluster.results import SweepResult
from metahp_cluster.sweep_ids import Wanted, chosen


def report(
    location: Location = None,
    wanted: Wanted = None,
    whole: Annotated[bool, typer.Option("--all", help="Of all sweeps of the store, on one page.")] = False,
    output: Annotated[Path, typer.Option(help="Where to.", metavar="FILE")] = Path("report.html"),
    as_json: AsJson = False,
) -> None:
    """Write the report of one sweep, or of the whole store: one HTML file that needs nothing else.

    Example: metahp report --output digits.html
    """
    from metahp_cluster.report import context, write_report, write_store_report  # and Plotly with it

    store = opened(location)
    if whole and wanted is not None:
        raise typer.BadParameter("--all is the whole store, --sweep one sweep of it; give one of them")
    if whole:
        write_store_report(output, store)
        warn_of_holes(store)
        _say(output, store.location, None, as_json)
        return
    history = chosen(store, wanted)
    longest = max((trial.curve.last_step for trial in history.trials), default=1)
    result = SweepResult(
        history=history,
        trials_wanted=len(history.trials),
        epochs_each=history.sweep.max_step or longest,
        store=store.location,
        folder=output.parent,
    )
    write_report(output, result, context(store, history))
    warn_of_holes(store)
    _say(output, history.sweep.name or history.sweep.sweep_id, history.sweep.sweep_id, as_json)


def _say(output: Path, about: str, sweep_id: str | None, as_json: bool) -> None:
    print_json({"file": output, "sweep_id": sweep_id}) if as_json else print(printable(f"{about}: {output}"))
