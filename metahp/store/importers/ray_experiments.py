"""The result directories of Ray Tune.

Read are ``params.json`` and ``result.json`` of each trial, and of ``experiment_state-*.json`` the plain parts: how each
trial ended. Ray's own restore unpickles several of these files, and so runs whatever somebody put there; this does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from metahp.errors import StoreError
from metahp.store import codec
from metahp.store.codec import EXACT_IN_FLOAT64, as_number
from metahp.store.curves import effective
from metahp.store.files import explained
from metahp.store.importers.found import FoundSweep, end_of, longest
from metahp.types import Measurement, Mode, TrialStatus, parse_mode

_PARAMS, _RESULTS, _ERROR = "params.json", "result.json", "error.txt"
_ENDED = {"ERROR": TrialStatus.ERRORED, "PAUSED": TrialStatus.PAUSED}
_UNFINISHED = {"PENDING", "RUNNING"}


def ray_experiments(directory: Path, metric: str, mode: str, *, step: str = "training_iteration") -> list[FoundSweep]:
    """The experiments in a directory, which may be one itself.

    A trial that was restored has reports of the same step more than once; those count that its last run continued
    from, as in the store itself.

    Args:
        directory: what Ray calls ``storage_path``, or a folder in it.
        metric: a key of the reports; ``"eval/accuracy"`` for a nested one.
        mode: ``"min"`` or ``"max"``.
        step: the key of the reports that counts the steps.

    Raises:
        StoreError: there are no results of Ray Tune, or they cannot be read.
    """
    checked = parse_mode(mode)
    with explained("read results of Ray Tune", directory):
        folders = [folder for folder in (directory, *sorted(directory.iterdir())) if _trials_in(folder)]
        if not folders:
            raise StoreError(f"{directory} holds no trials of Ray Tune: no folder below it holds {_RESULTS}")
        return [_experiment(folder, metric, checked, step) for folder in folders]


def _trials_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [trial for trial in sorted(folder.iterdir()) if (trial / _RESULTS).is_file()]


def _experiment(folder: Path, metric: str, mode: Mode, step: str) -> FoundSweep:
    unplaced: Counter[str] = Counter()
    ends = _ends(folder)
    found: list[tuple[Path, dict[str, Any]]] = []
    for path in _trials_in(folder):
        config = _config(path)
        if config is None:
            unplaced[f"a trial without a readable {_PARAMS}"] += 1
            continue
        trial_id, curve = _curve(path, metric, step, unplaced)
        found.append((path, {"trial_id": trial_id, "config": config, "curve": curve}))
    max_step = longest(trial["curve"] for _, trial in found)
    trials = [trial | {"status": _status(path, ends.get(path.name), trial, max_step)} for path, trial in found]
    return FoundSweep(folder.resolve().name, metric, mode, trials, max_step=max_step, unplaced=unplaced)


def _config(path: Path) -> dict[str, Any] | None:
    try:
        config = codec.parse((path / _PARAMS).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return config if isinstance(config, dict) else None


def _curve(path: Path, metric: str, step: str, unplaced: Counter[str]) -> tuple[str, list[tuple[Any, ...]]]:
    """The trial's id and the reports that count."""
    trial_id, reached = path.name, 0
    attempts: dict[int, dict[int, Measurement]] = {1: {}}
    for report in _reports(path, unplaced):
        trial_id = str(report.get("trial_id") or trial_id)
        measurement = _measurement(report, metric, step, unplaced)
        if measurement is None:
            continue
        if measurement.step <= reached:
            attempts[len(attempts) + 1] = {}
        reached = measurement.step
        attempts[len(attempts)][reached] = measurement
    return trial_id, [(m.step, m.value, m.elapsed_s) for m in effective(attempts)]


def _reports(path: Path, unplaced: Counter[str]) -> Iterator[Mapping[str, Any]]:
    for line in (path / _RESULTS).read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            report = codec.parse(line)
        except ValueError:
            report = None
        if isinstance(report, dict):
            yield report
        elif line.strip():
            unplaced[f"a line of {_RESULTS} that is no report, torn perhaps"] += 1


def _measurement(report: Mapping[str, Any], metric: str, step: str, unplaced: Counter[str]) -> Measurement | None:
    number, value = as_number(report.get(step)), as_number(_value(report, metric))
    if number is None or not 1 <= number <= EXACT_IN_FLOAT64 or number != int(number):
        unplaced[f"a report without a step from 1 in {step!r}"] += 1
        return None
    if value is None:
        unplaced[f"a report without a number in {metric!r}"] += 1
        return None
    seconds = as_number(report.get("time_total_s"))
    return Measurement(int(number), value) if seconds is None else Measurement(int(number), value, seconds)


def _value(report: Mapping[str, Any], metric: str) -> Any:
    if metric in report:
        return report[metric]
    here: Any = report
    for part in metric.split("/"):
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


def _ends(folder: Path) -> dict[str, str]:
    """Ray's word for the state of each trial, by the name of its folder; of several snapshots the newest counts."""
    found: dict[str, str] = {}
    for snapshot in sorted(folder.glob("experiment_state-*.json")):
        try:
            for trial, _ in codec.parse(snapshot.read_text(encoding="utf-8"))["trial_data"]:
                state = codec.parse(trial)
                found[Path(str(state["relative_logdir"])).name] = str(state["status"])
        except (ValueError, KeyError, TypeError):  # of another version of Ray
            continue
    return found


def _status(path: Path, end: str | None, trial: Mapping[str, Any], max_step: int | None) -> TrialStatus:
    if end in _UNFINISHED:
        return TrialStatus.RUNNING
    if end in _ENDED:
        return _ENDED[end]
    if end is None and (path / _ERROR).exists():
        return TrialStatus.ERRORED
    return end_of(trial["curve"][-1][0] if trial["curve"] else 0, max_step)
