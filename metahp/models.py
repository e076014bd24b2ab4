"""The predictor a store has already paid for: kept beside its sweeps, brought up to date before each new one.

::

    <store>/models/<version>/predictor/…     what `Predictor.save` wrote
    <store>/models/<version>/card.json       what it is made of: how far the store was read, when, from how much

A version appears whole, by one rename, with the cursor of the store it has learned from, so a crash neither skips a
sweep nor teaches one twice. Versions sort by time; anything wrong with one means falling back to the one before, and
finally to training anew: a damaged model never costs more than time.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import metahp
from metahp.errors import StoreError
from metahp.keras_predictor import KerasPredictor
from metahp.predictor import Contest, Predictor
from metahp.prior_predictor import PriorPredictor
from metahp.shipped import shipped_predictor
from metahp.store import Cursor, Store
from metahp.store.files import TEMPORARY
from metahp.store.spool import uuid7
from metahp.types import SweepHistory

CARD, PREDICTOR = "card.json", "predictor"
KEPT_VERSIONS = 3
_ABANDONED_S = 3600.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Card:
    """What a version is made of.

    Attributes:
        version: its name; later ones sort after earlier ones.
        metahp: the version of MetaHP that made it.
        created_at: seconds since the epoch.
        cursor: how far the store was read for it.
        learned: trials of each sweep that it learned since the version before.
        contest: how its network did against that of the version before; the better one is in the version.
    """

    version: str
    metahp: str
    created_at: float
    cursor: Mapping[str, Any]
    learned: Mapping[str, int]
    contest: Contest | None = None


def load_or_fit(
    store: Store, *, exclude: Collection[str] = (), first: Callable[[], KerasPredictor] = shipped_predictor
) -> Predictor:
    """The newest predictor of a store, after it has learned what the store has seen since.

    Takes a moment where nothing is new, and up to minutes where a long history is learned for the first time. The
    result is saved for the next sweep, where the store can be written.

    Args:
        store: whose sweeps to learn from.
        exclude: sweep_ids not to learn from now, above all the one that the predictor is wanted for: what it has
            shown is an observation, and would count twice.
        first: gives what a store begins with that has learned nothing yet. What ships with MetaHP does not get lost
            when the first own sweep is learned, see `metahp.surrogate.knowledge.SHIPPED_COUNT_AS`.

    Returns:
        a `KerasPredictor`; where there is nothing to learn from, the first one, or a `PriorPredictor` without it.
    """
    for version in _versions(store):
        try:
            predictor, cursor = _load(version)
        except Exception as problem:  # a damaged model can fail in any way, and must never cost a sweep
            _log.warning("the model %s cannot be used, an older one or a new one is: %s", version, problem)
            continue
        return _taught(store, predictor, cursor, exclude) or predictor
    try:
        begun = first()
    except StoreError as problem:
        _log.warning("the shipped predictor cannot be used, the store begins without: %s", problem)
        return _taught(store, KerasPredictor(), None, exclude) or PriorPredictor()
    return _taught(store, begun, None, exclude) or begun


def begin(store: Store, predictor: KerasPredictor) -> None:
    """Give a store a predictor to go on from, e.g. that of another store, in place of the one that ships.

    What the store holds now counts as learned.
    """
    _save(store, predictor, store.cursor(), [])


def newest_version(store: Store) -> str | None:
    """The name of the newest version, None where there is none; later ones sort after earlier ones."""
    return next((path.name for path in _versions(store)), None)


def load_version(store: Store, version: str) -> Predictor:
    """A saved predictor.

    Raises:
        StoreError: it is damaged, or gone.
    """
    try:
        return _load(store.path / "models" / version)[0]
    except (OSError, ValueError, KeyError) as problem:
        raise StoreError(f"the model {version} of {store.location} cannot be loaded: {problem}") from problem


def _taught(
    store: Store, predictor: KerasPredictor, cursor: Cursor | None, exclude: Collection[str]
) -> KerasPredictor | None:
    """The predictor after it learned everything behind the cursor; None if there is nothing."""
    reached = store.cursor()  # read before the curves: what arrives in between is learned twice, never skipped
    news = [] if reached == cursor else store.curves(since=cursor)
    learned = [own for own in news if own.sweep.sweep_id not in exclude]
    if not any(_teaches(own) for own in learned):
        return None
    predictor.update(learned)
    if len(learned) == len(news):  # else the cursor would claim that the excluded sweep was learned
        _save(store, predictor, reached, learned)
    return predictor


def _teaches(own: SweepHistory) -> bool:
    return any(len(trial.curve) for trial in own.trials)


def cards(store: Store) -> list[Card]:
    """Of all versions that are kept and whole, the newest first."""
    found = []
    for version in _versions(store):
        try:
            found.append(_card(version))
        except (OSError, ValueError, TypeError) as problem:
            if version.exists():  # else a learner has tidied it away in between
                _log.warning("the model %s is damaged: %s", version, problem)
    return found


def forget_after(store: Store, version: str) -> list[str]:
    """Removes all versions after one; what they had learned is learned anew from there.

    Returns:
        the names of those removed.

    Raises:
        StoreError: there is no such version, or a newer one cannot be removed.
    """
    names = [path.name for path in _versions(store)]
    if version not in names:
        raise StoreError(f"{store.location} keeps no model {version!r}; metahp model list names those it has")
    newer = names[: names.index(version)]
    for name in newer:
        try:
            _remove(store.path / "models" / name)
        except OSError as problem:
            raise StoreError(f"the model {name} of {store.location} cannot be removed: {problem}") from problem
    return newer


def _card(version: Path) -> Card:
    told = json.loads((version / CARD).read_text(encoding="utf-8"))
    contest = told.pop("contest", None)
    return Card(**told, contest=Contest(**contest) if contest else None)


def _load(version: Path) -> tuple[KerasPredictor, Cursor]:
    return KerasPredictor.load(version / PREDICTOR), Cursor.from_json(json.dumps(_card(version).cursor))


def _save(store: Store, predictor: KerasPredictor, cursor: Cursor, learned: Sequence[SweepHistory]) -> None:
    directory = store.path / "models"
    version = str(uuid7())
    sweeps = {own.sweep.sweep_id: len(own.trials) for own in learned}
    read = json.loads(cursor.to_json())
    card = Card(version, metahp.__version__, time.time(), read, sweeps, predictor.contest)
    try:
        temporary = directory / f"{TEMPORARY}{version}"
        (temporary / PREDICTOR).mkdir(parents=True)
        predictor.save(temporary / PREDICTOR)
        (temporary / CARD).write_text(json.dumps(asdict(card), indent=1), encoding="utf-8")
        temporary.rename(directory / version)
        _tidy(store)
    except (OSError, StoreError) as problem:
        _log.warning("the predictor is not kept for the next sweep, which will train it again: %s", problem)


def _versions(store: Store) -> list[Path]:
    """The newest first."""
    return sorted(_entries(store, temporary=False), reverse=True)


def _entries(store: Store, *, temporary: bool) -> Iterator[Path]:
    directory = store.path / "models"
    try:
        found = list(directory.iterdir()) if directory.is_dir() else []
    except OSError as problem:
        _log.warning("the models in %s cannot be listed: %s", directory, problem)
        found = []
    return (path for path in found if path.is_dir() and path.name.startswith(TEMPORARY) == temporary)


def _tidy(store: Store) -> None:
    """Removes versions nobody needs any more, and what a crash left half written."""
    abandoned = time.time() - _ABANDONED_S
    for path in _versions(store)[KEPT_VERSIONS:]:
        with contextlib.suppress(OSError):  # another learner was faster, or the next one will be luckier
            _remove(path)
    for path in _entries(store, temporary=True):
        if path.stat().st_mtime < abandoned:
            shutil.rmtree(path, ignore_errors=True)


def _remove(version: Path) -> None:
    """It goes whole, as it came: who is killed in between leaves no half version."""
    gone = version.rename(version.with_name(f"{TEMPORARY}{version.name}-removed"))
    shutil.rmtree(gone, ignore_errors=True)
