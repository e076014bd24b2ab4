"""``metahp recommend``: what past sweeps would train first, without training anything."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from metahp.errors import StoreMissingError
from metahp.predictor import Predictor
from metahp.recommend import Recommendation, Recommended
from metahp.recommend import recommend as recommendation_from
from metahp.shipped import shipped_predictor
from metahp.starter import starter_sweeps
from metahp.store import Store
from metahp_cluster.as_json import AsJson, print_json
from metahp_cluster.data_file import described
from metahp_cluster.quiet import noise_to
from metahp_cluster.spec import Sweep, load_sweep
from metahp_cluster.views import config_text

_MOST_NAMED = 5


def recommend(
    sweep_file: Annotated[Path, typer.Argument(help="The sweep, in YAML.", metavar="SWEEP.YAML")],
    store: Annotated[str | None, typer.Option(help="In place of the file's.")] = None,
    count: Annotated[int, typer.Option(min=1, help="At most so many configurations.")] = 5,
    data: Annotated[
        Path | None, typer.Option(help="Describe the task by these arrays, x and y in an .npz file, beside its `task`.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which configurations past sweeps would begin with, and how they would end; nothing is trained.

    Before the first sweep, that is the small networks that MetaHP ships with.
    """
    sweep = load_sweep(sweep_file)
    task = (described(data) if data else {}) | dict(sweep.task)
    with noise_to(Path(os.devnull), sys.stdout):  # TensorFlow's
        past = past_for(sweep, store)
        found = recommendation_from(
            past, sweep.space, sweep.metric, sweep.mode, max_step=sweep.budget.epochs, task=task, count=count
        )
    if as_json:
        print_json(found)
    else:
        _show(found, sweep, past)
        if data:
            told = ", ".join(f"{name}: {value}" for name, value in task.items())
            print(f"The data as the sweep file's `task`, for later sweeps to find: {{{told}}}")


def past_for(sweep: Sweep, named: str | None) -> Store | Predictor:
    """The store; where none was named and none is there yet, what ships with MetaHP."""
    try:
        return Store(named or sweep.store, create=False)
    except StoreMissingError:
        if named is not None:
            raise
        return shipped_predictor()


def _show(found: Recommendation, sweep: Sweep, past: Store | Predictor) -> None:
    console = Console(highlight=False)
    if found.configs:
        console.print(_table(found, sweep))
    if found.sources:
        known = [*(own.sweep for own in starter_sweeps()), *(past.sweeps() if isinstance(past, Store) else ())]
        names = {own.sweep_id: own.name or own.sweep_id for own in known}
        named = ", ".join(names.get(source, source) for source in found.sources[:_MOST_NAMED])
        more = f" and {len(found.sources) - _MOST_NAMED} more" if len(found.sources) > _MOST_NAMED else ""
        console.print(f"From {len(found.sources)} past sweeps: {named}{more}.")
    if found.caveat:
        console.print(f"Note: {found.caveat}.")


def _table(found: Recommendation, sweep: Sweep) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("#", "configuration", sweep.metric, "in 8 of 10 cases"):
        table.add_column(title)
    for place, recommended in enumerate(found.configs, 1):
        table.add_row(str(place), config_text(recommended.config), *_expected(recommended))
    return table


def _expected(recommended: Recommended) -> tuple[str, str]:
    if recommended.score is None:
        return "?", "?"
    return f"{recommended.score:.4g}", f"{recommended.low:.4g} to {recommended.high:.4g}"
