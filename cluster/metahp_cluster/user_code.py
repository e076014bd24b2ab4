"""The user's training function: imported from the very file that was named, in the driver and in every worker."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from metahp.errors import SweepSpecError

TrainFunction = Callable[[dict[str, Any]], object]


def resolve(trainable: str | TrainFunction) -> TrainFunction:
    """The function to hand to Tune.

    Named by its file, it is imported here, so that what is wrong with it shows before anything starts, and again by
    each worker process, once: what its file holds need not pickle.

    Raises:
        SweepSpecError: the file cannot be imported, or has no such function of one argument.
    """
    if not isinstance(trainable, str):
        return _checked(trainable, getattr(trainable, "__name__", repr(trainable)))
    file, _, name = trainable.rpartition(":")
    path = Path(file).absolute()
    _checked(_find(path, name), trainable)
    return InFile(path, name)


@dataclass(frozen=True, slots=True)
class InFile:
    """A function that each process imports from its file when it is first needed.

    Attributes:
        path: the file.
        name: of the function.
    """

    path: Path
    name: str

    def load(self) -> TrainFunction:
        """The function itself; its file has been imported then."""
        return _find(self.path, self.name)

    def __call__(self, config: dict[str, Any]) -> object:
        """Trains."""
        return self.load()(config)


def _find(path: Path, name: str) -> TrainFunction:
    module = import_file(path)
    if not hasattr(module, name):
        offered = sorted(key for key, value in vars(module).items() if inspect.isfunction(value))
        raise SweepSpecError(f"{path} has no function {name!r}; it has {', '.join(offered) or 'none'}")
    function: TrainFunction = getattr(module, name)
    return function


@functools.cache
def import_file(path: Path) -> ModuleType:
    """The module in ``path``; its folder goes first on the import path, as if Python had been started with it.

    Raises:
        SweepSpecError: it raises while it is imported, or is no file.
    """
    if not path.is_file():
        raise SweepSpecError(f"there is no file {path}; trainable is 'file.py:function', beside the sweep file")
    name = f"metahp_trainable_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SweepSpecError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look the module up by its name
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException as problem:
        del sys.modules[name]
        if isinstance(problem, KeyboardInterrupt):
            raise
        raise SweepSpecError(f"{path} raises while it is imported: {_last_line(problem, path)}") from problem
    return module


def _last_line(problem: BaseException, path: Path) -> str:
    """What a traceback ends with, and the line of ``path`` that led there."""
    text = traceback.format_exception_only(problem)[-1].strip()
    lines = [frame.lineno for frame in traceback.extract_tb(problem.__traceback__) if frame.filename == str(path)]
    return f"{text} (line {lines[-1]})" if lines else text


def _checked(function: Any, name: str) -> TrainFunction:
    if inspect.isclass(function) or not callable(function):
        raise SweepSpecError(f"{name} must be a function that takes the configuration, got {function!r}")
    try:
        inspect.signature(function).bind({})
    except TypeError as problem:
        raise SweepSpecError(f"{name} must take one argument, the configuration: {problem}") from None
    except ValueError:
        pass  # a builtin without a signature
    return function
