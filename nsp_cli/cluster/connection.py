"""Starts Ray on this machine, or joins a cluster that runs."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from nsp_cli.errors import DeviceError, reason_of

# The address that stands for a cluster of this machine alone.
HERE = "auto"
# Bytes. Weights and short messages are all that goes through Ray; photos never do.
_OBJECT_STORE = 100 * 2**20
_ANSWER_SECONDS = 5.0
# What HTTP/2 begins with, an empty frame of settings included, and where a frame tells its type.
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_FRAME_TYPE, _SETTINGS = 3, b"\x04"
_INSTALL = "Install it: pip install 'nsp-cli[cluster]'"


def check_installed() -> None:
    """Raises DeviceError if Ray is not installed."""
    if find_spec("ray") is None:
        raise DeviceError("--cluster needs Ray, which is not installed.", _INSTALL)


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connects this process to a Ray cluster while the block runs. Nothing is reported to Ray's makers.

    Args:
        address: "auto" starts Ray on this machine and ends it afterwards. Else host:port of a cluster's head;
            this machine must be one of its nodes.

    Raises:
        DeviceError: Ray is not installed, cannot be started, or no cluster answers.
    """
    check_installed()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    try:
        with _own_signals():
            _start(address)
        yield
    finally:
        ray.shutdown()


def _start(address: str) -> None:
    import ray
    from ray._private import worker

    # Ray tells of dead nodes on standard output, which is for results. Its debugger turns that off like this.
    worker._worker_logs_enabled = False
    here = {"object_store_memory": _OBJECT_STORE, "include_dashboard": False} if address == HERE else {}
    try:
        if address != HERE:
            _check_answering(address)
        ray.init(
            address="local" if address == HERE else address,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            **here,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise DeviceError(
            f"The cluster {address} cannot be joined: {reason_of(error)}.",
            "Run `ray status` on this machine. It must be a node: ray start --address=HOST:PORT",
        ) from error


def _check_answering(address: str) -> None:
    """Asks first, because Ray itself would try for minutes, and could not be interrupted.

    Ray speaks gRPC, which begins with settings of HTTP/2 from both sides. Its dashboard does not.

    Raises:
        OSError: Nobody answers.
        ValueError: The address has no port, or is not of Ray.
    """
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        raise ValueError("it is not HOST:PORT")
    with socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS) as there:
        if os.environ.get("RAY_USE_TLS", "0") != "0":
            return
        there.sendall(_GREETING)
        try:
            answer = there.recv(_FRAME_TYPE + 1)
        except OSError:  # silent, or hung up
            answer = b""
    if answer[_FRAME_TYPE:] != _SETTINGS:
        raise ValueError("what answers there is not the head of a Ray cluster")


@contextmanager
def _own_signals() -> Iterator[None]:
    """Undoes what Ray does to SIGTERM: it would end the process, and results would be left half-written."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
