"""Which sweeps have so much in common that one says something of the other."""

from __future__ import annotations

from metahp.surrogate.names import ENOUGH_OVERLAP, overlap
from metahp.types import Sweep


def are_alike(sweep: Sweep, other: Sweep) -> bool:
    """Whether both optimise the same metric in the same direction, and share half of the hyperparameters or more."""
    same = (sweep.metric, sweep.mode) == (other.metric, other.mode)
    return same and min(overlap(sweep.space, other.space), overlap(other.space, sweep.space)) >= ENOUGH_OVERLAP
