"""``metahp audit``: how often stopping a trial was right, as far as anybody can know."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from metahp.audit import Audit
from metahp.audit import audit as audit_of
from metahp.certificate import Certificate
from metahp.coverage import Coverage, coverage
from metahp.policy import MAX_FALSE_PRUNES
from metahp.prior_evidence import certified
from metahp.store import Store
from metahp_cluster.as_json import AsJson, print_json
from metahp_cluster.audit_text import forecasts_told, told
from metahp_cluster.damage import warn_of_holes
from metahp_cluster.own_store import Location, opened
from metahp_cluster.printable import print_lines
from metahp_cluster.sweep_ids import known_id

CONFIDENCE = 0.9


def audit(
    location: Location = None,
    sweep_id: Annotated[
        str | None, typer.Option("--sweep", help="By name or id; by default all of them.", metavar="SWEEP")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how often stopping trials was right: some run on all the same, so that this is known.

    Of sweeps in shadow mode it says what stopping would have saved, and which trials it would have ended.

    Example: metahp audit ~/sweeps
    """
    store = opened(location)
    if sweep_id is None:
        found, seen = audit_of_all(store)
    else:
        own = known_id(store, sweep_id)
        history, decisions = store.history(own), store.decisions(own)
        found, seen = audit_of(history, decisions), coverage(history, decisions)
    promise = promise_of(store)
    warn_of_holes(store)
    if as_json:
        print_json(_data(found) | {"forecasts": seen, "certificate": promise})
    else:
        print_lines([*told(found), *forecasts_told(seen), str(promise)])


def audit_of_all(store: Store) -> tuple[Audit, Coverage]:
    """The audits of all sweeps of a store, and what has come of their forecasts, taken together.

    Raises:
        StoreError: the store cannot be read.
    """
    found, seen = Audit(), Coverage()
    for history in store.curves():
        decisions = store.decisions(history.sweep.sweep_id)
        found += audit_of(history, decisions)
        seen += coverage(history, decisions)
    return found, seen


def promise_of(store: Store) -> Certificate:
    """By which threshold a sweep with ``guarantee: 0.9`` would stop, as far as all sweeps of a store vouch for it.

    Raises:
        StoreError: the store cannot be read.
    """
    return certified(store, None, MAX_FALSE_PRUNES, CONFIDENCE)


def _data(found: Audit) -> dict[str, Any]:
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
        "shadow": {
            "would_stop": len(found.shadowed),
            "would_save": found.epochs_shadowed,
            "of_epochs": found.epochs_trained,
            "winners": [each.trial_id for each in found.shadowed if each.gain > 0],
        },
        "spared": [asdict(each) for each in found.spared],
    }
