"""What Ray, Tune and TensorFlow read from the environment; set before any of them is imported, and only where unset.

===================================== ==============================================================================
``RAY_AUTH_MODE=token``               the local cluster answers only who has the token; unset, the processes of one
                                      cluster may disagree about it
``RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO`` a trial that asked for no GPU sees none, instead of all
``RAY_USAGE_STATS_ENABLED=0``         nothing is sent anywhere
``TUNE_DISABLE_AUTO_CALLBACK_LOGGERS`` Tune's own CSV, JSON and TensorBoard files cost half of the driver's time; the
                                      store has all that is in them
``TUNE_DISABLE_STRICT_METRIC_CHECKING`` a report without the metric is a missing value, not the end of the sweep
``TUNE_GLOBAL_CHECKPOINT_S``          Tune's snapshots are not used, sweeps are resumed from the store: once
``TUNE_FUNCTION_THREAD_TIMEOUT_S``    a worker waits for a stopped trial's thread before it takes the next one; Tune's
                                      two seconds are too few on a busy machine, and the next trial fails
``TUNE_DISABLE_SIGINT_HANDLER``       Ctrl-C is handled by `metahp_cluster.interrupts`
``TF_FORCE_GPU_ALLOW_GROWTH``         trials on one GPU do not each take all of its memory
``TF_CPP_MIN_LOG_LEVEL``              warnings of TensorFlow, but no chatter
===================================== ==============================================================================
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

import platformdirs

from metahp.store.files import explained

DEFAULTS = {
    "RAY_AUTH_MODE": "token",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "300",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}

IN_JOB = "METAHP_IN_JOB"  # set where a cluster runs what was submitted to it: code and settings came with the job
_BACKEND = "KERAS_BACKEND"
_WORKERS_TOO = (
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO",
    "TUNE_FUNCTION_THREAD_TIMEOUT_S",
    "TF_FORCE_GPU_ALLOW_GROWTH",
    "TF_CPP_MIN_LOG_LEVEL",
)


def prepare() -> None:
    """Set what is unset, and see to a token where a local cluster will need one."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    if os.environ["RAY_AUTH_MODE"] == "token" and cluster_address() is None and not _has_token():
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token_file())


def for_workers() -> dict[str, str]:
    """What the processes on other machines must be told."""
    backend = {_BACKEND: os.environ[_BACKEND]} if _BACKEND in os.environ else {}
    return {name: DEFAULTS[name] for name in _WORKERS_TOO} | backend


def keras_backend() -> str:
    """The one that Keras will use, by its own rules, without importing it."""
    if _BACKEND in os.environ:
        return os.environ[_BACKEND]
    config = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"
    try:
        return str(json.loads(config.read_text())["backend"])
    except (OSError, ValueError, KeyError):
        return "tensorflow"


def cluster_address() -> str | None:
    """The running cluster to use, None for one on this machine alone."""
    address = os.environ.get("RAY_ADDRESS")
    return None if address in (None, "", "local") else address


def token_file() -> Path:
    """The token of local clusters, made at the first call: readable by this user alone, in a folder of its own.

    Raises:
        StoreError: it cannot be written there.
    """
    folder = Path(platformdirs.user_state_dir("metahp")) / "ray"
    path = folder / "token"
    with explained("create the token of local clusters (its place: $XDG_STATE_HOME)", folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return path
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    return path


def _has_token() -> bool:
    given = "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ
    return given or (Path.home() / ".ray" / "auth_token").exists()
