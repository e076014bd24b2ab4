"""What a trial of a sweep gets of the machines: one small JSON file a sweep, below ``shares/``."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import asdict, dataclass

from metahp.store import codec
from metahp.store.places import Place

FOLDER = "shares"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrialShare:
    """What one trial gets.

    Attributes:
        devices: GPUs, or where it takes none, cores.
        unit: what these times its hours are called.
    """

    devices: float
    unit: str


UNKNOWN = TrialShare(1.0, "hours of training")
"""Of sweeps that were imported, or run by somebody else's script."""


class ShareBook:
    """The shares of the sweeps of one store."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def note(self, sweep_id: str, share: TrialShare) -> None:
        """Keep what the trials of a sweep get; a store that refuses costs no more than the hours' unit."""
        try:
            self._place.prepare(FOLDER)
            self._place.delete(_name(sweep_id))  # a resumed sweep may have another one
            self._place.create(_name(sweep_id), json.dumps(asdict(share)).encode())
        except OSError as problem:
            _log.warning("what a trial of the sweep gets is not noted in %s: %s", self._place.location, problem)

    def of(self, sweep_id: str) -> TrialShare:
        """What the trials of a sweep got, `UNKNOWN` where that was not noted or cannot be read."""
        try:
            told = codec.parse(self._place.read(_name(sweep_id)))
            return TrialShare(float(told["devices"]), str(told["unit"]))
        except (OSError, ValueError, KeyError, TypeError):
            return UNKNOWN


def _name(sweep_id: str) -> str:
    """Ids are anybody's words; a file name is not."""
    return f"{FOLDER}/{re.sub(r'[^A-Za-z0-9_.-]', '_', sweep_id)}.json"
