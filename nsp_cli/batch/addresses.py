"""Addresses such as s3://bucket/photo.jpg, which look like paths, and files at them (fsspec)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from nsp_cli.errors import InputError, NspError, OutputError, reason_of

# A drive of Windows has one letter.
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:")
# Stores where a file is there when all of it has arrived. Elsewhere it is sent under another name.
_WHOLE_OBJECTS = {"s3", "s3a", "gs", "gcs", "abfs", "az", "memory"}


if TYPE_CHECKING:
    _SystemPath = Path
else:
    _SystemPath = type(Path())  # before Python 3.12, `Path` itself cannot be derived from


class Address(_SystemPath):
    """An address that has the names, suffixes and folders of a path. It is no file of this machine."""

    def __str__(self) -> str:
        first, *rest = self.parts
        return f"{first}//{'/'.join(rest)}"

    def __fspath__(self) -> str:
        return str(self)

    def absolute(self) -> Address:
        """Returns the same address: it does not depend on a folder."""
        return self

    def resolve(self, strict: bool = False) -> Address:  # noqa: ARG002 - as Path has it
        """Returns the same address: links at it are not followed."""
        return self


def located(path: Path) -> Path:
    """Returns a path as an `Address` if it begins like one."""
    return Address(path) if len(path.parts) > 1 and _SCHEME.fullmatch(path.parts[0]) else path


def listed(address: Address, *, recursive: bool) -> Iterator[tuple[Address, Path, int]]:
    """Yields the files at an address, in a stable order, each with its folder relative to the address.

    The third value is the size in bytes, 0 where the list does not tell it; no file is asked for it.
    Hidden files and folders are left out. The address of a file yields that file.

    Raises:
        InputError: The address cannot be listed.
    """
    with _translated(InputError, address, "listed"):
        system, root = _opened(address)
        found = system.find(root, maxdepth=None if recursive else 1, detail=True)
    for name, facts in sorted(found.items()):
        below = PurePosixPath(name).relative_to(PurePosixPath(root))
        if not any(part.startswith(".") for part in below.parts):
            yield address / below, Path(below.parent), facts.get("size") or 0


def fetch(address: Address, path: Path) -> bool:
    """Copies a file to this machine; returns False if there is none.

    Raises:
        InputError: It cannot be read.
    """
    with _translated(InputError, address, "read"):
        system, name = _opened(address)
        if not system.isfile(name):
            return False
        system.get_file(name, str(path))
        return True


def send(path: Path, address: Address) -> None:
    """Copies a file of this machine to an address, where it appears whole or not at all.

    Raises:
        OutputError: It cannot be written, or did not arrive whole.
    """
    with _translated(OutputError, address, "written"):
        system, name = _opened(address)
        sent = name
        if not _WHOLE_OBJECTS & set(_protocols(system)):
            folder, _, last = name.rpartition("/")
            system.makedirs(folder, exist_ok=True)
            sent = f"{folder}/.nsp-{last}"
        system.put_file(str(path), sent)
        system.invalidate_cache()
        if system.info(sent)["size"] != path.stat().st_size:
            raise OSError("it did not arrive whole")
        if sent != name:
            system.mv(sent, name)


def _opened(address: Address) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    options = {"host_key_policy": _known_hosts()} if address.parts[0] in ("sftp:", "ssh:") else {}
    system, name = url_to_fs(str(address), **options)
    return system, name.rstrip("/")


@cache
def _known_hosts() -> Any:
    """Refuses servers that are not in known_hosts, or have another key. fsspec accepts any server."""
    import paramiko

    class KnownHosts(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]  # paramiko has no types
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:  # noqa: ARG002 - as paramiko
            path = Path.home() / ".ssh" / "known_hosts"
            known = paramiko.HostKeys(str(path) if path.exists() else None)
            if not known.check(hostname, key):
                raise paramiko.SSHException(f"the key of {hostname} is not in {path}; connect once with ssh")

    return KnownHosts()


def _protocols(system: Any) -> tuple[str, ...]:
    return (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)


@contextmanager
def _translated(kind: type[NspError], address: Address, what: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise kind(
            f"{address} cannot be {what}: {reason_of(error)}.", "Install it: pip install 'nsp-cli[remote]'"
        ) from error
    except Exception as error:  # each of fsspec's backends has errors of its own, with no common class
        raise kind(
            f"{address} cannot be {what}: {reason_of(error)}.", "Check the address and your access to it."
        ) from error
