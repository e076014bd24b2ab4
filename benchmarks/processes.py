"""Work spread over processes that do not fight for the cores, and how far it is."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Argument = TypeVar("Argument")
Result = TypeVar("Result")

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def quiet() -> None:
    """Keeps Ray and Optuna from telling the course of every simulated sweep; warnings and errors remain."""
    for name in ("ray.tune", "optuna"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message="All-NaN slice", category=RuntimeWarning)  # Ray's ASHA, all diverged


def in_processes(work: Callable[[Argument], Result], arguments: Sequence[Argument], jobs: int) -> Iterator[Result]:
    """Yields what ``work`` returns for each argument, as it becomes ready; with one job in this process, in order.

    Raises:
        Exception: whatever ``work`` raised first; what was done until then is done.
    """
    if jobs == 1:
        yield from map(work, arguments)
        return
    for name in ONE_THREAD:  # read by libraries when they are loaded, so before the processes are started
        os.environ.setdefault(name, "1")
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=quiet) as pool:
        for future in as_completed([pool.submit(work, argument) for argument in arguments]):
            yield future.result()


def with_progress(
    what: str, work: Callable[[Argument], Result], arguments: Sequence[Argument], jobs: int
) -> Iterator[Result]:
    """`in_processes`, while a bar shows how many are done."""
    with progress_bar() as progress:
        bar = progress.add_task(what, total=len(arguments))
        for result in in_processes(work, arguments, jobs):
            yield result
            progress.advance(bar)


def progress_bar() -> Progress:
    """Done, to do, time."""
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


@contextmanager
def local_ray() -> Iterator[None]:
    """A Ray of one's own on this machine, whose workers are quiet and use one thread each."""
    import ray

    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # the new one talks even with verbose=0
    settings = {"TF_CPP_MIN_LOG_LEVEL": "3", **dict.fromkeys(ONE_THREAD, "1")}
    ray.init(address="local", include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": settings})
    try:
        yield
    finally:
        ray.shutdown()
