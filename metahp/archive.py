"""A saved predictor on disk: ``predictor.json`` and ``arrays.npz``, nothing that could run code when it is read."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metahp.errors import StoreError, StoreVersionError

FORMAT = 2
_JSON, _ARRAYS = "predictor.json", "arrays.npz"


def write_archive(directory: Path, kind: str, data: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write plain data and arrays into an existing directory.

    Raises:
        StoreError: the directory cannot be written.
    """
    try:
        with (directory / _ARRAYS).open("wb") as file:
            np.savez(file, allow_pickle=False, **dict(arrays))
        document = {"format": FORMAT, "kind": kind, "data": dict(data)}
        (directory / _JSON).write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
    except OSError as problem:
        raise StoreError(f"cannot save the predictor to {directory}: {problem}; give a writable directory") from problem


def read_archive(directory: Path, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The data and arrays that `write_archive` wrote.

    Raises:
        StoreError: they are missing, damaged or of another kind.
        StoreVersionError: another version of MetaHP wrote them.
    """
    try:
        document = json.loads((directory / _JSON).read_text(encoding="utf-8"))
        found, version, data = document["kind"], document["format"], dict(document["data"])
        with np.load(directory / _ARRAYS, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as problem:
        raise damaged(directory, problem) from problem
    if version != FORMAT:
        raise StoreVersionError(
            f"the predictor in {directory} has format {version}, this MetaHP reads {FORMAT}; "
            "use the MetaHP that wrote it, or remove the directory to train anew"
        )
    if found != kind:
        raise StoreError(f"{directory} holds a predictor of kind {found!r}, not {kind!r}; load it with its own class")
    return data, arrays


def damaged(directory: Path, problem: Exception) -> StoreError:
    """The error for a directory that holds no readable predictor."""
    return StoreError(
        f"{directory} holds no readable predictor ({type(problem).__name__}: {problem}); "
        "remove it and train anew from the store"
    )
