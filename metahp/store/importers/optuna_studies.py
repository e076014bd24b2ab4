"""The studies in an Optuna storage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from metahp.domains import Domain
from metahp.errors import SearchSpaceError, StoreError
from metahp.space import Categorical, Float, Int, Node, SearchSpace
from metahp.store.importers.found import FoundSweep, longest
from metahp.store.importers.inference import optional
from metahp.types import Mode, TrialStatus

_STATUS = {
    "COMPLETE": TrialStatus.COMPLETED,
    "PRUNED": TrialStatus.STOPPED,
    "FAIL": TrialStatus.ERRORED,
    "RUNNING": TrialStatus.RUNNING,
    "WAITING": TrialStatus.PENDING,
}


def optuna_studies(url: str, study: str | None = None, *, metric: str = "value") -> list[FoundSweep]:
    """The studies of a storage, with the distributions that their trials were drawn from as search spaces.

    Reported intermediate values are the curve, with steps counted from 1; a trial that reported none has its final
    value as its last step. A hyperparameter that not all trials have becomes a choice between None and its values.

    Args:
        url: as Optuna takes it, e.g. ``sqlite:///study.db``.
        study: only the study of this name.
        metric: what the values are called here; Optuna has no name for them.

    Raises:
        StoreError: Optuna is not installed, the storage cannot be read, or there is no such study.
    """
    optuna = _optuna()
    try:
        storage = _storage(optuna, url)
        names = [found.study_name for found in storage.get_all_studies()]
    except StoreError:
        raise
    except Exception as problem:  # SQLAlchemy's errors, and those of whatever driver it uses
        raise StoreError(f"cannot read the Optuna storage {_safe(url)}: {problem}"[:500]) from problem
    if not names:
        raise StoreError(f"{_safe(url)} is an Optuna storage without studies")
    if study is not None and study not in names:
        raise StoreError(f"{_safe(url)} holds no study {study!r}; it holds {', '.join(map(repr, names)) or 'none'}")
    wanted = names if study is None else [study]
    return [_study(optuna.load_study(study_name=name, storage=storage), metric) for name in wanted]


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise StoreError("reading Optuna's storages needs Optuna; install it by: pip install optuna") from None
    return optuna


def _storage(optuna: Any, url: str) -> Any:
    """The storage, without Optuna's habit of making its tables in whatever database it is given."""
    import sqlalchemy  # comes with Optuna

    given = _read_only(sqlalchemy.engine.make_url(url))
    engine = sqlalchemy.create_engine(given)
    try:
        has_studies = sqlalchemy.inspect(engine).has_table("studies")
    finally:
        engine.dispose()
    if not has_studies:
        raise StoreError(f"{_safe(url)} is no Optuna storage: it has no table 'studies'")
    text = given.render_as_string(hide_password=False)
    return optuna.storages.get_storage(optuna.storages.RDBStorage(text, skip_table_creation=True))


def _read_only(url: Any) -> Any:
    """The URL of a file with the demand that nothing be written to it; others as they are."""
    if url.get_backend_name() != "sqlite":
        return url
    file = Path(url.database or "")
    if not file.is_file():
        raise StoreError(f"there is no file {file}; give the URL of an Optuna storage, e.g. sqlite:///study.db")
    return url.set(database=file.absolute().as_uri(), query={"mode": "ro", "uri": "true"})


def _safe(url: str) -> str:
    """The URL without its password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url


def _study(study: Any, metric: str) -> FoundSweep:
    if len(study.directions) > 1:
        raise StoreError(f"study {study.study_name!r} has {len(study.directions)} objectives; a sweep has one")
    mode = Mode.MAX if study.direction.name == "MAXIMIZE" else Mode.MIN
    # One that waits has no configuration yet.
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name != "WAITING"]
    names = sorted({name for trial in trials for name in trial.params})
    steps = [step for trial in trials for step in trial.intermediate_values]
    shift = 1 if steps and min(steps) < 1 else 0  # Optuna's steps often count from 0
    last = max(steps, default=1 - shift) + shift
    found = [_trial(trial, names, shift, last) for trial in trials]
    max_step = longest([own["curve"] for own in found])
    return FoundSweep(study.study_name, metric, mode, found, _space(trials, names), max_step)


def _trial(trial: Any, names: Sequence[str], shift: int, last: int) -> dict[str, Any]:
    curve: list[tuple[float, ...]] = [
        (step + shift, value) for step, value in sorted(trial.intermediate_values.items())
    ]
    if not curve and trial.values:
        curve = [(last, trial.values[0])]
    seconds = trial.duration.total_seconds() if trial.duration is not None else None
    if curve and seconds is not None:
        curve[-1] = (*curve[-1], seconds)
    return {
        "trial_id": str(trial.number),
        "config": {name: trial.params.get(name) for name in names},
        "curve": curve,
        "status": _STATUS[trial.state.name],
    }


def _space(trials: Sequence[Any], names: Sequence[str]) -> SearchSpace:
    return SearchSpace({name: _node(name, trials) for name in names if not set(name) & set("/[")})


def _node(name: str, trials: Sequence[Any]) -> Node:
    given = [trial.distributions[name] for trial in trials if name in trial.distributions]
    node = _domain(given)
    return node if len(given) == len(trials) else optional(node)


def _domain(given: Sequence[Any]) -> Domain:
    """The union of the distributions that one hyperparameter had: their bounds may change between trials."""
    first = given[0]
    if hasattr(first, "choices"):
        return Categorical(tuple(first.choices))
    low, high = min(one.low for one in given), max(one.high for one in given)
    kind = Int if isinstance(low, int) and isinstance(high, int) else Float
    try:
        return kind(low, high, first.log, first.step)
    except SearchSpaceError:  # the steps of a union need not meet its bounds
        return kind(low, high, first.log)
