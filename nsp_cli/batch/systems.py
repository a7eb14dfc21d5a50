"""Connections to the places of addresses (fsspec), each thread's own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

# Stores where a file is there when all of it has arrived. Elsewhere it is sent under another name.
_WHOLE_OBJECTS = {"s3", "s3a", "gs", "gcs", "abfs", "az", "memory"}
# Seconds. A server that is silent for longer is taken for dead. OpenSSH admits ten logins at a time, and a
# cluster has more.
_SFTP = {"timeout": 30.0, "banner_timeout": 60.0, "auth_timeout": 60.0}
_SILENCE = 60.0
# Seconds before a broken connection is made again.
_PAUSES = (1.0, 4.0)
_gone: set[tuple[str, ...]] = set()  # protocols and hosts that failed last

_T = TypeVar("_T")


def with_system(parts: tuple[str, ...], work: Callable[[Any, str], _T]) -> _T:
    """Calls a function with the system of an address and the name there. Broken connections are made again.

    Args:
        parts: The protocol with its colon, the host or bucket, and the parts of the name.
        work: Takes fsspec's system and the name. It may be called again.

    Raises:
        Exception: What the system raises. Each of fsspec's has errors of its own, with no common class.
    """
    # A server that is gone would cost the pauses for each of many photos.
    for pause in (*([] if parts[:2] in _gone else _PAUSES), None):
        system = None
        try:
            system, root = _opened(*parts[:2])
            result = work(system, "/".join((root, *parts[2:])) or "/")
        except Exception as error:
            if _is_broken(error):
                if system is not None:
                    system._cache.pop(system._fs_token, None)
                if pause is not None:
                    time.sleep(pause)
                    continue
                _gone.add(parts[:2])
            raise
        _gone.discard(parts[:2])
        return result
    raise AssertionError  # the last round returns or raises


def appears_whole(system: Any) -> bool:
    """Tells whether a file at a system is there when all of it has arrived."""
    names = (system.protocol,) if isinstance(system.protocol, str) else system.protocol
    return bool(_WHOLE_OBJECTS & set(names))


def _opened(protocol: str, host: str = "") -> tuple[Any, str]:
    """Returns a system and the name of its root. Names go there unparsed: they may have ?, # and ::."""
    from fsspec.core import url_to_fs

    is_sftp = protocol in ("sftp:", "ssh:")
    options = {"host_key_policy": _known_hosts(), **_SFTP} if is_sftp else {}
    system, root = url_to_fs(f"{protocol}//{host}/", **options)
    if is_sftp:
        system.ftp.get_channel().settimeout(_SILENCE)
    return system, root.rstrip("/")


def _is_broken(error: Exception) -> bool:
    """Tells whether an error comes from a connection and not from a file, a password or a key."""
    if isinstance(
        error, OSError
    ):  # servers of SFTP say "Failure" without a number, also of folders made twice
        return error.errno is None or isinstance(error, (ConnectionResetError, BrokenPipeError, TimeoutError))
    # Errors derived from SSHException are about passwords and keys.
    return isinstance(error, EOFError) or type(error).__name__ == "SSHException"


@cache
def _known_hosts() -> Any:
    """Refuses servers that are not in known_hosts, or have another key. fsspec accepts any server."""
    import paramiko

    logging.getLogger("paramiko").addHandler(logging.NullHandler())  # else it prints tracebacks

    class UnknownHost(paramiko.SSHException):  # type: ignore[misc]  # paramiko has no types
        pass

    class KnownHosts(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:  # noqa: ARG002 - as paramiko
            path = Path.home() / ".ssh" / "known_hosts"
            known = paramiko.HostKeys(str(path) if path.exists() else None)
            if not known.check(hostname, key):
                raise UnknownHost(f"the key of {hostname} is not in {path}; connect once with ssh")

    return KnownHosts()
