"""A sweep in short: the row of tiles above its page."""

from __future__ import annotations

from datetime import datetime

from markupsafe import Markup

from metahp.types import TrialStatus
from metahp_cluster import markup
from metahp_cluster.markup import Cell
from metahp_cluster.ui.watch import Entry


def sweep_facts(entry: Entry, now: datetime) -> list[tuple[str, Cell]]:
    """What the sweep has come to, in names and values."""
    own, log = entry.summary, entry.log
    counts = ", ".join(f"{own.counts[s]:,} {s}" for s in TrialStatus if own.counts[s])
    by = ", ".join(filter(None, (log.searcher, log.scheduler)))
    began = Markup("began {}").format(markup.ago(log.began, now))
    told: list[tuple[str, Cell]] = [
        (f"best {own.sweep.metric} ({own.sweep.mode})", markup.number(own.best)),
        ("status", markup.badge(entry.state(now))),
        ("trials", _with_more(f"{own.cost.trials:,}", counts)),
        ("epochs", _with_more(f"{own.cost.epochs:,}", f"{own.epochs_saved:,} saved")),
        ("training", markup.duration(own.cost.seconds)),
        ("latest", _with_more(markup.ago(log.latest, now), began)),
    ]
    return [*told, ("by", _with_more("", by))] if by else told


def _with_more(value: Cell, more: Cell) -> Markup:
    return Markup("{} <small>{}</small>").format(value, more)
