"""Training functions that report by `metahp_cluster.training`: alone, together, and after their process died."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from metahp.store import Store
from metahp.types import TrialStatus
from metahp_cluster import load_sweep, run

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CODE = """
import os, signal, time
from pathlib import Path
import keras, numpy as np, tensorflow as tf
from metahp_cluster.training import Report, scope
from metahp_cluster.workers import place

HERE = Path(__file__).parent
tf.config.threading.set_intra_op_parallelism_threads(1)
x = np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
y = x[:, :1] * 2

class Diary(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 3 and not (HERE / "died").exists() and os.environ.get("DIES"):
            (HERE / "died").touch()
            if os.environ["DIES"] == "damaged":
                (newest,) = HERE.rglob("state.weights.h5")
                newest.write_bytes(newest.read_bytes()[:2000])
            if os.environ["DIES"] in ("yes", "damaged"):
                os._exit(1)
            os.kill(int(os.environ["DIES"]), signal.SIGTERM)
            time.sleep(600)

    def on_epoch_end(self, epoch, logs=None):
        size = sum(float(np.abs(w).sum()) for w in self.model.get_weights())
        with (HERE / f"diary-{place().rank}").open("a") as diary:
            diary.write(f"{epoch} {size:.4f}\\n")

def train(config):
    keras.utils.set_random_seed(1)
    with scope():
        model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(config["lr"], momentum=0.9), "mse")
    report = Report()
    done = report.resume(model)
    fit = dict(batch_size=32, shuffle=False, validation_data=(x, y), verbose=0)
    model.fit(x, y, epochs=5, initial_epoch=done, callbacks=[Diary(), report], **fit)
"""


def diary(folder: Path, rank: int = 0) -> dict[int, float]:
    """The size of the weights after each epoch, as a worker has written it down."""
    lines = [line.split() for line in (folder / f"diary-{rank}").read_text().splitlines()]
    assert len({line[0] for line in lines}) == len(lines)  # no epoch twice
    return {int(epoch): float(size) for epoch, size in lines}


@pytest.fixture
def alone(sweep_file: Callable[..., Path], tmp_path: Path) -> dict[int, float]:
    """The diary of a trial that nothing happens to, trained here and by itself."""
    import keras

    sweep_file(CODE)
    space: dict[str, object] = {"__file__": str(tmp_path / "train.py"), "__name__": "train"}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DIES", raising=False)
        patch.setattr("metahp_cluster.training._session", lambda: _NoSession)
        exec(CODE, space)
        space["train"]({"lr": 0.01})  # type: ignore[operator]
    keras.backend.clear_session()
    found = diary(tmp_path)
    (tmp_path / "diary-0").unlink()
    return found


class _NoSession:
    @staticmethod
    def get_checkpoint() -> None:
        return None

    class Checkpoint:
        @staticmethod
        def from_directory(folder: str) -> None:
            return None

    @staticmethod
    def report(metrics: dict[str, float], checkpoint: None = None) -> None:
        return None


LR = {"space": {"lr": {"float": [0.01, 0.0100001]}}, "metric": "val_loss", "mode": "min"}


def test_two_workers_train_as_one(sweep_file: Callable[..., Path], tmp_path: Path, alone: dict[int, float]) -> None:
    path = sweep_file(CODE, **LR, resources={"workers": 2, "at_once": 1}, budget={"trials": 1, "epochs": 5})
    result = run(load_sweep(path))
    assert result.is_complete, result.halted
    (history,) = Store(result.store).curves()
    assert history.trials[0].curve.last_step == 5
    first, second = diary(tmp_path, 0), diary(tmp_path, 1)
    assert first == second
    np.testing.assert_allclose(list(first.values()), list(alone.values()), rtol=1e-3)


@pytest.fixture
def cluster_that_retries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("DIES", "yes")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield
    cluster.shutdown()


@pytest.mark.usefixtures("cluster_that_retries")
def test_a_trial_goes_on_after_its_process_died(
    sweep_file: Callable[..., Path], tmp_path: Path, alone: dict[int, float]
) -> None:
    result = run(load_sweep(sweep_file(CODE, **LR, budget={"trials": 1, "epochs": 5})))
    assert result.is_complete, result.halted
    assert (tmp_path / "died").exists()
    np.testing.assert_allclose(list(diary(tmp_path).values()), list(alone.values()), rtol=1e-3)
    (history,) = Store(result.store).curves()
    assert history.trials[0].curve.steps.tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("dies", ["yes", "damaged"])
def test_a_process_that_dies_on_one_machine(
    dies: str,
    sweep_file: Callable[..., Path],
    tmp_path: Path,
    alone: dict[int, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The trial goes on from its checkpoint; from the beginning, where that is damaged."""
    monkeypatch.setenv("DIES", dies)
    result = run(load_sweep(sweep_file(CODE, **LR, budget={"trials": 1, "epochs": 5}, learn=False)))
    assert result.is_complete, result.halted
    lines = [line.split() for line in (tmp_path / "diary-0").read_text().splitlines()]
    again = ["0", "1", "2"] if dies == "damaged" else []
    assert [epoch for epoch, _ in lines] == ["0", "1", "2", *again, "3", "4"]
    np.testing.assert_allclose([float(size) for _, size in lines[-2:]], [alone[3], alone[4]], rtol=1e-3)
    (history,) = Store(result.store).curves()
    assert history.trials[0].status is TrialStatus.COMPLETED
    assert history.trials[0].curve.steps.tolist() == [1, 2, 3, 4, 5]


def test_a_resumed_sweep_takes_a_trial_up_where_it_was(
    sweep_file: Callable[..., Path], tmp_path: Path, alone: dict[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIES", str(os.getpid()))  # the trial asks this process, which drives it, to end the sweep
    path = sweep_file(CODE, **LR, budget={"trials": 1, "epochs": 5})
    first = run(load_sweep(path))
    assert first.signal_number == signal.SIGTERM
    assert not first.is_complete
    second = run(load_sweep(path), resume=True)
    assert second.is_complete, second.halted
    np.testing.assert_allclose(list(diary(tmp_path).values()), list(alone.values()), rtol=1e-3)
    (history,) = Store(second.store).curves()
    assert [trial.curve.steps.tolist() for trial in history.trials] == [[1, 2, 3, 4, 5]]
    assert len(list(second.folder.rglob("*.weights.h5"))) == 1  # the newer checkpoint has replaced the older one
