"""``metahp audit``: how often stopping a trial was right, as far as anybody can know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from metahp.audit import Audit, audit_of_store
from metahp.audit import audit as audit_of
from metahp.certificate import certificate, evidence_of, evidence_of_store
from metahp.policy import MAX_FALSE_PRUNES
from metahp.store import Store
from metahp_cluster.as_json import AsJson, print_json

CONFIDENCE = 0.9


def audit(
    location: Annotated[str, typer.Argument(help="The store's directory or URI.", envvar="METAHP_STORE")],
    sweep_id: Annotated[str | None, typer.Option("--sweep", help="By default all of them.", metavar="ID")] = None,
    as_json: AsJson = False,
) -> None:
    """Say how often stopping trials was right: some run on all the same, so that this is known."""
    store = Store(location, create=False)
    if sweep_id is None:
        found, evidence = audit_of_store(store), evidence_of_store(store)
    else:
        history, decisions = store.history(sweep_id), store.decisions(sweep_id)
        found, evidence = audit_of(history, decisions), evidence_of(history, decisions)
    promise = certificate(evidence, MAX_FALSE_PRUNES, CONFIDENCE)
    if as_json:
        print_json(as_data(found) | {"certificate": promise})
    else:
        print("\n".join([*told(found), str(promise)]))


def told(found: Audit) -> Iterator[str]:
    """The audit in sentences."""
    if not found.condemned:
        yield "no decision to stop a trial is on record"
        return
    yield f"{found.condemned} trials were to be stopped: {found.stopped} were, {len(found.spared)} ran on as a sample"
    yield f"epochs saved {found.epochs_saved}, less {found.epochs_spent} for the sample"
    if not found.judged:
        yield "none of the sample has ended yet, so nothing is known about how often stopping was wrong"
        return
    low, high = found.interval()
    yield f"{len(found.winners)} of {len(found.judged)} in the sample that ended beat every other trial of their sweep:"
    yield f"  false prunes {found.false_prune_rate:.1%}, with 90 % confidence {low:.1%} to {high:.1%}"
    yield f"  lost by stopping one trial, on average: {found.mean_gain:.4g} of the metric"
    for winner in found.winners:
        yield f"  {winner.trial_id} was to be stopped after epoch {winner.step} and won by {winner.gain:.4g}"


def as_data(found: Audit) -> dict[str, Any]:
    """The audit for programs."""
    low, high = found.interval()
    return {
        "condemned": found.condemned,
        "stopped": found.stopped,
        "judged": len(found.judged),
        "false_prune_rate": found.false_prune_rate,
        "interval_90": [low, high],
        "mean_gain": found.mean_gain,
        "epochs_saved": found.epochs_saved,
        "epochs_spent": found.epochs_spent,
        "spared": list(found.spared),
    }
