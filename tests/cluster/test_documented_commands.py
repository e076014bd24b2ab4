"""Every command that the documents tell people to type is typed, by a newcomer with a home of their own."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from metahp.store import Store
from metahp_cluster import cli, load_sweep, run

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "cluster").rglob("*.md"))]
ELSEWHERE = dict.fromkeys(("submit", "resume", "status", "logs", "stop", "list"), "test_jobs.py") | {"ui": "test_ui.py"}
"""What needs a cluster or a browser is typed there."""

TRAINING = """
from ray import tune

def task():
    return [[0.0, 1.0]] * 8, [0, 1] * 4

def train(config):
    for epoch in range(1, 5):
        loss = (config["learning_rate"] - 0.1) ** 2 + 1 / epoch
        tune.report({"val_loss": loss, "accuracy": 1 - loss / 2})
"""
SWEEP = """
name: a first sweep
trainable: train.py:train
space: {learning_rate: {float: [1e-3, 1.0], log: true}}
metric: accuracy
mode: max
budget: {trials: 5, epochs: 4}
resources: {at_once: 2}
store: STORE
output: OUTPUT
"""
CURVES = """run,epoch,acc,learning_rate
a,1,0.5,0.1
a,2,0.6,0.1
b,1,0.4,0.3
"""

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("ray_here")]


def typed() -> list[str]:
    """All lines of fences that call ``metahp``, without their comments, each once."""
    fences = [
        text for path in DOCUMENTS for text in re.findall(r"^```console\n(.*?)^```", path.read_text(), re.M | re.S)
    ]
    lines = [re.sub(r"\s+#.*", "", line) for text in fences for line in text.splitlines()]
    return list(dict.fromkeys(line for line in lines if line.startswith("metahp ")))


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, ray_here: None) -> Path:
    """A folder with what the documents suppose: a sweep that was run, an old study, a table, results of Ray Tune."""
    home = tmp_path_factory.mktemp("home")
    (home / "train.py").write_text(TRAINING)
    told = SWEEP.replace("STORE", str(home / "sweeps")).replace("OUTPUT", str(home / "output"))
    (home / "sweep.yaml").write_text(told)
    (home / "curves.csv").write_text(CURVES)
    np.savez(home / "train.npz", x=np.zeros((50, 8, 8, 1)), y=np.arange(50) % 5)
    assert run(load_sweep(home / "sweep.yaml")).is_complete
    _examples(home)
    _study(home)
    _ray_results(home)
    return home


def _examples(home: Path) -> None:
    """The digits, made short."""
    folder = shutil.copytree(ROOT / "examples" / "digits", home / "examples" / "digits")
    for path in folder.glob("*.yaml"):
        sweep = yaml.safe_load(path.read_text()) | {"budget": {"trials": 2, "epochs": 1}}
        path.write_text(yaml.safe_dump(sweep, sort_keys=False))


def _study(home: Path) -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage=f"sqlite:///{home / 'study.db'}", study_name="old", direction="maximize")
    study.optimize(lambda trial: -abs(trial.suggest_float("learning_rate", 1e-3, 1.0, log=True) - 0.1), n_trials=5)


def _ray_results(home: Path) -> None:
    from ray import tune

    def train(config: dict[str, float]) -> None:
        for epoch in range(1, 4):
            tune.report({"val_loss": config["learning_rate"] + 1 / epoch})

    space = {"learning_rate": tune.loguniform(1e-3, 1.0)}
    place = tune.RunConfig(name="tuning", storage_path=str(home / "ray_results"), verbose=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "0")  # our own sweeps do without them
        tune.Tuner(train, param_space=space, run_config=place, tune_config=tune.TuneConfig(num_samples=2)).fit()


@pytest.fixture
def shell(newcomer: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the newcomer types."""
    monkeypatch.chdir(newcomer)
    monkeypatch.setenv("HOME", str(newcomer))
    monkeypatch.setenv("METAHP_STORE", str(newcomer / "sweeps"))
    return newcomer


def words_of(line: str, home: Path) -> list[str]:
    """As the shell passes them on, with the sweep and the trial that there are."""
    first = next(own for own in Store(home / "sweeps").curves() if own.sweep.name == "a first sweep")
    known = {"TRIAL": first.trials[0].trial_id, "ID": first.sweep.sweep_id}
    words = [known.get(word, word) for word in shlex.split(line)]
    words = [word.replace("s3://team", "~") for word in words]
    words = [str(home / word[2:]) if word.startswith("~/") else word for word in words]
    return [*words, "--once"] if words[1] == "learn" else words


def where_else(line: str) -> str | None:
    """What types it where it asks a cluster, a browser or a Ray of its own; lists without an address are of a store."""
    name = line.split()[1]
    if name == "run" and ("--cpus" in line or "--gpus" in line):
        return "test_one_file.py"
    return None if name in ("list", "status") and "--address" not in line else ELSEWHERE.get(name)


@pytest.mark.parametrize("line", [line for line in typed() if not where_else(line)])
def test_it_does_what_it_says(line: str, shell: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "--resume" in line:  # what is over has nothing to resume
        asked = shell / "sweep.yaml"
        asked.write_text(asked.read_text().replace("trials: 5", "trials: 7"))
    monkeypatch.setattr("sys.argv", words_of(line, shell))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code


def test_what_is_typed_elsewhere_is_typed_there() -> None:
    named = {(line.split()[1], file) for line in typed() if (file := where_else(line))}
    assert named
    assert all(f'"{name}"' in (HERE / file).read_text() for name, file in named)
