"""A task described by its data: what ``metahp recommend --data`` makes of a NumPy file."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from metahp.describe import Description, describe
from metahp.errors import RecordError

INPUTS = ("x", "x_train", "inputs", "data", "images", "features")
LABELS = ("y", "y_train", "labels", "target", "targets")


def described(path: Path) -> Description:
    """What `metahp.describe` says of the inputs in an ``.npz`` or ``.npy`` file, and of the labels if it has some.

    Raises:
        RecordError: there is no such file, it is none of NumPy's, holds Python objects, or lacks inputs by that name.
    """
    try:
        with open(path, "rb") as file:
            return _of(np.load(file, allow_pickle=False), path)
    except OSError as problem:
        raise RecordError(f"{path} cannot be read: {problem.strerror or problem}") from problem
    except (ValueError, EOFError, zipfile.BadZipFile) as problem:
        if isinstance(problem, RecordError):
            raise
        raise RecordError(f"{path} cannot be read as arrays of NumPy: {problem}") from problem


def _of(found: Any, path: Path) -> Description:
    if isinstance(found, np.ndarray):
        return describe(found)
    there = {name.lower(): name for name in found.files}
    inputs, labels = (next((there[name] for name in names if name in there), None) for names in (INPUTS, LABELS))
    if inputs is None:
        raise RecordError(
            f"{path} has the arrays {', '.join(found.files) or 'none'}; call the inputs {INPUTS[0]!r} and the labels "
            f"{LABELS[0]!r} (or {', '.join((*INPUTS[1:], *LABELS[1:]))})"
        )
    return describe(found[inputs], None if labels is None else found[labels])
