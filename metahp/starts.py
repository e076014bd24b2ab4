"""What it costs to begin a trial, against what it costs to look at a running one once more.

Where a network is built and compiled for longer than it is trained between two reports, a trial that is stopped after
its first report has wasted nearly all that it took. What a stop saves is then small, and its replacement dear.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from metahp.types import Measurement, Trial

_NOTEWORTHY = 3.0  # reports; first epochs on LCBench often take twice as long as later ones, though nothing is compiled


def steps_per_start(trials: Sequence[Trial]) -> float:
    """How many steps of training take as long as a trial takes to start, or to go on from a pause.

    Args:
        trials: of one sweep.

    Returns:
        the median over the trials that told their times: what training itself does not explain of the time until the
        first report. 0 where a start takes less than a few reports, or nothing is known of it.
    """
    begun = _begun(trials)
    known = [reports for reports in (_reports_per_start(*pair) for pair in begun) if math.isfinite(reports)]
    reports = median(known or [0.0])
    return reports * median(second.step - first.step for first, second in begun) if reports >= _NOTEWORTHY else 0.0


def _begun(trials: Sequence[Trial]) -> list[tuple[Measurement, Measurement]]:
    """The first two reports of those that have as many."""
    return [(reports[0], reports[1]) for trial in trials if len(reports := trial.curve.measurements) > 1]


def _reports_per_start(first: Measurement, second: Measurement) -> float:
    """In units of the time between the two; NaN where times are unknown or stand still."""
    took_s = second.elapsed_s - first.elapsed_s
    if not (took_s > 0.0 and first.elapsed_s > 0.0):
        return math.nan
    return first.elapsed_s / took_s - first.step / (second.step - first.step)
