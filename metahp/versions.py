"""The versions of a store's predictor: each one a folder that comes whole, by one rename, and goes whole.

::

    <store>/models/<version>/predictor/…   what `Predictor.save` wrote
    <store>/models/<version>/card.json     what it is made of: how far the store was read, when, from how much
    <store>/models/cards.jsonl             the cards of versions that are gone: decisions go on naming them
    <store>/models/pin.json                the version that `roll_back` made the newest, until `unpin`

Names sort by age. A version is published only if nothing has come since the one that it was trained from, under a lock
that is held for that moment alone: so each one has read further than those before it, whoever made them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from filelock import FileLock

from metahp.errors import StoreError
from metahp.predictor import Contest, Predictor
from metahp.store import Store, codec
from metahp.store.files import TEMPORARY
from metahp.store.spool import is_uuid, uuid7

CARD, PREDICTOR = "card.json", "predictor"
KEPT_VERSIONS = 5
KEPT_DAYS = 30
"""Of so many days with versions the last one is kept: 5 versions are 100 seconds of a learner with much to do."""
_GONE, _PIN = "cards.jsonl", "pin.json"
_ABANDONED_S = 3600.0
_PATIENCE_S = 60.0  # for a lock that is held for milliseconds, or while an old version is deleted

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Card:
    """What a version is made of.

    Attributes:
        version: its name; later ones sort after earlier ones.
        metahp: the version of MetaHP that made it.
        created_at: seconds since the epoch.
        cursor: how far the store was read for it; empty for a version that is gone.
        learned: trials of each sweep that it learned since the version before.
        contest: how its network did against that of the version before; the better one is in the version.
        commit: of MetaHP, where it ran from a clone.
        before: the version that it was trained from, None for what a store begins with.
        rows: reports that the store had published up to the cursor: what this version and those before it have read,
            or, in a store that was given a predictor, have skipped.
    """

    version: str
    metahp: str
    created_at: float
    cursor: Mapping[str, Any]
    learned: Mapping[str, int]
    contest: Contest | None = None
    commit: str | None = None
    before: str | None = None
    rows: int | None = None


def names(store: Store) -> list[str]:
    """The versions that may be used, the newest first: all that are kept, up to one that is pinned."""
    pin = pinned(store)
    found = sorted((path.name for path in _entries(store, temporary=False)), reverse=True)
    return [name for name in found if pin is None or name <= pin]


def folder(store: Store, version: str) -> Path:
    """Where a version lies."""
    return store.path / "models" / version


def card_of(store: Store, version: str) -> Card:
    """The card of a version that is kept.

    Raises:
        OSError: there is none.
        ValueError: it is damaged.
    """
    return _card(codec.parse((folder(store, version) / CARD).read_text(encoding="utf-8")))


def cards(store: Store) -> list[Card]:
    """Of all versions that are kept and whole, the newest first."""
    found = []
    for version in names(store):
        try:
            found.append(card_of(store, version))
        except (OSError, ValueError) as problem:
            if folder(store, version).exists():  # else a learner has tidied it away in between
                _log.warning("the model %s is damaged: %s", version, problem)
    return found


def gone_cards(store: Store) -> list[Card]:
    """Of the versions that are not kept any more, the newest first; lines torn by a crash are left out."""
    found: dict[str, Card] = {}
    with contextlib.suppress(FileNotFoundError), (store.path / "models" / _GONE).open(encoding="utf-8") as lines:
        for line in lines:
            with contextlib.suppress(ValueError):
                card = _card(codec.parse(line))
                found[card.version] = card
    return [found[version] for version in sorted(found, reverse=True) if not folder(store, version).exists()]


def publish(store: Store, predictor: Predictor, card: Card) -> str | None:
    """Make a predictor the newest version of a store.

    Args:
        store: whose.
        predictor: what is saved.
        card: about it; ``before`` is the version that must still be the newest. Its name is given here.

    Returns:
        its name; None if it is outdated: another version has come since, or one was pinned.

    Raises:
        OSError: the store cannot be written.
        StoreError: likewise.
    """
    temporary = folder(store, f"{TEMPORARY}{uuid7()}")
    try:
        (temporary / PREDICTOR).mkdir(parents=True)
        predictor.save(temporary / PREDICTOR)
        with _publishing(store):
            if (next(iter(names(store)), None), pinned(store)) != (card.before, None):
                return None
            version = _name_after(card.before)
            told = json.dumps(asdict(replace(card, version=version)), indent=1)
            (temporary / CARD).write_text(told, encoding="utf-8")
            temporary.rename(folder(store, version))
            tidy(store)
        return version
    finally:  # where it has not become the version: a full disk stays no fuller than it was
        shutil.rmtree(temporary, ignore_errors=True)


def pinned(store: Store) -> str | None:
    """The version that the predictor of a store was rolled back to, None where it goes on learning."""
    try:
        return str(codec.parse((store.path / "models" / _PIN).read_text(encoding="utf-8"))["version"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as problem:
        _log.warning("what pins the model of %s cannot be read, and does not count: %s", store.location, problem)
        return None


def roll_back(store: Store, version: str) -> list[str]:
    """Removes all versions after one, and holds the predictor there: nothing is learned before `unpin`.

    Else the next step of a learner would make the same version again from the same rows.

    Returns:
        the names of those removed.

    Raises:
        StoreError: there is no such version, or the store cannot be written.
    """
    try:
        with _publishing(store):
            known = names(store)
            if version not in known:
                raise StoreError(f"{store.location} keeps no model {version!r}; metahp model list names those it has")
            _write_pin(store, version)
            newer = known[: known.index(version)]
            for name in newer:
                _remove(store, name)
    except OSError as problem:
        raise StoreError(f"the models of {store.location} cannot be rolled back: {problem}") from problem
    return newer


def unpin(store: Store) -> bool:
    """Let the predictor learn again, from the version that it was held at; False if it was not held.

    Raises:
        StoreError: the store cannot be written.
    """
    try:
        (store.path / "models" / _PIN).unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as problem:
        raise StoreError(f"the model of {store.location} cannot be unpinned: {problem}") from problem
    return True


def tidy(store: Store) -> None:
    """Removes versions nobody needs any more, and what a crash left half written."""
    for version in _needless(names(store)):
        with contextlib.suppress(OSError):  # another learner was faster, or the next one will be luckier
            _remove(store, version)
    abandoned = time.time() - _ABANDONED_S
    for path in _entries(store, temporary=True):
        if path.stat().st_mtime < abandoned:
            shutil.rmtree(path, ignore_errors=True)


def _needless(newest_first: list[str]) -> list[str]:
    """All but the newest ones and the last one of each of the last days."""
    last_of_day: dict[int, str] = {}
    for version in newest_first:
        last_of_day.setdefault(_day(version), version)
    kept = {*newest_first[:KEPT_VERSIONS], *list(last_of_day.values())[:KEPT_DAYS]}
    return [version for version in newest_first if version not in kept]


def _day(version: str) -> int:
    """The day on which a version was made, by its name."""
    return int(version.replace("-", "")[:12], 16) // 86_400_000


def _name_after(version: str | None) -> str:
    """A name for now that sorts after another one, also where the clock that made that one is ahead of this one."""
    name = str(uuid7())
    return name if version is None or name > version else str(UUID(int=UUID(version).int + (1 << 80)))


def _publishing(store: Store) -> FileLock:
    return FileLock(store.path / "models.publish.lock", timeout=_PATIENCE_S)


def _write_pin(store: Store, version: str) -> None:
    temporary = store.path / "models" / f"{TEMPORARY}{_PIN}"
    temporary.write_text(json.dumps({"version": version, "at": time.time()}), encoding="utf-8")
    temporary.replace(store.path / "models" / _PIN)


def _card(told: Any) -> Card:
    """Raises: ValueError: it says something else."""
    try:
        contest = told.pop("contest", None)
        return Card(**told, contest=Contest(**contest) if contest else None)
    except (TypeError, AttributeError) as problem:
        raise ValueError(f"not the card of a model: {problem}") from problem


def _entries(store: Store, *, temporary: bool) -> Iterator[Path]:
    directory = store.path / "models"
    try:
        found = [] if directory.is_symlink() or not directory.is_dir() else list(directory.iterdir())
    except OSError as problem:
        _log.warning("the models in %s cannot be listed: %s", directory, problem)
        found = []
    own = (path for path in found if path.is_dir() and not path.is_symlink())  # a link leads to what is not ours
    return (path for path in own if (path.name.startswith(TEMPORARY) if temporary else is_uuid(path.name)))


def _remove(store: Store, version: str) -> None:
    """It goes whole, as it came: who is killed in between leaves no half version. Its card stays, without cursor."""
    with contextlib.suppress(OSError, ValueError):
        _append(store, json.dumps(asdict(replace(card_of(store, version), cursor={}))))
    path = folder(store, version)
    gone = path.rename(path.with_name(f"{TEMPORARY}{version}-removed"))
    shutil.rmtree(gone, ignore_errors=True)


def _append(store: Store, line: str) -> None:
    """It begins with a new line, so that one which a crash has torn does not spoil this one."""
    with (store.path / "models" / _GONE).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
        file.flush()
        os.fsync(file.fileno())
