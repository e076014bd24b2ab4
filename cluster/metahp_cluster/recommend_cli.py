"""``metahp recommend``: what past sweeps would train first, without training anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Annotated

import typer

from metahp.errors import StoreMissingError
from metahp.predictor import Predictor
from metahp.recommend import Recommendation, Recommended
from metahp.recommend import recommend as recommendation_from
from metahp.shipped import shipped_predictor
from metahp.starter import starter_sweeps
from metahp.store import Store
from metahp.types import Config
from metahp_cluster.as_json import AsJson, print_json
from metahp_cluster.damage import warn_of_holes
from metahp_cluster.data_file import described
from metahp_cluster.describe_function import described_by
from metahp_cluster.printable import print_lines, printable
from metahp_cluster.spec import Sweep, load_sweep
from metahp_cluster.tables import print_table, width
from metahp_cluster.thinking import thinking
from metahp_cluster.views import config_text, searched_part, value_text

_MOST_NAMED = 5
_NARROW = 80  # columns; below, each parameter has a line of its own


def recommend(
    sweep_file: Annotated[Path, typer.Argument(help="The sweep, in YAML.", metavar="SWEEP.YAML")],
    store: Annotated[str | None, typer.Option(help="In place of the file's.", metavar="STORE")] = None,
    count: Annotated[int, typer.Option(min=1, help="At most so many configurations.", metavar="N")] = 5,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Describe the task by these arrays, x and y in an .npz file, beside its `task`.", metavar="FILE.NPZ"
        ),
    ] = None,
    describe: Annotated[
        str | None,
        typer.Option(
            help="Describe the task by what a function returns: arrays, a tf.data pipeline, a Keras model.",
            metavar="FILE.PY:FUNCTION",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which configurations past sweeps would begin with, and how they would end; nothing is trained.

    Before the first sweep, that is the small networks that MetaHP ships with.

    Example: metahp recommend sweep.yaml --describe train.py:data
    """
    sweep = load_sweep(sweep_file)
    with thinking("asking past sweeps"):
        found_out = (described(data) if data else {}) | (described_by(describe) if describe else {})
        task = found_out | dict(sweep.task)
        past = past_for(sweep, store)
        found = recommendation_from(
            past, sweep.space, sweep.metric, sweep.mode, max_step=sweep.budget.epochs, task=task, count=count
        )
    if isinstance(past, Store):
        warn_of_holes(past)
    if as_json:
        print_json(found)
        return
    _show(found, sweep, _names(past))
    if found_out:
        told = ", ".join(f"{name}: {value}" for name, value in task.items())
        print(f"The task as the sweep file's `task`, for later sweeps to find: {{{told}}}")


def past_for(sweep: Sweep, named: str | None) -> Store | Predictor:
    """The store; where none was named and none is there yet, what ships with MetaHP."""
    try:
        return Store(named or sweep.store, create=False)
    except StoreMissingError:
        if named is not None:
            raise
        return shipped_predictor()


def _names(past: Store | Predictor) -> Mapping[str, str]:
    known = [*(own.sweep for own in starter_sweeps()), *(past.sweeps() if isinstance(past, Store) else ())]
    return {own.sweep_id: own.name or own.sweep_id for own in known}


def _show(found: Recommendation, sweep: Sweep, names: Mapping[str, str]) -> None:
    wanted = [searched_part(each.config, sweep.space) for each in found.configs]
    if width() < _NARROW:
        print_lines(_stacked(found.configs, wanted, sweep.metric, names))
    elif found.configs:
        head = ("#", "configuration", sweep.metric, "in 8 of 10 cases", "most by")
        rows = [
            (str(place), config_text(config), *_expected(each), _named(each.sources[:1], names))
            for place, (each, config) in enumerate(zip(found.configs, wanted, strict=True), 1)
        ]
        print_table(head, rows)
    if found.sources:
        told = _named(found.sources[:_MOST_NAMED], names)
        more = f" and {len(found.sources) - _MOST_NAMED} more" if len(found.sources) > _MOST_NAMED else ""
        print(_folded(f"From {len(found.sources)} past sweeps: {told}{more}."))
    if found.caveat:
        print(_folded(f"Note: {found.caveat}."))


def _folded(text: str) -> str:
    return fill(printable(text), width(), break_long_words=False, break_on_hyphens=False)


def _stacked(
    configs: Sequence[Recommended], wanted: Sequence[Config], metric: str, names: Mapping[str, str]
) -> Iterator[str]:
    """A line for each parameter."""
    for place, (each, config) in enumerate(zip(configs, wanted, strict=True), 1):
        score, band = _expected(each)
        yield f"{place}. {metric} {score} ({band})"
        yield from (f"   {name}: {value_text(value)}" for name, value in config.items())
        yield from (f"   by: {names.get(source, source)}" for source in each.sources[:1])


def _named(sources: Sequence[str], names: Mapping[str, str]) -> str:
    return ", ".join(names.get(source, source) for source in sources)


def _expected(recommended: Recommended) -> tuple[str, str]:
    if recommended.score is None:
        return "?", "?"
    return f"{recommended.score:.4g}", f"{recommended.low:.4g} to {recommended.high:.4g}"
