"""The commands about sweeps on a cluster: submit, status, logs, stop, list."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console
from rich.table import Table

from metahp.errors import ClusterError
from metahp_cluster.as_json import AsJson, print_json
from metahp_cluster.jobs import ClusterJobs, Job
from metahp_cluster.submit import check, prepared

FAILED = 1

Address = Annotated[
    str,
    typer.Option(
        envvar="RAY_API_SERVER_ADDRESS", help="The cluster's dashboard, e.g. http://head:8265.", metavar="URL"
    ),
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Also use a cluster that is open to anyone.")]
JobId = Annotated[str, typer.Argument(help="As `metahp list` shows it.", metavar="JOB")]


def submit(
    sweep_file: Annotated[Path, typer.Argument(help="The sweep, in YAML.", metavar="SWEEP.YAML")],
    address: Address,
    store: Annotated[str | None, typer.Option(help="In place of the file's.")] = None,
    output: Annotated[str | None, typer.Option(help="Log and report, on the head node.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest sweep of this name.")] = False,
    wait: Annotated[bool, typer.Option(help="Show its progress until it is over.")] = True,
    checked: Annotated[bool, typer.Option("--check/--no-check", help="Ask the cluster first what it has.")] = True,
    as_json: AsJson = False,
    insecure: Insecure = False,
) -> None:
    """Run a sweep on a Ray cluster; the folder of the file travels with it.

    Exit codes: 0 submitted, or over where we wait · 1 the sweep failed there · 2 something given is wrong.
    """
    told = sys.stderr if as_json else sys.stdout
    submission = prepared(sweep_file, store=store, output=output, resume=resume)
    jobs = ClusterJobs(address, insecure=insecure)
    for sentence in check(jobs, submission) if checked else ():
        print(sentence, file=told, flush=True)
    arguments, folder = submission.arguments, submission.folder
    job_id = jobs.submit("metahp_cluster", arguments, sweep=submission.sweep.name, folder=folder)
    if as_json:
        print_json({"job_id": job_id, "output": submission.output})
    else:
        print(f"submitted as {job_id}; log and report will be in {submission.output} of the head node", flush=True)
    if wait:
        _follow(jobs, job_id, told)


def status(job_id: JobId, address: Address, as_json: AsJson = False, insecure: Insecure = False) -> None:
    """How a submitted sweep is doing."""
    jobs = ClusterJobs(address, insecure=insecure)
    job = jobs.job(job_id)
    if as_json:
        print_json(job)
        return
    print(f"{job.job_id} {job.sweep}: {job.status} {job.message}".strip())
    print("\n".join(jobs.logs(job_id).strip().splitlines()[-1:]))


def logs(
    job_id: JobId,
    address: Address,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it is over.")] = False,
    as_json: AsJson = False,
    insecure: Insecure = False,
) -> None:
    """What a submitted sweep has printed."""
    if as_json and follow:
        raise typer.BadParameter("--json is one answer, --follow goes on; give one of them")
    jobs = ClusterJobs(address, insecure=insecure)
    if follow:
        _follow(jobs, job_id, sys.stdout)
        return
    printed = jobs.logs(job_id)
    print_json({"job_id": job_id, "log": printed}) if as_json else print(printed, end="")


def stop(job_id: JobId, address: Address, as_json: AsJson = False, insecure: Insecure = False) -> None:
    """End a submitted sweep; everything reported is kept, `metahp submit --resume` goes on with it."""
    jobs = ClusterJobs(address, insecure=insecure)
    if not jobs.stop(job_id):
        raise ClusterError(f"{job_id} is over already: {jobs.job(job_id).status}")
    print_json({"job_id": job_id, "asked_to_end": True}) if as_json else print(f"{job_id} was asked to end")


def list_jobs(address: Address, as_json: AsJson = False, insecure: Insecure = False) -> None:
    """The sweeps that were submitted to a cluster."""
    found = ClusterJobs(address, insecure=insecure).sweeps()
    if as_json:
        print_json(found)
        return
    table = Table("job", "sweep", "status", "started", "took", box=None)
    for job in found:
        table.add_row(job.job_id, job.sweep, job.status, _moment(job.started), _took(job))
    Console().print(table if found else "no sweep was submitted to this cluster")


def mount(app: typer.Typer) -> None:
    """Adds the commands to the console command."""
    for command in (submit, status, logs, stop):
        app.command()(command)
    app.command("list")(list_jobs)


def _follow(jobs: ClusterJobs, job_id: str, told: TextIO) -> None:
    """Shows the log to its end; Ctrl-C ends the showing, not the sweep."""
    try:
        for text in jobs.follow(job_id):
            told.write(text)
            told.flush()
    except KeyboardInterrupt:
        print(f"\n{job_id} goes on; see it again by `metahp logs -f {job_id}`, end it by `metahp stop {job_id}`")
        return
    job = jobs.result(job_id, patience_s=60.0)
    if job.status != "SUCCEEDED":
        print(f"metahp: {job_id} {job.status}: {job.message}", file=sys.stderr)
        raise typer.Exit(FAILED)


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _took(job: Job) -> str:
    if job.started is None:
        return ""
    seconds = round((job.ended or time.time()) - job.started)
    return f"{seconds // 3600}:{seconds % 3600 // 60:02}:{seconds % 60:02}"
