"""Fences around parts of a GPU, with stand-ins for TensorFlow and NVIDIA's library."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from metahp_cluster import environment, gpu_memory
from metahp_cluster.workers import Place


class FakeTensorFlow:
    """Two GPUs would be visible to nobody who has a part of one; started, it refuses limits."""

    def __init__(self, gpus: int = 1, *, started: bool = False) -> None:
        self.limits: dict[str, list[int]] = {}
        self.config = SimpleNamespace(
            list_physical_devices=lambda kind: [f"{kind}:{n}" for n in range(gpus)],
            LogicalDeviceConfiguration=lambda memory_limit: memory_limit,
            set_logical_device_configuration=self._limit,
        )
        self._started = started

    def _limit(self, gpu: str, limits: list[int]) -> None:
        if self._started:
            raise RuntimeError("Virtual devices cannot be modified after being initialized")
        self.limits[gpu] = limits


@pytest.fixture(autouse=True)
def crew_of_two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """So that nobody asks Tune; a GPU with 140 GB, and no variable of an earlier test."""
    monkeypatch.setattr(gpu_memory, "place", lambda: Place(0, 2))
    monkeypatch.setattr(gpu_memory, "_megabytes", lambda: 140_000.0)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.delenv("XLA_PYTHON_CLIENT_MEM_FRACTION", raising=False)
    gpu_memory._fence_tensorflow.cache_clear()
    yield
    gpu_memory._fence_tensorflow.cache_clear()


def fenced(monkeypatch: pytest.MonkeyPatch, tensorflow: FakeTensorFlow, gpu: float) -> dict[str, list[int]]:
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    gpu_memory.fence(gpu)
    gpu_memory.fence(gpu)  # the next trial of the worker
    return tensorflow.limits


def test_tensorflow_has_its_part_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fenced(monkeypatch, FakeTensorFlow(), 0.25) == {"GPU:0": [31_500]}


@pytest.mark.parametrize("gpu", [0.0, 1.0, 2.0])
def test_whole_gpus_and_none_need_no_fence(monkeypatch: pytest.MonkeyPatch, gpu: float) -> None:
    assert fenced(monkeypatch, FakeTensorFlow(), gpu) == {}


def test_a_machine_without_gpus_has_nothing_to_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fenced(monkeypatch, FakeTensorFlow(gpus=0), 0.5) == {}


def test_another_backend_leaves_tensorflow_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert fenced(monkeypatch, FakeTensorFlow(), 0.5) == {}
    assert gpu_memory.os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.450"


def test_a_gpu_in_use_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert fenced(monkeypatch, FakeTensorFlow(started=True), 0.5) == {}
    assert "not fenced off from each other: Virtual devices cannot be modified" in caplog.text


def test_the_backend_is_known_before_keras_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert environment.keras_backend() == "tensorflow"
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    assert environment.keras_backend() == "jax"


@pytest.mark.parametrize(("visible", "asked"), [("3,4", ("index", 3)), ("GPU-8a", ("uuid", "GPU-8a"))])
def test_the_gpu_is_the_one_that_ray_gave(
    visible: str, asked: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml = SimpleNamespace(
        nvmlDeviceGetHandleByIndex=lambda index: ("index", index), nvmlDeviceGetHandleByUUID=lambda uuid: ("uuid", uuid)
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_memory._handle(nvml) == asked
