"""What a sweep is: `Sweep`, written in Python or read from a file by `load_sweep`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import ErrorDetails

from metahp.errors import RecordError, SearchSpaceError, SweepSpecError
from metahp.policy import MAX_FALSE_PRUNES
from metahp.pruning import AUDIT, Prune
from metahp.space import SearchSpace
from metahp.types import Mode, TaskValue, check_task
from metahp.types import Sweep as RecordedSweep
from metahp_cluster import yaml_lines
from metahp_cluster.loggers import Logger
from metahp_cluster.space_syntax import SpaceSyntaxError, parse_space

Count = Annotated[int, Field(strict=True, ge=1)]


def _space(value: Any) -> SearchSpace:
    space = value if isinstance(value, SearchSpace) else SearchSpace(parse_space(value))
    if not space.dimension:
        raise SearchSpaceError("space searches nothing, all its values are constants; give one a domain to search")
    return space


def _trainable(value: Any) -> Any:
    if callable(value):
        return value
    if isinstance(value, str):
        file, _, function = value.rpartition(":")
        if file.endswith(".py") and function.isidentifier():
            return value
    raise ValueError(f"is 'file.py:function' (in Python also a function), got {value!r}")


def _share(value: float) -> float:
    if value > 1 and value != int(value):
        raise ValueError(f"shares are given below 1 only, got {value}; use a whole number above")
    return value


def _gpus(value: Any) -> float | Literal["auto"]:
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ValueError(f"is a number of GPUs, or auto, got {value!r}")
    return _share(float(value))


def _task(value: Any) -> Any:
    if isinstance(value, Mapping):
        try:
            check_task(value)
        except RecordError as problem:
            raise ValueError(str(problem)) from None
    return value


def on_file_system(folder: str) -> str:
    """The folder of log, report and checkpoints.

    Raises:
        SweepSpecError: it is an address.
    """
    if re.match(r"\w+:/", folder):  # a Path of s3://bucket has a single slash
        raise SweepSpecError(
            f"output is a folder that all nodes see, got {folder}; log, report and checkpoints need a file system, "
            "only the store may have an address"
        )
    return folder


def _output(value: Any) -> Any:
    try:
        return on_file_system(value) if isinstance(value, str) else value
    except SweepSpecError as problem:
        raise ValueError(str(problem)) from None


def default_store() -> str:
    """Where none is named: what ``METAHP_STORE`` says, or else the user's own store."""
    return os.environ.get("METAHP_STORE") or str(Path(platformdirs.user_data_dir("metahp")) / "store")


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Budget(_Spec):
    """How much may be spent.

    Attributes:
        trials: how many configurations are tried.
        epochs: reports of a full training; a trial that reports as often is ended.
        hours: wall-clock time of one run of the sweep, or None for no limit.
    """

    trials: Count
    epochs: Count
    hours: Annotated[float, Field(strict=True, gt=0)] | None = None


class Resources(_Spec):
    """What one trial gets, and how many run at once.

    Attributes:
        workers: processes that train one trial together, see `training.scope`.
        cpu: cores of each worker; below 1, several share a core.
        gpu: GPUs of each worker; below 1, several share a GPU. ``auto`` is 1 where there are GPUs, else 0.
        at_once: trials at the same time; None for as many as fit.
    """

    workers: Count = 1
    cpu: Annotated[float, Field(strict=True, gt=0), AfterValidator(_share)] = 1.0
    gpu: Annotated[float | Literal["auto"], PlainValidator(_gpus)] = "auto"
    at_once: Count | None = None

    @property
    def gpus(self) -> float:
        """GPUs of each worker, as a number; what ``auto`` comes to is settled by `machine.settled`."""
        if isinstance(self.gpu, str):
            raise ValueError("gpu: auto is no number before machine.settled has seen the machines")
        return self.gpu

    @property
    def devices(self) -> float:
        """GPUs, or where it takes none, cores of one trial."""
        return self.workers * (self.gpus or self.cpu)

    @property
    def unit(self) -> str:
        """What a trial's devices times its hours are called."""
        return "GPU-hours" if self.gpus else "CPU-hours"


class Checkpoints(_Spec):
    """What is kept of the checkpoints that trials save.

    Attributes:
        keep_gb: room for those of finished trials, the best ones first; the best one of all is kept in any case.
    """

    keep_gb: Annotated[float, Field(strict=True, ge=0)] = 10.0


