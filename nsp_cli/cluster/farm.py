"""Items on a cluster's workers: Ray places, starts and watches the workers; lost items go to others.

Ray's own retries are not used, neither those of actors nor of `ray.data`: both bind an item to the worker
that had it, and wait until that one can start again. If its node is gone and the others are full, that is
never. Ray's tasks would be free of that, but for each photo on a GPU they start a new process.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from nsp_cli.cluster.share import Share
from nsp_cli.cluster.station import Request, Station
from nsp_cli.errors import DeviceError, NspError, reason_of

_POLL_SECONDS = 0.5
# More than workers need to start on a busy machine.
_PATIENCE_SECONDS = 30.0
# What workers get to end by themselves.
_GRACE_SECONDS = 1.0
# Workers that may die over one item, before it is taken for the cause; the last of them had no other item at
# the time. As many may fail to start on one node in a row.
_MOST_LOSSES = 3

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(eq=False)
class _Task:
    index: int
    losses: int = 0

    @property
    def is_suspect(self) -> bool:
        return self.losses == _MOST_LOSSES - 1


@dataclass(eq=False)
class _Hand:
    actor: Any
    tasks: int = 0
    has_suspect: bool = False


@dataclass(eq=False)
class Farm(Generic[_Item, _Result]):
    """A run over items on all nodes of the connected cluster, those that join later included.

    Attributes:
        request: What workers need to begin.
        share: What each takes of its node.
        weights: Files that are sent once to each node.
        lost: Makes the result of an item over which workers died, from the item and the error.
        on_begin: Called with the item's index when it is handed to a worker.
        on_refusal: Called with the reason why a node cannot take part.
        on_wait: Called when there has been no worker for a while.
    """

    request: Request
    share: Share
    weights: Sequence[Path]
    lost: Callable[[_Item, NspError], _Result]
    on_begin: Callable[[int], object] = lambda _index: None
    on_refusal: Callable[[NspError], object] = lambda _error: None
    on_wait: Callable[[], object] = lambda: None
    _hands: list[_Hand] = field(default_factory=list)
    _opening: dict[Any, _Hand] = field(default_factory=dict)
    _flight: dict[Any, tuple[_Task, _Hand]] = field(default_factory=dict)
    _waiting: deque[_Task] = field(default_factory=deque)
    _contents: list[Any] = field(default_factory=list)
    _refused: set[str] = field(default_factory=set)
    _failures: Counter[str] = field(default_factory=Counter)
    _patient_until: float = 0.0

    def run(self, items: Sequence[_Item]) -> Generator[tuple[int, _Result], None, None]:
        """Yields the index and the result of each item, as soon as it is known.

        Items are begun in order, a few at a time. If you stop iterating, all workers end.

        Raises:
            NspError: No node can take part.
        """
        import ray

        self._contents = [ray.put(path.read_bytes()) for path in self.weights]
        self._waiting.extend(map(_Task, range(len(items))))
        try:
            while self._waiting or self._flight:
                self._hire()
                self._hand_out(items)
                self._notice_waiting()
                done, _ = ray.wait([*self._flight, *self._opening], timeout=_POLL_SECONDS)
                for reference in done:
                    if reference in self._opening:
                        self._welcome(reference)
                    else:
                        yield from self._taken_back(reference, items)
        finally:
            self._dismiss()

    def stop(self) -> None:
        """Drops the items that no worker has, and asks workers to leave theirs."""
        self._waiting.clear()
        for hand in self._hands:
            hand.actor.stop.remote()

    def _hire(self) -> None:
        """Asks Ray for as many workers as there are items and the nodes have room for, at least one."""
        import ray

        room = max(1, self.share.slots(without=self._refused))
        wanted = min(room, len(self._waiting) + len(self._flight))
        kind = ray.remote(Station).options(
            num_cpus=self.share.cores,
            num_gpus=self.share.gpus,
            max_concurrency=self.share.in_flight + 1,  # one for `stop`
            max_restarts=0,
            label_selector={"ray.io/node-id": f"!in({','.join(self._refused)})"} if self._refused else None,
        )
        for _ in range(wanted - len(self._hands) - len(self._opening)):
            hand = _Hand(kind.remote())
            self._opening[hand.actor.open.remote(self.request, *self._contents)] = hand

    def _hand_out(self, items: Sequence[_Item]) -> None:
        """Gives waiting items to the workers that have the fewest, up to their share; a suspect alone."""
        while self._waiting:
            most = 1 if self._waiting[0].is_suspect else self.share.in_flight
            free = [hand for hand in self._hands if hand.tasks < most and not hand.has_suspect]
            if not free:
                return
            hand, task = min(free, key=lambda one: one.tasks), self._waiting.popleft()
            reference = hand.actor.process.remote(items[task.index], task.losses > 0)
            self._flight[reference] = task, hand
            hand.tasks += 1
            hand.has_suspect = task.is_suspect
            self.on_begin(task.index)

    def _notice_waiting(self) -> None:
        """Says once if there is no worker: other runs have them all, or the machines are gone."""
        if self._hands or not self._patient_until:
            self._patient_until = time.monotonic() + _PATIENCE_SECONDS
        elif time.monotonic() > self._patient_until:
            self._patient_until = math.inf
            self.on_wait()

    def _welcome(self, reference: Any) -> None:
        """Takes in a worker that has opened. If it cannot work, its node is left out.

        Raises:
            NspError: All nodes are left out.
        """
        import ray

        hand = self._opening.pop(reference)
        node = _node_of(hand.actor)
        try:
            refusal = ray.get(reference)
        except ray.exceptions.RayError as error:
            host = _host_of(node)
            refusal = _not_starting(host, error)
            self._failures[node] += 1
            is_final = self._failures[node] >= _MOST_LOSSES and host is not None  # else the node has died
        else:
            if refusal is None:
                self._failures[node] = 0
                self._hands.append(hand)
                return
            is_final = True
        ray.kill(hand.actor)  # it may still live and hold its share of the node
        if is_final:
            self._leave_out(node, refusal)

    def _leave_out(self, node: str, refusal: NspError) -> None:
        if node not in self._refused:
            self._refused.add(node)
            self.on_refusal(refusal)
        if not (self._hands or self.share.slots(without=self._refused)):
            raise refusal

    def _taken_back(
        self, reference: Any, items: Sequence[_Item]
    ) -> Generator[tuple[int, _Result], None, None]:
        """Yields the result of a task; if its worker died, the task waits for another one instead."""
        import ray

        task, hand = self._flight.pop(reference)
        hand.tasks, hand.has_suspect = hand.tasks - 1, False
        try:
            result = ray.get(reference)
        except ray.exceptions.RayTaskError as error:  # a fault of ours, not of a machine
            result = self.lost(items[task.index], NspError(_reason(error), "Please report it."))
        except ray.exceptions.RayError as error:
            task.losses += 1
            if hand in self._hands:
                self._hands.remove(hand)
            if task.losses < _MOST_LOSSES:
                self._waiting.appendleft(task)
                return
            died = NspError(f"{task.losses} workers died over it: {_reason(error)}.", "Try it alone.")
            result = self.lost(items[task.index], died)
        yield task.index, result

    def _dismiss(self) -> None:
        """Ends all workers; those that work get a moment to remove what they have begun."""
        import ray

        leaving = [hand.actor.leave.remote(_GRACE_SECONDS) for hand in self._hands if hand.tasks]
        if leaving:
            ray.wait(leaving, num_returns=len(leaving), timeout=2 * _GRACE_SECONDS)
        for hand in [*self._hands, *self._opening.values()]:
            ray.kill(hand.actor)
        self._hands.clear()
        self._opening.clear()


def _node_of(actor: Any) -> str:
    """Returns the id of an actor's node, also if the actor is dead; "" if it never had one."""
    from ray._private import state  # the public call needs Ray's dashboard

    return str(state.actors(actor._actor_id.hex()).get("Address", {}).get("NodeID", ""))


def _host_of(node: str) -> str | None:
    """Returns the name of a living node's machine."""
    import ray

    hosts = (one["NodeManagerHostname"] for one in ray.nodes() if one["NodeID"] == node and one["Alive"])
    return next(hosts, None)


def _not_starting(host: str | None, error: Exception) -> DeviceError:
    failed = DeviceError(
        f"Workers do not start on {host}: {_reason(error)}.",
        "Install nsp, with the same versions of Python and Ray, on all machines.",
    )
    failed.__cause__ = error
    return failed


def _reason(error: Exception) -> str:
    """What an error of Ray says. Of a worker's own it would print the traceback."""
    return reason_of(getattr(error, "cause", None) or error)
