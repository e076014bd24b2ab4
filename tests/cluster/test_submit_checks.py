"""What is refused or said before a sweep is sent to a cluster; the cluster is a stand-in that has printed its facts."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from metahp.errors import ClusterError, SweepSpecError
from metahp_cluster import load_sweep, probe
from metahp_cluster.jobs import ClusterJobs
from metahp_cluster.probe import NodeFacts, answer, versions
from metahp_cluster.submit import check, prepared

HEAD = NodeFacts("10.0.0.1", 2, 0, "", versions(), "")
GPUS = NodeFacts("10.0.0.2", 64, 8, "H200", versions(), "")


class Told:
    """Jobs of a cluster that answers a probe with this log."""

    def __init__(self, log: str) -> None:
        self._log = log

    def submit(self, module: str, arguments: list[str], *, sweep: str) -> str:
        assert (module, sweep) == ("metahp_cluster.probe", "")
        return "job"

    def result(self, job_id: str, patience_s: float) -> None: ...

    def logs(self, job_id: str) -> str:
        return self._log


def said(path: Path, *nodes: NodeFacts) -> list[str]:
    jobs: Any = Told("chatter\n" + probe._MARK + json.dumps([asdict(node) for node in nodes]) + "\n")
    return list(check(jobs, prepared(path, store="/shared/store", output="/shared/out", resume=False)))


def other(node: NodeFacts, **changes: str) -> NodeFacts:
    return replace(node, versions={**node.versions, **changes})


def test_a_cluster_that_is_right(sweep_file: Callable[..., Path]) -> None:
    (sentence,) = said(sweep_file(resources={}), HEAD, GPUS)
    assert sentence == ("2 nodes (10.0.0.1: 2 CPU, 10.0.0.2: 64 CPU + 8 × H200): 1 CPU + 1 GPU per trial → 8 at once")


def test_another_ray_is_refused(sweep_file: Callable[..., Path]) -> None:
    with pytest.raises(ClusterError, match=r"10\.0\.0\.2 runs Ray 2\.9\.0, MetaHP here was tested with 2\."):
        said(sweep_file(), HEAD, other(GPUS, ray="2.9.0"))


def test_another_python_or_keras_is_said(sweep_file: Callable[..., Path]) -> None:
    sentences = said(sweep_file(), HEAD, other(GPUS, python="3.99.1", keras="2.1.0"))
    assert "versions differ from those here: keras 2.1.0 (here 3." in sentences[0]
    assert "python 3.99.1 (here 3." in sentences[0]


def test_a_node_that_does_not_share_the_folder_is_named(sweep_file: Callable[..., Path]) -> None:
    sentences = said(sweep_file(), HEAD, replace(GPUS, trouble="No such file or directory"))
    assert "10.0.0.2 (No such file or directory) cannot write to /shared/out of the head node" in sentences[-1]
    assert "10.0.0.1" not in sentences[-1]


def test_more_than_any_node_has_is_refused(sweep_file: Callable[..., Path]) -> None:
    with pytest.raises(SweepSpecError, match="a trial of 128 CPU can never be scheduled"):
        said(sweep_file(resources={"cpu": 128, "gpu": 0}), HEAD, GPUS)


def test_a_cluster_without_our_libraries_is_refused(sweep_file: Callable[..., Path]) -> None:
    jobs: Any = Told("Traceback\nModuleNotFoundError: No module named 'keras'\n")
    with pytest.raises(ClusterError, match=r"No module named 'keras'; it needs what `pip install metahp` installs"):
        list(check(jobs, prepared(sweep_file(), store="/s", output=None, resume=False)))


def test_a_cluster_that_is_open_to_anyone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "get", lambda *args, **kwargs: SimpleNamespace(status_code=200))
    monkeypatch.setattr(ClusterJobs, "_connected", lambda self: object())
    with pytest.raises(ClusterError, match=r"runs code for anyone who reaches it; start it with RAY_AUTH_MODE=token"):
        ClusterJobs("http://head:8265")
    ClusterJobs("http://head:8265", insecure=True)  # who insists may


def test_a_node_writes_into_the_folder_that_the_head_has_made(tmp_path: Path) -> None:
    assert answer(str(tmp_path / "node")) == (versions(), "")
    assert (tmp_path / "node").exists()
    assert answer(str(tmp_path / "private" / "node"))[1] == "No such file or directory"
    assert not (tmp_path / "private").exists()


def test_what_is_written_to_another_disk_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_SEEN_WITHIN_S", 0.0)
    node = {"NodeManagerAddress": "10.0.0.2", "Resources": {"CPU": 1.0}}
    (tmp_path / "seen").touch()
    assert probe._facts(node, tmp_path / "seen", {}, "").trouble == ""
    assert probe._facts(node, tmp_path / "unseen", {}, "").trouble == "what it writes there is on another disk"


def test_an_address_is_no_output(sweep_file: Callable[..., Path]) -> None:
    with pytest.raises(SweepSpecError, match=r"sweep\.yaml:\d+: output: output is a folder .* got s3://bucket/out"):
        load_sweep(sweep_file(output="s3://bucket/out"))
    with pytest.raises(SweepSpecError, match="only the store may have an address"):
        prepared(sweep_file(), store="/s", output="gs://bucket/out", resume=False)
