"""``metahp why``: the answer to the question that every stopped trial raises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from metahp.relatives import Relative
from metahp.types import MadeDecision
from metahp.why import Explanation, explain
from metahp_cluster.as_json import AsJson, print_json
from metahp_cluster.damage import warn_of_holes
from metahp_cluster.own_store import store_and_word
from metahp_cluster.printable import print_lines
from metahp_cluster.sweep_ids import Wanted, known_id
from metahp_cluster.thinking import thinking
from metahp_cluster.why_picture import check_format, draw
from metahp_cluster.why_text import told


def why(
    words: Annotated[
        list[str],
        typer.Argument(help="The trial, or how its id begins; before it the store.", metavar="[STORE] TRIAL"),
    ],
    wanted: Wanted = None,
    png: Annotated[
        Path | None, typer.Option(help="Also draw it: forecast against what was seen.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say why a trial was stopped, or was not, what it has to blame, and what would have changed the decision.

    Example: metahp why 3f2a --png why.png
    """
    if png is not None:
        check_format(png)
    store, trial_id = store_and_word(words)
    with thinking("looking at the trial, its forecasts and its relatives"):
        found = explain(store, trial_id, known_id(store, wanted) if wanted else None)
    warn_of_holes(store)
    if png is not None:
        draw(found, png)
    print_json(_data(found)) if as_json else print_lines(told(found))


def _data(found: Explanation) -> dict[str, Any]:
    trial, best = found.trial, found.incumbent
    return {
        "sweep_id": found.history.sweep.sweep_id,
        "trial_id": trial.trial_id,
        "status": str(trial.status),
        "config": dict(trial.config),
        "curve": [[m.step, m.value] for m in trial.curve.measurements],
        "stopped": any(made.decision.stops for made in found.decisions),
        "decisions": [
            _plain(made) | {"decided_at": None if moment is None else moment.isoformat()}
            for made, moment in zip(found.decisions, found.decided_at, strict=True)
        ],
        "forecasts": list(found.forecasts),
        "incumbent": None if best is None else best.trial_id,
        "chance": found.chance,
        "most_to_blame": found.most_to_blame,
        "blames": list(found.blames),
        "turning_point": found.turning_point,
        "model_version": found.model_version,
        "relatives": _relatives(found.relatives),
        "past_relatives": _relatives(found.past_relatives),
    }


def _relatives(relatives: Sequence[Relative]) -> list[dict[str, Any]]:
    return [
        {
            "sweep_id": each.sweep.sweep_id,
            "trial_id": each.trial.trial_id,
            "distance": each.distance,
            "best": each.best,
        }
        for each in relatives
    ]


def _plain(made: MadeDecision) -> dict[str, Any]:
    return {"step": made.step, "model_version": made.model_version, **asdict(made.decision)}
