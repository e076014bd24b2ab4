"""A sweep file on its way to a cluster: what must be right before it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from metahp.errors import ClusterError, SweepSpecError
from metahp_cluster import machine, yaml_lines
from metahp_cluster.jobs import ClusterJobs
from metahp_cluster.probe import NodeFacts, parse, versions
from metahp_cluster.spec import Sweep, is_relative, load_sweep, on_file_system

OUTPUT = "~/metahp-output"  # on the head node, where the sweep file names no place of its own there
_PATIENCE_S = 180.0


@dataclass(frozen=True, slots=True)
class Submission:
    """A sweep that can be sent.

    Attributes:
        sweep: what the file says.
        folder: the file's own folder, which travels.
        arguments: of ``metahp`` on the cluster.
        output: where log and report will be, on the head node.
    """

    sweep: Sweep
    folder: Path
    arguments: tuple[str, ...]
    output: str


def prepared(path: Path, *, store: str | None, output: str | None, resume: bool) -> Submission:
    """Reads a sweep file for another machine.

    Args:
        path: the file.
        store: in place of the file's.
        output: in place of the file's; `OUTPUT` where that is relative to the file.
        resume: go on with the newest sweep of this name.

    Raises:
        SweepSpecError: the file is wrong, or names what stays behind.
    """
    sweep, folder = load_sweep(path), path.parent.absolute()
    data = yaml_lines.parse(path.read_text(encoding="utf-8"), str(path)).data
    _check_it_travels(sweep, folder)
    store, output = store or str(data.get("store", "")), output or str(data.get("output", ""))
    if is_relative(store):
        raise SweepSpecError(
            f"store: {store!r} is relative to the sweep file, and would be lost with the job; name an absolute path "
            "that the cluster's head node sees, or an address (s3://…), there or by --store"
        )
    output = OUTPUT if not output or is_relative(output) else on_file_system(output)
    options = [*(["--store", store] if store else []), "--output", output, *(["--resume"] if resume else [])]
    return Submission(sweep, folder, ("run", path.name, *options), output)


def _check_it_travels(sweep: Sweep, folder: Path) -> None:
    file = Path(str(sweep.trainable).rpartition(":")[0])
    if not file.is_relative_to(folder):
        raise SweepSpecError(f"trainable: {file} is not within {folder}, the folder that travels; put it there")


def check(jobs: ClusterJobs, submission: Submission) -> Iterator[str]:
    """Asks the cluster whether the sweep can run there.

    Yields:
        what a user should know.

    Raises:
        ClusterError: it cannot run there.
        SweepSpecError: a trial asks for more than any node has.
    """
    nodes = _probed(jobs, submission.output)
    yield from _compared(nodes)
    decided = machine.decided(submission.sweep.resources, [_has(node) for node in nodes])
    yield f"{len(nodes)} nodes ({', '.join(f'{node.name}: {_has(node)}' for node in nodes)}): {decided}"
    apart = [f"{node.name} ({node.trouble})" for node in nodes if node.trouble]
    if apart:
        yield (
            f"{', '.join(apart)} cannot write to {submission.output} of the head node: results are kept, but trials "
            "there cannot save checkpoints; let --output be a folder that all nodes share"
        )


def _probed(jobs: ClusterJobs, output: str) -> list[NodeFacts]:
    job_id = jobs.submit("metahp_cluster.probe", [output], sweep="")
    jobs.result(job_id, _PATIENCE_S)
    log = jobs.logs(job_id)
    nodes = parse(log)
    if nodes is None:
        last = (log.strip().splitlines() or ["nothing was printed"])[-1]
        raise ClusterError(f"the cluster cannot run MetaHP: {last}; it needs what `pip install metahp` installs")
    return nodes


def _compared(nodes: Sequence[NodeFacts]) -> Iterator[str]:
    """What differs between here and there."""
    own = versions()
    for node in nodes:
        if _minor(node.versions.get("ray", "")) != _minor(own["ray"]):
            raise ClusterError(
                f"{node.name} runs Ray {node.versions.get('ray')}, MetaHP here was tested with {own['ray']}"
            )
    other = sorted(
        {(name, v) for node in nodes for name, v in node.versions.items() if _minor(v) != _minor(own.get(name, ""))}
    )
    if other:
        yield "versions differ from those here: " + ", ".join(f"{name} {v} (here {own.get(name)})" for name, v in other)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _has(node: NodeFacts) -> machine.Node:
    return machine.Node(node.cpus, node.gpus, node.gpu_name)
