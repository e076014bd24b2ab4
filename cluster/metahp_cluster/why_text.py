"""The answer of ``metahp why`` in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from metahp.blame import Blame
from metahp.importance import importances
from metahp.relatives import Relative
from metahp.types import MadeDecision
from metahp.why import Explanation
from metahp_cluster.views import config_text, searched_part


def told(found: Explanation) -> Iterator[str]:
    """What happened to a trial, what is predicted of it, what it was like, and what it has to blame."""
    sweep, trial = found.history.sweep, found.trial
    best = trial.curve.best(sweep.mode)
    came = "reported nothing finite" if best is None else f"best {sweep.metric} {best:.6g}"
    yield f"{trial.trial_id} of {sweep.name or sweep.sweep_id}: {trial.status}, {trial.curve.last_step} epochs, {came}"
    yield f"  {config_text(searched_part(trial.config, sweep.space))}"
    yield from _decided(found)
    yield from _predicted(found)
    yield from _changed(found)
    yield blamed(found)
    yield from _alike("the most similar trials:", found.relatives)
    yield from _alike("the most similar trials of past sweeps:", found.past_relatives, name_sweep=True)
    shares = importances(found.history)
    if shares:
        yield f"what mattered most in the whole sweep: {', '.join(f'{s.name} {s.share:.0%}' for s in shares[:3])}"


def blamed(found: Explanation) -> str:
    """The hyperparameter most to blame for this trial, in one sentence."""
    best, worst = found.incumbent, found.most_to_blame
    if found.is_best:
        return "nothing is to blame: it is the best trial of its sweep"
    if best is None:
        return "there is no other trial with a score that it could be held against"
    if not found.blames:
        return f"no hyperparameter is to blame: it has those of the best other trial, {best.trial_id}"
    if worst is None:
        return f"no single hyperparameter is to blame: with none of the values of {best.trial_id} it would end better"
    return f"most to blame: {_blame(worst, found.history.sweep.metric, best.trial_id)}"


def _blame(worst: Blame, metric: str, best_id: str) -> str:
    score = f"{metric} {worst.changed:.4g} would be predicted in place of {worst.score:.4g}"
    chance = f"a chance to beat it of {worst.changed_chance:.0%} in place of {worst.chance:.0%}"
    return f"{worst.name}={_value(worst.own)}; with the {_value(worst.best)} of {best_id}, {score}, and {chance}"


def _value(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value).strip("'")


def _decided(found: Explanation) -> Iterator[str]:
    if not found.decisions:
        yield "nothing was decided about it"
        return
    yield "decisions, each written down before its outcome was known:"
    for made, moment in zip(found.decisions, found.decided_at, strict=True):
        yield f"  {_when(made, moment)}: {_decision(made)}"
    if any(made.decision.stops and made.decision.is_predicted for made in found.decisions):
        yield "  (trials are stopped below four times `max_false_prunes`, for of chances below p about p / 4 come true,"
        yield "  or below what the newest proposal promised if that was less; where the start of another trial takes as"
        yield "  long as several reports, below a part of it; with `guarantee`, below what past sweeps in shadow mode"
        yield "  vouch for)"


def _when(made: MadeDecision, moment: datetime | None) -> str:
    after = f"after epoch {made.step}" if made.step else "before it began"
    return after if moment is None else f"{after}, {moment:%Y-%m-%d %H:%M:%S} UTC"


def _decision(made: MadeDecision) -> str:
    own = made.decision
    spared = "" if own.carried_out else "; it ran on all the same, as a sample"
    by = f", by model {made.model_version}" if made.model_version else ""
    rule = f" (stopped below {100 * own.threshold:.2g}%{by})" if own.is_predicted else ""
    return f"{own.action}, {own.reason}{rule}{spared}"


def _predicted(found: Explanation) -> Iterator[str]:
    if not found.forecasts:
        return
    by = f"model {found.model_version}" if found.model_version else "what this sweep alone has shown"
    yield f"from there on, predicted today by {by}: the median, and where it lies in 50 % and 80 % of the cases"
    for each in found.forecasts:
        half, most = f"{each.half_low:.4g} to {each.half_high:.4g}", f"{each.low:.4g} to {each.high:.4g}"
        seen = "" if each.seen is None else f"; it came to {each.seen:.6g}"
        yield f"  epoch {each.step}: {each.likely:.4g} (50 % {half}, 80 % {most}){seen}"
    best = found.incumbent
    if found.chance is not None and best is not None:
        score = best.curve.best(found.history.sweep.mode)
        yield f"  chance to beat the best of the other trials, {best.trial_id} with {score:.4g}: {found.chance:.0%}"


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


def _alike(title: str, relatives: Sequence[Relative], *, name_sweep: bool = False) -> Iterator[str]:
    if relatives:
        yield title
    for each in relatives:
        best = "nothing finite" if each.best is None else f"{each.sweep.metric} {each.best:.6g}"
        state = f"{each.trial.status} after {each.trial.curve.last_step} epochs"
        where = f" of {each.sweep.name or each.sweep.sweep_id}" if name_sweep else ""
        config = config_text(searched_part(each.trial.config, each.sweep.space))
        yield f"  {each.trial.trial_id}{where}: {best}, {state}, {config}"
