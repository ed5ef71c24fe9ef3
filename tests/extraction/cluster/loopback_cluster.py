"""A Ray cluster of several nodes, each with its processes, that only this machine can reach."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = "127.0.0.1"


class LoopbackCluster:
    """Nodes as processes; the first is the head."""

    def __init__(self, process: subprocess.Popen[str], address: str, raylets: list[int]) -> None:
        self._process, self.address, self.raylets = process, address, raylets

    def add_node(self) -> int:
        """Start one more; the process id of its raylet."""
        return self._ask("add")

    def remove_node(self, pid: int) -> None:
        """Kill a node with all of its processes, without warning."""
        self._ask(f"kill {pid}")

    def _ask(self, words: str) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(words, file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())


@contextlib.contextmanager
def loopback_cluster(n_nodes: int, cpus: int = 1) -> Iterator[LoopbackCluster]:
    """Start a cluster of nodes with some CPUs each; it ends with the block."""
    command = [sys.executable, __file__, str(n_nodes), str(cpus)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        address, raylets = json.loads(process.stdout.readline())
        yield LoopbackCluster(process, address, raylets)
    finally:
        process.stdin.close()
        process.wait(60)


def _serve(n_nodes: int, cpus: int) -> None:
    answers, sys.stdout = sys.stdout, sys.stderr
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    from ray._private import services

    services.resolve_ip_for_localhost = lambda host: host  # as bottlebank does it
    from ray.cluster_utils import Cluster

    settings = {"num_cpus": cpus, "node_ip_address": LOOPBACK, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**settings, "include_dashboard": False})
    nodes = {}

    def pid_of(node):
        [raylet] = node.all_processes["raylet"]
        nodes[raylet.process.pid] = node
        return raylet.process.pid

    pids = [pid_of(cluster.head_node)]
    pids += [pid_of(cluster.add_node(**settings)) for _ in range(n_nodes - 1)]
    print(json.dumps([cluster.address, pids]), file=answers, flush=True)
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "add":
            answer = pid_of(cluster.add_node(**settings))
        else:
            cluster.remove_node(nodes.pop(int(rest[0])), allow_graceful=False)
            answer = 0
        print(json.dumps(answer), file=answers, flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
