"""Sweeps as jobs of a Ray cluster: submitted from anywhere, run on its head node.

The folder of the sweep file and MetaHP itself travel with the job, so that the cluster needs Ray, Keras and the
libraries of the training function, but no file of ours.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import shlex
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from metahp.errors import ClusterError
from metahp_cluster import environment

_SWEEP = "metahp_sweep"  # in the metadata of our jobs
_NOT_SHIPPED = ["metahp-output", ".venv", ".git", "__pycache__"]
_TIMEOUT_S = 20.0
_POLL_S = 0.5
_READY_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Job:
    """A sweep on a cluster.

    Attributes:
        job_id: names it in all commands.
        sweep: name of the sweep.
        status: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED.
        message: what Ray says about how it ended.
        started: seconds since the epoch, None before its start.
        ended: the same of its end.
    """

    job_id: str
    sweep: str
    status: str
    message: str
    started: float | None
    ended: float | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ("SUCCEEDED", "FAILED", "STOPPED")


class ClusterJobs:
    """The jobs of one cluster.

    Args:
        address: of its dashboard, e.g. ``http://head:8265``.
        insecure: also talk to a cluster that anyone can submit to.

    Raises:
        ClusterError: it does not answer, asks for another token, runs another Ray, or is open to anyone.
    """

    def __init__(self, address: str, *, insecure: bool = False) -> None:
        self.address = address.rstrip("/")
        if not self.address.startswith(("http://", "https://")):
            raise ClusterError(
                f"the address of a cluster is that of its dashboard, e.g. http://head:8265, got {address}"
            )
        self._is_open = _answers_anyone(self.address)
        if self._is_open and not insecure:
            raise ClusterError(
                f"the cluster at {self.address} runs code for anyone who reaches it; start it with "
                "RAY_AUTH_MODE=token on every node, or use --insecure within a network that you trust"
            )
        self._client = self._connected()

    def _connected(self) -> Any:
        os.environ["RAY_AUTH_MODE"] = "disabled" if self._is_open else "token"
        from ray.job_submission import JobSubmissionClient

        try:
            client = JobSubmissionClient(self.address)
            logging.getLogger("ray").setLevel(logging.WARNING)  # it tells of each file that it uploads
            return client
        except Exception as problem:  # among them Ray's AuthenticationError, which is private
            raise ClusterError(
                f"the cluster at {self.address} does not let us in: {_first_line(problem)}; put its token into "
                "RAY_AUTH_TOKEN, or name the token's file in RAY_AUTH_TOKEN_PATH"
            ) from problem

    def submit(self, module: str, arguments: Sequence[str], *, sweep: str, folder: Path | None = None) -> str:
        """Runs a module of ours on the head node.

        Args:
            module: e.g. ``metahp_cluster``.
            arguments: of its command line.
            sweep: name of the sweep that it runs, empty where it runs none.
            folder: it runs in a copy of this one.

        Returns:
            the id of the job.
        """
        job = {
            "entrypoint": shlex.join(["python", "-m", module, *arguments]),
            "submission_id": f"metahp-{uuid4().hex[:12]}",
            "runtime_env": _shipped(folder),
            "metadata": {_SWEEP: sweep},
        }
        with self._told():
            return str(self._when_ready(lambda: self._client.submit_job(**job)))

    def sweeps(self) -> list[Job]:
        """The sweeps that were submitted to the cluster, the newest first."""
        with self._told():
            found = [_job(details) for details in self._client.list_jobs()]
        return sorted((job for job in found if job.sweep), key=lambda job: -(job.started or time.time()))

    def job(self, job_id: str) -> Job:
        """One of them."""
        with self._told():
            return _job(self._client.get_job_info(job_id))

    def logs(self, job_id: str) -> str:
        """What it has printed."""
        with self._told():
            return str(self._client.get_job_logs(job_id))

    def stop(self, job_id: str) -> bool:
        """Asks it to end; what was reported is in its store. False if it was over."""
        with self._told():
            return bool(self._client.stop_job(job_id))

    def follow(self, job_id: str) -> Iterator[str]:
        """What it prints, as it comes, to its end."""
        lines: AsyncIterator[str] = self._client.tail_job_logs(job_id)
        with asyncio.Runner() as runner:
            while True:
                try:
                    yield runner.run(_next_of(lines))
                except StopAsyncIteration:
                    return

    def _when_ready(self, submit: Callable[[], str]) -> str:
        """Submits, if need be a little later: a cluster that has just started takes no jobs yet."""
        deadline = time.monotonic() + _READY_WITHIN_S
        while True:
            try:
                return submit()
            except RuntimeError as problem:
                if "No available agent" not in str(problem) or time.monotonic() > deadline:
                    raise
            time.sleep(_POLL_S)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the cluster refuses is one sentence."""
        try:
            yield
        except (RuntimeError, OSError, ValueError) as problem:
            raise ClusterError(f"the cluster at {self.address} refused: {_first_line(problem)}") from problem

    def result(self, job_id: str, patience_s: float) -> Job:
        """The job when it is over.

        Raises:
            ClusterError: it goes on for longer than ``patience_s``.
        """
        deadline = time.monotonic() + patience_s
        while not (job := self.job(job_id)).is_over:
            if time.monotonic() > deadline:
                raise ClusterError(f"{job_id} is still {job.status} after {patience_s:.0f} s; see metahp logs {job_id}")
            time.sleep(_POLL_S)
        return job


async def _next_of(lines: AsyncIterator[str]) -> str:
    return await anext(lines)


def _answers_anyone(address: str) -> bool:
    """Whether the dashboard answers somebody without a token."""
    import requests  # slow, and most commands need no cluster

    try:
        answer = requests.get(f"{address}/api/version", timeout=_TIMEOUT_S)
    except requests.RequestException as problem:
        raise ClusterError(
            f"nothing answers at {address}: {type(problem).__name__}; is it the dashboard's port?"
        ) from None
    return answer.status_code == requests.codes.ok


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0][:300]


def _shipped(folder: Path | None) -> dict[str, object]:
    specs = [importlib.util.find_spec(name) for name in ("metahp", "metahp_searchers", "metahp_cluster")]
    modules = [str(Path(spec.origin).parent) for spec in specs if spec is not None and spec.origin is not None]
    settings = environment.for_workers() | {environment.IN_JOB: "1"}
    shipped: dict[str, object] = {"py_modules": modules, "env_vars": settings}
    return shipped if folder is None else shipped | {"working_dir": str(folder), "excludes": _NOT_SHIPPED}


def _job(found: Any) -> Job:
    times = [None if value is None else value / 1000.0 for value in (found.start_time, found.end_time)]
    name = (found.metadata or {}).get(_SWEEP, "")
    return Job(found.submission_id or found.job_id, name, str(found.status.value), found.message or "", *times)
