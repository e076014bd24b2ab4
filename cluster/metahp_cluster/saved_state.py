"""What a checkpoint of a Keras training holds: model and optimiser, generators, epoch, and what proves it whole.

A file that was cut short or has rotten is noticed before anything of it is loaded.
"""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import keras
import numpy as np

_STATE = "state.weights.h5"  # the model with its optimiser
_CHANCE = "chance.json"
_EPOCH = "epoch"
_DIGESTS = "digests.json"
_PARTS = (_STATE, _CHANCE, _EPOCH)


def save(folder: Path, model: keras.Model, epoch: int) -> None:
    """Writes the state of a compiled model that has been trained for so many epochs."""
    model.save_weights(folder / _STATE)
    _save_chance(folder / _CHANCE, model)
    (folder / _EPOCH).write_text(str(epoch))
    (folder / _DIGESTS).write_text(json.dumps({name: _digest(folder / name) for name in _PARTS}))


def damage(folder: Path) -> str:
    """What is wrong with a saved state; empty where nothing is."""
    try:
        wanted = json.loads((folder / _DIGESTS).read_text())
        wrong = [name for name in _PARTS if _digest(folder / name) != wanted[name]]
    except FileNotFoundError as problem:
        return f"{Path(problem.filename).name} is missing"
    except (OSError, ValueError, KeyError, TypeError):
        return f"{_DIGESTS} cannot be read"
    return f"{wrong[0]} is not what was written" if wrong else ""


def load(folder: Path, model: keras.Model) -> int:
    """Puts a saved state into a compiled model; returns the epoch."""
    model.optimizer.build(model.trainable_variables)  # its state can be loaded only into variables that exist
    model.load_weights(folder / _STATE)
    _restore_chance(folder / _CHANCE, model)
    return int((folder / _EPOCH).read_text())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def _save_chance(path: Path, model: keras.Model) -> None:
    """What draws at random: Python's generator, NumPy's, and those of layers such as Dropout, which are no weights."""
    name, keys, *rest = np.random.get_state(legacy=True)
    layers = [keras.ops.convert_to_numpy(seed).tolist() for seed in _seeds(model)]
    path.write_text(json.dumps([random.getstate(), [name, np.asarray(keys).tolist(), *rest], layers]))


def _restore_chance(path: Path, model: keras.Model) -> None:
    (version, state, gauss), generator, layers = json.loads(path.read_text())
    random.setstate((version, tuple(state), gauss))
    np.random.set_state(tuple(generator))
    for seed, value in zip(_seeds(model), layers, strict=True):
        seed.assign(np.array(value, seed.dtype))


def _seeds(model: keras.Model) -> list[Any]:
    weights = {id(weight) for weight in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights and "seed" in variable.path]