class Sweep(_Spec):
    """A sweep to run.

    Attributes:
        name: for people, and for finding the sweep again when it is resumed.
        trainable: ``"file.py:function"``, or in Python the function itself. It is called with the configuration and
            reports each epoch by ``ray.tune.report({...})``.
        space: a `SearchSpace`, or what `space_syntax` describes.
        metric: the key of the reports that is optimised.
        mode: whether it is minimised or maximised.
        budget: trials, epochs, hours.
        resources: what one trial gets, and how many run at once.
        checkpoints: how much of the disk those of finished trials may take.
        store: where all sweeps are kept, and what this one learns from.
        output: the folder for log and report; a sub-folder is made for each sweep.
        task: what is known about the data, by names and plain values; similar tasks teach more.
        seed: of all that is drawn at random.
        scheduler: what ends losing trials early: MetaHP, Ray Tune's ASHA, or nothing.
        prune: whether MetaHP stops trials: ``on``, ``gated``, ``shadow`` or ``off``, see `metahp.pruning`.
        max_false_prunes: share of the trials that it stops that may turn out to have been winners; 0 stops none.
        audit: share of the trials to be stopped that run on, so that ``metahp audit`` can say whether it was right.
        guarantee: with which confidence at most the share ``max_false_prunes`` of sweeps lose their winner, e.g. 0.9,
            by past sweeps in shadow mode; where they are too few, fewer trials are stopped. None for no promise.
        pause: whether MetaHP may pause trials that save a checkpoint with their reports, see `metahp.freezing`.
        learn: whether the predictor goes on learning from the store while the sweep runs.
        loggers: trackers that are shown every report too: ``tensorboard``, ``mlflow``, ``wandb``, see `loggers`.
    """

    name: Annotated[str, Field(pattern=r"^[\w][\w .-]{0,99}$")]
    trainable: Annotated[str | Callable[[dict[str, Any]], object], PlainValidator(_trainable)]
    space: Annotated[SearchSpace, PlainValidator(_space)]
    metric: Annotated[str, Field(min_length=1)]
    mode: Mode
    budget: Budget
    resources: Resources = Resources()
    store: str = Field(default_factory=default_store, min_length=1)
    checkpoints: Checkpoints = Checkpoints()
    output: Annotated[Path, BeforeValidator(_output)] = Path("metahp-output")
    task: Annotated[dict[str, TaskValue], BeforeValidator(_task)] = {}
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**32)] = 0
    scheduler: Literal["meta", "asha", "none"] = "meta"
    prune: Prune = Prune.GATED
    max_false_prunes: Annotated[float, Field(strict=True, ge=0, lt=1)] = MAX_FALSE_PRUNES
    audit: Annotated[float, Field(strict=True, ge=0, lt=1)] = AUDIT
    guarantee: Annotated[float, Field(strict=True, gt=0, lt=1)] | None = None
    pause: Annotated[bool, Field(strict=True)] = False
    learn: Annotated[bool, Field(strict=True)] = True
    loggers: tuple[Logger, ...] = ()


def recorded(sweep: Sweep, sweep_id: str) -> RecordedSweep:
    """The sweep as the store knows it."""
    return RecordedSweep(sweep_id, sweep.space, sweep.metric, sweep.mode, sweep.budget.epochs, sweep.task, sweep.name)


def load_sweep(path: Path) -> Sweep:
    """Read a sweep file; relative paths in it start at its own folder.

    Raises:
        SweepSpecError: the file cannot be read, or says what cannot be right; each problem with its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as problem:
        raise SweepSpecError(f"cannot read the sweep file {path}: {problem.strerror or problem}") from None
    except UnicodeDecodeError as problem:
        raise SweepSpecError(f"cannot read the sweep file {path}: it is no text in UTF-8, {problem}") from None
    document = yaml_lines.parse(text, str(path))
    if not isinstance(document.data, dict):
        raise SweepSpecError(f"{path}: a sweep file names its parts (name, trainable, space, …), got {document.data!r}")
    try:
        return Sweep.model_validate(_anchored(document.data, path.parent.absolute()))
    except ValidationError as problem:
        found = sorted(_located(error, document) for error in problem.errors())
        raise SweepSpecError("\n".join(f"{path}:{line}: {sentence}" for line, sentence in found)) from None


def _anchored(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The data with its relative paths made absolute."""
    found = {"output": "metahp-output"} | data
    for key in ("trainable", "store", "output"):
        value = found.get(key)
        if isinstance(value, str) and is_relative(value):
            found[key] = os.path.normpath(folder / value)
    return found


def is_relative(path: str) -> bool:
    """Whether a path of a sweep file means another place where the file is elsewhere."""
    return bool(path) and "://" not in path and not path.startswith(("~", "/"))


def _located(error: ErrorDetails, document: yaml_lines.Document) -> tuple[int, str]:
    """The line of a problem, and what it is."""
    path = tuple(error["loc"])
    cause = error.get("ctx", {}).get("error")
    message = str(cause) if isinstance(cause, Exception) else error["msg"]
    if isinstance(cause, SpaceSyntaxError):
        path += cause.path
    if error["type"] == "extra_forbidden":
        message = f"unknown key{_did_you_mean(path)}"
    elif error["type"] == "missing":
        message = "is missing"
    elif cause is None:
        message += f", got {error['input']!r}"
    return document.line(path), f"{'/'.join(str(part) for part in path)}: {message}"


def _did_you_mean(path: tuple[str | int, ...]) -> str:
    parts: dict[tuple[str | int, ...], type[BaseModel]] = {
        ("budget",): Budget,
        ("resources",): Resources,
        ("checkpoints",): Checkpoints,
    }
    known = list(parts.get(path[:-1], Sweep).model_fields)
    close = get_close_matches(str(path[-1]), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
