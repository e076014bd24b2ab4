"""A task described by the user's own code: what ``metahp recommend --describe file.py:function`` makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metahp.describe import Description, describe, is_model
from metahp.errors import MetaHPError, RecordError
from metahp.types import check_task
from metahp_cluster.user_code import import_file

_PARTS = ("inputs", "labels", "model")
_WHAT = "a Keras model, a tf.data.Dataset, an array, (inputs, labels), a tuple of these with a model, or a description"


def described_by(named: str) -> Description:
    """What `metahp.describe` says of what a function without arguments returns.

    Args:
        named: ``file.py:function``.

    Raises:
        RecordError: there is no such function, it raises, or returns none of what can be described.
        SweepSpecError: the file raises while it is imported.
    """
    file, _, name = named.rpartition(":")
    path = Path(file)
    if not file or not path.is_file():
        raise RecordError(f"--describe takes file.py:function with a file that is there, got {named!r}")
    function = getattr(import_file(path.absolute()), name, None)
    if not callable(function):
        raise RecordError(f"{path} has no function {name!r} that could describe the task")
    try:
        made = function()
    except Exception as problem:
        raise RecordError(
            f"{named} raises {type(problem).__name__}: {problem}; it is called without arguments"
        ) from problem
    return _described(made, named)


def _described(made: Any, named: str) -> Description:
    if isinstance(made, Mapping):
        named_parts = {key: made[key] for key in _PARTS if key in made}
        return describe(**named_parts) if named_parts else _plain(made, named)
    parts = made if isinstance(made, tuple) else (made,)
    models, data = [each for each in parts if is_model(each)], [each for each in parts if not is_model(each)]
    if made is None or len(models) > 1 or len(data) > 2:
        raise RecordError(f"{named} returns {_shape(made)}; it must return {_WHAT}")
    return describe(*data, model=models[0] if models else None)


def _plain(made: Mapping[str, Any], named: str) -> Description:
    try:
        check_task(made)
    except MetaHPError as problem:
        raise RecordError(f"{named} returns a mapping with {_PARTS} or plain values only: {problem}") from problem
    return dict(made)


def _shape(made: Any) -> str:
    if isinstance(made, tuple):
        return f"({', '.join(type(each).__name__ for each in made)})"
    return type(made).__name__
