"""Settings and fixtures that all tests share."""

import atexit
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import settings

# Before anything imports Ray or TensorFlow: no dashboard token file, no usage report, no banner.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("METAHP_LEARN", "0")  # no learner beside each small sweep, except where that is what is tested

# One thread repeats a training to the last bit, and TensorFlow takes the number only before its first use: tests that
# train run in any order only if it is set before all of them.
tf = import_module("tensorflow")
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)

# Shared machines are slow now and then: a deadline would fail a test for its neighbour's sake.
settings.register_profile("metahp", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("metahp")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recorded learning curves that lie beside the project, not in it; a test that needs them skips without them."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the recorded learning curves in ../shared/data, which are not part of the project")
    return SHARED_DATA


def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = dict(os.environ)
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    yield
    os.environ.clear()
    os.environ.update(before)


# State files (spools, logs) of a test never reach the user's own, nor do settings reach the next test. Twice, since
# fixtures of a module (which run whole sweeps) are made before those of its tests.
module_environment = pytest.fixture(autouse=True, scope="module")(_own_environment)
own_environment = pytest.fixture(autouse=True)(_own_environment)


_STATUS = pytest.StashKey[int]()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends without C++'s own cleaning up: a thread of Ray's may outlive what it reads of.

    After all 1,731 tests had passed, Python once died of it at its very end; ray-project/ray#60048 mends another such
    crash.
    """
    if _STATUS in config.stash:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_STATUS])
