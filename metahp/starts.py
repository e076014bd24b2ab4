"""What it costs to begin a trial, against what it costs to look at a running one once more.

Where a network is built and compiled for longer than it is trained between two reports, a trial that is stopped after
its first report has wasted nearly all that it took. What a stop saves is then small, and its replacement dear.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from metahp.types import Measurement, Trial

_NOTEWORTHY = 4.0  # recorded first epochs on LCBench often take twice as long as later ones, though nothing is compiled


def reports_per_start(trials: Sequence[Trial]) -> float:
    """In how much time a trial comes to its first report, in units of the time from there to the second one.

    Args:
        trials: of one sweep.

    Returns:
        the median over the trials that told their times, less what training itself took until the first report, and at
        least 1: where starts cost next to nothing, or nothing is known of them.
    """
    ratios = [_ratio(first, second) for first, second in _begun(trials)]
    known = [ratio for ratio in ratios if math.isfinite(ratio)]
    found = median(known) if known else 1.0
    return found if found >= _NOTEWORTHY else 1.0


def steps_per_start(trials: Sequence[Trial]) -> float:
    """How many steps of training take as long as a trial takes to start, or to go on from a pause; see above."""
    gaps = [second.step - first.step for first, second in _begun(trials)]
    return (reports_per_start(trials) - 1.0) * median(gaps or [0])


def _begun(trials: Sequence[Trial]) -> list[tuple[Measurement, Measurement]]:
    """The first two reports of those that have as many."""
    return [(reports[0], reports[1]) for trial in trials if len(reports := trial.curve.measurements) > 1]


def _ratio(first: Measurement, second: Measurement) -> float:
    """Start and one report's training, by one report's training; NaN where times are unknown or stand still."""
    took_s = second.elapsed_s - first.elapsed_s
    if not (took_s > 0.0 and first.elapsed_s > 0.0):
        return math.nan
    return 1.0 + first.elapsed_s / took_s - first.step / (second.step - first.step)
