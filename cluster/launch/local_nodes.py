"""Several Ray nodes in one process group; called by ``local_nodes.sh``, which sets the environment.

`ray.cluster_utils` starts a raylet for each node and ends exactly those that it has started.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
from types import FrameType

import ray
from ray.cluster_utils import Cluster


def main(count: int, cpus: int, folder: str) -> None:
    """Starts the nodes, and ends them with standard input, Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, _interrupt)
    head = {"num_cpus": cpus, "include_dashboard": True, "dashboard_host": "127.0.0.1", "dashboard_port": 0}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(count - 1):
            cluster.add_node(num_cpus=cpus)
        cluster.wait_for_nodes()
        print(f"export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH={folder}/token RAY_ADDRESS={cluster.address}")
        print(f"export RAY_API_SERVER_ADDRESS=http://{cluster.webui_url}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()
    finally:
        cluster.shutdown()
        ray.shutdown()
        shutil.rmtree(folder)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
