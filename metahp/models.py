"""The predictor a store has already paid for: kept beside its sweeps, brought up to date before each new one.

A version holds, with the predictor, the cursor of the store it has learned from, so a crash neither skips a row nor
teaches one twice (`metahp.versions`). Anything wrong with one means falling back to the one before, and finally to
training anew: a damaged model never costs more than time.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import metahp
from metahp import versions
from metahp.commit import commit
from metahp.errors import StoreError
from metahp.keras_predictor import KerasPredictor
from metahp.predictor import Predictor
from metahp.prior_predictor import PRIOR, PriorPredictor
from metahp.shipped import shipped_predictor
from metahp.store import Cursor, Store
from metahp.types import SweepHistory
from metahp.versions import PREDICTOR, Card

SHIPPED = "shipped"
"""What the predictor that ships is called in decisions."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Model:
    """A predictor of a store.

    Attributes:
        predictor: the predictor.
        version: what it is called in decisions: a version of the store, with ``+`` behind it if it has learned more
            that was not saved, or `SHIPPED` or `PRIOR`.
        cursor: how far it has read the store, None if not at all.
        newest: the newest version of the store when it was found, whether or not it could be used.
    """

    predictor: KerasPredictor
    version: str
    cursor: Cursor | None
    newest: str | None

    @property
    def is_saved(self) -> bool:
        """Whether it is the version that was the newest one."""
        return self.version == self.newest


def load_or_fit(
    store: Store, *, exclude: Collection[str] = (), first: Callable[[], KerasPredictor] = shipped_predictor
) -> Predictor:
    """The newest predictor of a store, after it has learned what the store has seen since.

    Takes a moment where nothing is new, and up to minutes where a long history is learned for the first time. The
    result is saved for the next sweep, where the store can be written. One that was rolled back learns nothing.

    Args:
        store: whose sweeps to learn from.
        exclude: sweep_ids not to learn from now, above all the one that the predictor is wanted for: what it has
            shown is an observation, and would count twice.
        first: gives what a store begins with that has learned nothing yet. What ships with MetaHP does not get lost
            when the first own sweep is learned, see `metahp.surrogate.knowledge.SHIPPED_COUNT_AS`.

    Returns:
        a `KerasPredictor`; where there is nothing to learn from, the first one, or a `PriorPredictor` without it.
    """
    model = up_to_date(store, exclude=exclude, first=first)
    return PriorPredictor() if model.version == PRIOR else model.predictor


def up_to_date(
    store: Store, *, exclude: Collection[str] = (), first: Callable[[], KerasPredictor] = shipped_predictor
) -> Model:
    """The same as `load_or_fit`, with what it is called."""
    return taught(store, found(store, first), exclude)


def found(store: Store, first: Callable[[], KerasPredictor] = shipped_predictor) -> Model:
    """The newest predictor of a store that can be used, as it is, or what the store begins with."""
    there = versions.names(store)
    newest = next(iter(there), None)
    for version in there:
        try:
            return Model(*_load(store, version), newest)
        except Exception as problem:  # a damaged model can fail in any way, and must never cost a sweep
            _log.warning("the model %s cannot be used, an older one or a new one is: %s", version, problem)
    try:
        return Model(first(), SHIPPED, None, newest)
    except StoreError as problem:
        _log.warning("the shipped predictor cannot be used, the store begins without: %s", problem)
        return Model(KerasPredictor(), PRIOR, None, newest)


def taught(store: Store, model: Model, exclude: Collection[str] = ()) -> Model:
    """The model after it has learned and saved everything behind its cursor; the same where there is nothing to learn.

    Learns exactly the rows up to where the store reaches now: what arrives meanwhile is learned the next time, once.
    """
    if (pin := versions.pinned(store)) is not None:
        _log.warning("the model of %s was rolled back to %s; metahp model unpin lets it learn", store.location, pin)
        return model
    reached = store.cursor()
    news = [] if reached == model.cursor else store.curves(since=model.cursor, until=reached)
    learned = [own for own in news if own.sweep.sweep_id not in exclude]
    if not any(_teaches(own) for own in learned):
        return model
    model.predictor.update(learned)
    # Without the excluded ones it is not saved: the cursor would claim that they were learned.
    saved = _save(store, model, reached, learned) if len(learned) == len(news) else None
    if saved is None:
        return replace(model, version=f"{model.version.removesuffix('+')}+")
    return Model(model.predictor, saved, reached, saved)


def begin(store: Store, predictor: KerasPredictor) -> None:
    """Give a store a predictor to go on from, e.g. that of another store, in place of the one that ships.

    What the store holds now counts as learned.
    """
    _save(store, Model(predictor, SHIPPED, None, newest_version(store)), store.cursor(), [])


def newest_version(store: Store) -> str | None:
    """The name of the newest version, None where there is none; later ones sort after earlier ones."""
    return next(iter(versions.names(store)), None)


def load_version(store: Store, version: str) -> Predictor:
    """A saved predictor.

    Raises:
        StoreError: it is damaged, or gone.
    """
    try:
        return _load(store, version)[0]
    except (OSError, ValueError, KeyError) as problem:
        raise StoreError(f"the model {version} of {store.location} cannot be loaded: {problem}") from problem


def _teaches(own: SweepHistory) -> bool:
    return any(len(trial.curve) for trial in own.trials)


def _load(store: Store, version: str) -> tuple[KerasPredictor, str, Cursor]:
    cursor = Cursor.from_json(json.dumps(versions.card_of(store, version).cursor))
    return KerasPredictor.load(versions.folder(store, version) / PREDICTOR), version, cursor


def _save(store: Store, model: Model, cursor: Cursor, learned: Sequence[SweepHistory]) -> str | None:
    """The name of the new version; None if it could not be saved, or is outdated."""
    card = Card(
        version="",
        metahp=metahp.__version__,
        created_at=time.time(),
        cursor=json.loads(cursor.to_json()),
        learned={own.sweep.sweep_id: len(own.trials) for own in learned},
        contest=model.predictor.contest,
        commit=commit(),
        before=model.newest,
        rows=sum(cursor.reached.get("results", {}).values()),
    )
    try:
        return versions.publish(store, model.predictor, card)
    except (OSError, StoreError) as problem:
        _log.warning("the predictor is not kept for the next sweep, which will train it again: %s", problem)
        return None
