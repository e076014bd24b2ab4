"""The commands about sweeps on a cluster: submit, resume, status, logs, stop, list."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, TextIO

import typer

from metahp.errors import ClusterError
from metahp_cluster import local_sweeps
from metahp_cluster.as_json import AsJson, print_json
from metahp_cluster.jobs import ClusterJobs, Job
from metahp_cluster.own_store import opened
from metahp_cluster.submit import check, prepared
from metahp_cluster.tables import print_table

FAILED = 1
INTERRUPTED = 130

Address = Annotated[
    str,
    typer.Option(
        envvar="RAY_API_SERVER_ADDRESS", help="The cluster's dashboard, e.g. http://head:8265.", metavar="URL"
    ),
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Also use a cluster that is open to anyone.")]
AnyAddress = Annotated[
    str | None,
    typer.Option(
        "--address",
        envvar="RAY_API_SERVER_ADDRESS",
        help="A cluster's dashboard, e.g. http://head:8265; without it, the sweeps of your store.",
        metavar="URL",
    ),
]
OfStore = Annotated[
    str | None,
    typer.Option(
        "--store", envvar="METAHP_STORE", help="Where no cluster is named: in place of your own.", metavar="STORE"
    ),
]
JobId = Annotated[str, typer.Argument(help="As `metahp list` shows it.", metavar="JOB")]


SweepFile = Annotated[Path, typer.Argument(help="The sweep, in YAML.", metavar="SWEEP.YAML")]
StorePlace = Annotated[str | None, typer.Option("--store", help="In place of the file's.", metavar="STORE")]
Output = Annotated[str | None, typer.Option("--output", help="Log and report, on the head node.", metavar="FOLDER")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Show its progress until it is over.")]
Checked = Annotated[bool, typer.Option("--check/--no-check", help="Ask the cluster first what it has.")]


def submit(
    ctx: typer.Context,
    sweep_file: SweepFile,
    address: Address,
    store: StorePlace = None,
    output: Output = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest sweep of this name.")] = False,
    wait: Wait = True,
    checked: Checked = True,
    as_json: AsJson = False,
    insecure: Insecure = False,
) -> None:
    """Run a sweep on a Ray cluster; the folder of the file travels with it.

    Example: metahp submit sweep.yaml --address http://head:8265

    Exit codes: 0 submitted, or over where we wait · 1 the sweep failed there · 2 something given is wrong ·
    130 Ctrl-C, which ends the showing and not the sweep.
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
        _follow(jobs, job_id, told, _reached(ctx, address))


def resume(
    ctx: typer.Context,
    sweep_file: SweepFile,
    address: Address,
    store: StorePlace = None,
    output: Output = None,
    wait: Wait = True,
    checked: Checked = True,
    as_json: AsJson = False,
    insecure: Insecure = False,
) -> None:
    """Go on with a submitted sweep that was stopped or interrupted: the same as `submit --resume`.

    Example: metahp resume sweep.yaml --address http://head:8265

    Exit codes: 0 submitted, or over where we wait · 1 the sweep failed there · 2 something given is wrong ·
    130 Ctrl-C, which ends the showing and not the sweep.
    """
    submit(ctx, sweep_file, address, store, output, True, wait, checked, as_json, insecure)


def status(
    ctx: typer.Context,
    job_id: Annotated[
        str | None, typer.Argument(help="As `metahp list` shows it; of a store also a name.", metavar="[SWEEP]")
    ] = None,
    address: AnyAddress = None,
    store: OfStore = None,
    as_json: AsJson = False,
    insecure: Insecure = False,
) -> None:
    """How a sweep is doing: one of your store, or with an address one that was submitted to a cluster.

    Without a sweep it is the same as `metahp list`.

    Example: metahp status "digits 0-4"
    """
    if job_id is None:
        list_jobs(ctx, address, store, as_json, insecure)
        return
    if address is None or _means_a_store(ctx):
        local_sweeps.tell_sweep(opened(store), job_id, as_json=as_json)
        return
    jobs = ClusterJobs(address, insecure=insecure)
    job = jobs.job(job_id)
    if as_json:
        print_json(job)
        return
    print(f"{job.job_id} {job.sweep}: {job.status} {job.message}".strip())
    print("\n".join(jobs.logs(job_id).strip().splitlines()[-1:]))


def logs(
    ctx: typer.Context,
    job_id: JobId,
    address: Address,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it is over.")] = False,
    as_json: AsJson = False,
    insecure: Insecure = False,
) -> None:
    """What a submitted sweep has printed.

    Example: metahp logs JOB --follow --address http://head:8265
    """
    if as_json and follow:
        raise typer.BadParameter("--json is one answer, --follow goes on; give one of them")
    jobs = ClusterJobs(address, insecure=insecure)
    if follow:
        _follow(jobs, job_id, sys.stdout, _reached(ctx, address))
        return
    printed = jobs.logs(job_id)
    print_json({"job_id": job_id, "log": printed}) if as_json else print(printed, end="")


def stop(job_id: JobId, address: Address, as_json: AsJson = False, insecure: Insecure = False) -> None:
    """End a submitted sweep; everything reported is kept, `metahp resume` goes on with it.

    Example: metahp stop JOB --address http://head:8265
    """
    jobs = ClusterJobs(address, insecure=insecure)
    if not jobs.stop(job_id):
        raise ClusterError(f"{job_id} is over already: {jobs.job(job_id).status}")
    print_json({"job_id": job_id, "asked_to_end": True}) if as_json else print(f"{job_id} was asked to end")


def list_jobs(
    ctx: typer.Context,
    address: AnyAddress = None,
    store: OfStore = None,
    as_json: AsJson = False,
    insecure: Insecure = False,
) -> None:
    """The sweeps of your store, or with an address those that were submitted to a cluster.

    Example: metahp list --store ~/sweeps
    """
    if address is None or _means_a_store(ctx):
        local_sweeps.list_sweeps(opened(store), as_json=as_json)
        return
    found = ClusterJobs(address, insecure=insecure).sweeps()
    if as_json:
        print_json(found)
    elif found:
        rows = [(job.job_id, job.sweep, job.status, _moment(job.started), _took(job)) for job in found]
        print_table(("job", "sweep", "status", "started", "took"), rows)
    else:
        print("no sweep was submitted to this cluster")


def _means_a_store(ctx: typer.Context) -> bool:
    """Whether a store was typed and no address: that counts more than an address in the environment."""
    return _is_typed(ctx, "store") and not _is_typed(ctx, "address")


def _is_typed(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _reached(ctx: typer.Context, address: str) -> str:
    """The options by which another command reaches the same cluster."""
    words = ["--address", address] if _is_typed(ctx, "address") else []
    words += ["--insecure"] if _is_typed(ctx, "insecure") else []
    return "".join(f" {shlex.quote(word)}" for word in words)


def _follow(jobs: ClusterJobs, job_id: str, told: TextIO, reached: str) -> None:
    """Shows the log to its end; Ctrl-C ends the showing, not the sweep."""
    try:
        for text in jobs.follow(job_id):
            told.write(text)
            told.flush()
    except KeyboardInterrupt:
        again, end = (f"metahp {command} {job_id}{reached}" for command in ("logs -f", "stop"))
        print(f"\n{job_id} goes on; see it again by `{again}`, end it by `{end}`", file=told)
        raise typer.Exit(INTERRUPTED) from None
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
