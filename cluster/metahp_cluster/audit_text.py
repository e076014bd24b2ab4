"""What is known about stopping, in sentences; `metahp audit`, reports and pages say the same ones."""

from __future__ import annotations

from collections.abc import Iterator

from metahp.audit import Audit, Spared
from metahp.coverage import Coverage

MOST_NAMED = 10


def told(found: Audit) -> Iterator[str]:
    """The audit."""
    if not found.condemned:
        yield "no decision to stop a trial is on record"
        return
    sampled = len(found.spared) - len(found.shadowed)
    ran_on = [f"{sampled} ran on as a sample"] if sampled or not found.shadowed else []
    ran_on += [f"{len(found.shadowed)} in shadow mode, which stops nobody"] if found.shadowed else []
    yield f"{found.condemned} trials were to be stopped: {', '.join([f'{found.stopped} were', *ran_on])}"
    if sampled or found.stopped:
        spent = found.epochs_spent - found.epochs_shadowed
        yield f"epochs saved {found.epochs_saved}, less {spent} for the sample"
    yield from _shadow(found)
    yield from _mistakes(found)


def _shadow(found: Audit) -> Iterator[str]:
    """What shadow mode would have saved, and whom it would have ended."""
    shadowed = sorted(found.shadowed, key=lambda each: (each.sweep_id, each.rank))
    if not shadowed:
        return
    saved, trained = found.epochs_shadowed, max(found.epochs_trained, 1)
    yield f"in shadow mode, stopping would have saved {saved} of {trained} epochs ({saved / trained:.0%}) and ended:"
    for each in shadowed[:MOST_NAMED]:
        yield f"  {_ended(each)}"
    if len(shadowed) > MOST_NAMED:
        yield f"  and {len(shadowed) - MOST_NAMED} more, of lower rank in the last sweep named; --json has them all"


def _ended(each: Spared) -> str:
    came = "has reported nothing finite" if each.score is None else f"came to {each.score:.4g}"
    fate = f", the winner by {each.gain:.4g}" if each.gain > 0 else ""
    return f"{each.trial_id} after epoch {each.step}; it {came} by epoch {each.last_step}, rank {each.rank}{fate}"


def _mistakes(found: Audit) -> Iterator[str]:
    if not found.judged:
        yield "none of those that ran on has ended yet, so nothing is known about how often stopping was wrong"
        return
    low, high = found.interval()
    yield f"{len(found.winners)} of {len(found.judged)} that ran on and ended beat every other trial of their sweep:"
    yield f"  false prunes {found.false_prune_rate:.1%}, with 90 % confidence {low:.1%} to {high:.1%}"
    yield f"  lost by stopping one trial, on average: {found.mean_gain:.4g} of the metric"
    for winner in found.winners:
        yield f"  {winner.trial_id} was to be stopped after epoch {winner.step} and won by {winner.gain:.4g}"


def forecasts_told(found: Coverage) -> Iterator[str]:
    """How the forecasts came true, and what the gate makes of it."""
    if not found.settled:
        yield "no trial with a forecast was trained to the end, so it is not known how good forecasts are here"
    else:
        half, most = found.in_half / found.settled, found.in_most / found.settled
        yield (
            f"of {found.settled} forecasts of final scores, {half:.0%} lay in their 50 % intervals and {most:.0%} in "
            "their 80 % intervals"
        )
    if found.is_open is not None:
        closed = "closed: too few forecasts come true; ASHA decides, under a guarantee nobody is stopped"
        state = "open: forecasts come true" if found.is_open else closed
        yield f"the gate is {state}"
    if found.by_asha:
        yield f"{found.by_asha} decisions were not the predictor's, while it was closed"
