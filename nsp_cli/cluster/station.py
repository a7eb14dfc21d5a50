"""What runs in a worker's process on a node. It knows nothing of Ray."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nsp_cli import __version__
from nsp_cli.errors import InputError, NspError, WeightsError
from nsp_cli.files import file_sha256, remove_unfinished, temporary_folder

_POLL_SECONDS = 0.02
_LATE_SECONDS = 5.0
_SHARE = "All machines must share the folders, under the same paths."


class Service(Protocol):
    """The work of a worker. Several threads call `process` at once."""

    def process(self, item: Any, *, is_again: bool) -> Any:
        """Returns what becomes of an item. `is_again` says that a worker died over it."""

    def stop(self) -> None:
        """Lets all calls of `process` end soon, now and in future."""


@dataclass(frozen=True)
class Request:
    """What a worker needs to begin.

    Attributes:
        make: Makes the service from local weights files, in the order of `checksums`.
        checksums: sha256 of each weights file.
        must_exist: Paths that a node sees if it shares the folders.
        marker: A file that this machine has just made among the results; None if nothing is written.
        version: Version of nsp that the results will name.
    """

    make: Callable[[Sequence[Path]], Service]
    checksums: Sequence[str] = ()
    must_exist: Sequence[Path] = ()
    marker: Path | None = None
    version: str = __version__


@dataclass(eq=False)
class Station:
    """A worker. Ray calls its methods, several at once."""

    _services: list[Service] = field(default_factory=list)
    _busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, request: Request, *contents: bytes) -> NspError | None:
        """Loads the weights; returns why this node cannot take part, else None.

        Args:
            request: What to do.
            contents: The weights files.
        """
        try:
            _check_node(request)
            with temporary_folder() as folder:
                self._services.append(request.make(_saved(folder, contents, request.checksums)))
        except NspError as error:
            return error
        return None

    def process(self, item: Any, is_again: bool) -> Any:
        """Returns what becomes of an item."""
        with self._lock:
            self._busy += 1
        try:
            return self._services[0].process(item, is_again=is_again)
        finally:
            with self._lock:
                self._busy -= 1

    def stop(self) -> None:
        """Lets all work end soon. What is being written is written."""
        for service in self._services:
            service.stop()

    def leave(self, seconds: float) -> None:
        """Ends all work, and removes what is unfinished after some seconds. The process must end then."""
        self.stop()
        end = time.monotonic() + seconds
        while self._busy and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)
        remove_unfinished()


def _check_node(request: Request) -> None:
    here = platform.node()
    if request.version != __version__:
        raise NspError(
            f"{here} has nsp {__version__}, and this machine has nsp {request.version}.",
            "Install the same version on all machines.",
        )
    for path in request.must_exist:
        if not os.path.lexists(path):
            raise InputError(f"{here} does not see {path}.", _SHARE)
    if request.marker is not None and not _appears(request.marker):
        # Else its results would stay on a disk of its own.
        raise InputError(f"{here} has another folder {request.marker.parent} than this machine.", _SHARE)


def _appears(path: Path) -> bool:
    """Waits for a file that another machine has made. Network drives may show it late."""
    end = time.monotonic() + _LATE_SECONDS
    while not os.path.lexists(path):
        if time.monotonic() > end:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _saved(folder: Path, contents: Sequence[bytes], checksums: Sequence[str]) -> list[Path]:
    paths = []
    for number, (content, expected) in enumerate(zip(contents, checksums, strict=True)):
        path = folder / f"{number}.safetensors"
        path.write_bytes(content)
        if (found := file_sha256(path)) != expected:
            raise WeightsError(f"Weights arrived damaged: their sha256 is {found}, not {expected}.", "")
        paths.append(path)
    return paths
