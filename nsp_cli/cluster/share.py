"""What one worker takes of a cluster, and how many workers a cluster has room for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from nsp_cli.errors import DeviceError

# Cores of a worker without a GPU. More would wait for each other, and each worker needs memory of its own.
_MOST_CORES = 2
# Photos that a worker has at a time. Without a GPU one is read, one worked on, and one written. A GPU takes a
# quarter of the time that reading and writing take, so that it needs more photos to have work all the time.
_WITH_GPU, _WITHOUT_GPU = 6, 3


@dataclass(frozen=True)
class Share:
    """What one worker takes of its node.

    Attributes:
        cores: CPU cores, as Ray counts them.
        gpus: 1 or 0.
    """

    cores: int
    gpus: int = 0

    @property
    def in_flight(self) -> int:
        """Number of items that a worker has at a time."""
        return _WITH_GPU if self.gpus else _WITHOUT_GPU

    def slots(self, *, without: Collection[str] = ()) -> int:
        """Number of workers that the nodes of the cluster have room for, at this moment.

        Args:
            without: Ids of nodes that do not count.
        """
        return sum(self._fitting(resources) for node, resources in _nodes().items() if node not in without)

    def _fitting(self, resources: Mapping[str, float]) -> int:
        asked = {"CPU": self.cores, "GPU": self.gpus}
        return min(int(resources.get(name, 0)) // number for name, number in asked.items() if number)


def choose_share(device: str) -> Share:
    """Returns the share for a device: a GPU with its part of the node's cores, or else two cores.

    If the smallest node has a single core, a worker takes one, so that no node is left out.

    Args:
        device: As the command line names it. "auto" takes GPUs if any node has one.

    Raises:
        DeviceError: No node has the device, or it is one GPU of several, which Ray alone hands out.
    """
    if device.startswith("cuda:"):
        raise DeviceError("With --cluster, Ray chooses the GPU of each worker.", "Use --device cuda.")
    nodes = list(_nodes().values())
    with_gpu = [node for node in nodes if node.get("GPU", 0) >= 1]
    if device == "cuda" or (device == "auto" and with_gpu):
        if not with_gpu:
            raise DeviceError("No machine of the cluster has a GPU.", "Leave out --device.")
        return Share(min(int(node.get("CPU", 0) / node["GPU"]) for node in with_gpu), 1)
    cores = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
    if not cores:
        raise DeviceError("No machine of the cluster has a CPU core to give.", "Add nodes: ray start")
    return Share(min(_MOST_CORES, *cores))


def _nodes() -> dict[str, dict[str, Any]]:
    """The resources of all living nodes, by the nodes' ids."""
    import ray

    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}
