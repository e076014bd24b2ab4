"""``metahp why``: the answer to the question that every stopped trial raises."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from metahp.importance import importances
from metahp.store import Store
from metahp.types import MadeDecision
from metahp.why import Explanation, explain
from metahp_cluster.as_json import AsJson, print_json
from metahp_cluster.quiet import noise_to
from metahp_cluster.views import config_text, searched_part
from metahp_cluster.why_picture import draw


def why(
    location: Annotated[str, typer.Argument(help="The store's directory or URI.", envvar="METAHP_STORE")],
    trial_id: Annotated[str, typer.Argument(help="The trial, or how its id begins.", metavar="TRIAL")],
    sweep_id: Annotated[str | None, typer.Option("--sweep", help="By default the newest.", metavar="ID")] = None,
    png: Annotated[Path | None, typer.Option(help="Also draw it: forecast against what was seen.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say why a trial was stopped, or was not, and what would have changed that."""
    with noise_to(Path(os.devnull), sys.stdout):  # TensorFlow's
        found = explain(Store(location, create=False), trial_id, sweep_id)
    if png is not None:
        draw(found, png)
    print_json(_data(found)) if as_json else print("\n".join(_lines(found)))


def _lines(found: Explanation) -> Iterator[str]:
    sweep, trial = found.history.sweep, found.trial
    best = trial.curve.best(sweep.mode)
    told = "reported nothing finite" if best is None else f"best {sweep.metric} {best:.6g}"
    yield f"{trial.trial_id} of {sweep.name or sweep.sweep_id}: {trial.status}, {trial.curve.last_step} epochs, {told}"
    yield f"  {config_text(searched_part(trial.config, sweep.space))}"
    yield from _decided(found)
    yield from _predicted(found)
    yield from _changed(found)
    yield from _alike(found)
    shares = importances(found.history)
    if shares:
        yield f"what mattered most in this sweep: {', '.join(f'{s.name} {s.share:.0%}' for s in shares[:3])}"


def _decided(found: Explanation) -> Iterator[str]:
    if not found.decisions:
        yield "nothing was decided about it"
        return
    yield "decisions, each written down before its outcome was known:"
    for made in found.decisions:
        spared = "" if made.decision.carried_out else "; it ran on all the same, as a sample"
        when = f"after epoch {made.step}" if made.step else "before it began"
        yield f"  {when}: {made.decision.action}, {made.decision.reason}{_rule(made)}{spared}"


def _rule(made: MadeDecision) -> str:
    if not made.decision.is_predicted:
        return ""
    by = f", by model {made.model_version}" if made.model_version else ""
    return f" (stopped below {made.decision.threshold:.0%}{by})"


def _predicted(found: Explanation) -> Iterator[str]:
    if not found.forecasts:
        return
    by = f"model {found.model_version}" if found.model_version else "what this sweep alone has shown"
    yield f"from there on, predicted today by {by} (10 % – median – 90 %):"
    for each in found.forecasts:
        seen = "" if each.seen is None else f"   it came to {each.seen:.6g}"
        yield f"  epoch {each.step}: {each.low:.4g} – {each.likely:.4g} – {each.high:.4g}{seen}"
    if found.chance is not None:
        yield f"  chance to beat the best of the other trials: {found.chance:.0%}"


def _changed(found: Explanation) -> Iterator[str]:
    """What would have changed the decision."""
    turning = found.turning_point
    if turning is None:
        return
    metric = found.history.sweep.metric
    if turning.needed is None:
        yield f"no {metric} up to the best of the others would have kept it at epoch {turning.step}"
    elif turning.needed == turning.reported:
        yield "by what is known today, it would not be stopped"
    else:
        instead = f"{turning.needed:.4g} in place of {turning.reported:.4g} at epoch {turning.step}"
        yield f"it would have gone on with a {metric} of {instead}"


def _alike(found: Explanation) -> Iterator[str]:
    if found.relatives:
        yield "the most similar trials:"
    for each in found.relatives:
        best = "nothing finite" if each.best is None else f"{each.best:.6g}"
        state = f"{each.trial.status} after {each.trial.curve.last_step} epochs"
        config = config_text(searched_part(each.trial.config, found.history.sweep.space))
        yield f"  {each.trial.trial_id}: {best}, {state}, {config}"


def _data(found: Explanation) -> dict[str, Any]:
    trial = found.trial
    return {
        "sweep_id": found.history.sweep.sweep_id,
        "trial_id": trial.trial_id,
        "status": str(trial.status),
        "config": dict(trial.config),
        "curve": [[m.step, m.value] for m in trial.curve.measurements],
        "stopped": any(made.decision.stops for made in found.decisions),
        "decisions": [_plain(made) for made in found.decisions],
        "forecasts": list(found.forecasts),
        "chance": found.chance,
        "turning_point": found.turning_point,
        "model_version": found.model_version,
        "relatives": [
            {"trial_id": each.trial.trial_id, "distance": each.distance, "best": each.best} for each in found.relatives
        ],
    }


def _plain(made: MadeDecision) -> dict[str, Any]:
    return {"step": made.step, "model_version": made.model_version, **asdict(made.decision)}
