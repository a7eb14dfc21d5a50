"""Addresses such as s3://bucket/photo.jpg, which look like paths, and files at them."""

from __future__ import annotations

import errno
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from nsp_cli.batch.systems import appears_whole, with_system
from nsp_cli.errors import InputError, NspError, OutputError, reason_of
from nsp_cli.files import hidden_name

# A drive of Windows has one letter.
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:")
_PASSWORD = re.compile(r"(?<=:).+(?=@)")
_HIDDEN = "***"
_SAME_SYSTEMS = {"s3a:": "s3:", "ssh:": "sftp:", "gcs:": "gs:"}


if TYPE_CHECKING:
    _SystemPath = Path
else:
    _SystemPath = type(Path())  # before Python 3.12, `Path` itself cannot be derived from


class Address(_SystemPath):
    """An address that has the names, suffixes and folders of a path. It is no file of this machine.

    Its text hides a password. Only `parts` has it.
    """

    def __str__(self) -> str:
        first, *rest = self.parts
        if rest:
            rest[0] = _PASSWORD.sub(_HIDDEN, rest[0])
        return f"{first}//{'/'.join(rest)}"

    def __fspath__(self) -> str:
        return str(self)

    def absolute(self) -> Address:
        """Returns the same address: it does not depend on a folder."""
        return self

    def resolve(self, strict: bool = False) -> Address:  # noqa: ARG002 - as Path has it
        """Returns the same address: links at it are not followed."""
        return self

    def without_password(self, text: str) -> str:
        """Returns a text in which the address's password is hidden."""
        found = _PASSWORD.search(self.parts[1]) if len(self.parts) > 1 else None
        return text.replace(found.group(), _HIDDEN) if found else text

    def is_same_file(self, other: Path) -> bool:
        """Tells whether another path is this file, as far as the addresses tell."""
        return isinstance(other, Address) and self._place() == other._place()

    def _place(self) -> tuple[str, ...]:
        protocol, host, *rest = self.parts
        host = host.rpartition("@")[2].lower().removesuffix(":22")
        return (_SAME_SYSTEMS.get(protocol, protocol), host, *rest)


def located(path: Path) -> Path:
    """Returns a path as an `Address` if it begins like one. Of file:///... it returns the path."""
    if len(path.parts) == 1 or not _SCHEME.fullmatch(path.parts[0]):
        return path
    if path.parts[0] == "file:":
        return Path(unquote("/".join(("", *path.parts[1:]))))
    return Address(path)


def listed(address: Address, *, recursive: bool) -> Iterator[tuple[Address, Path, int]]:
    """Yields the files at an address, in a stable order, each with its folder relative to the address.

    The third value is the size in bytes, 0 where the list does not tell it; no file is asked for it.
    Hidden files and folders are left out, and links to folders. The address of a file yields that file.

    Raises:
        InputError: The address, or a folder below it, cannot be listed.
    """

    def work(system: Any, root: str) -> dict[str, int]:
        try:
            named = system.info(root)
        except FileNotFoundError:
            return {}
        if named["type"] != "directory":
            return {".": named.get("size") or 0}
        names = _walked(system, root, recursive)
        return {PurePosixPath(name).relative_to(PurePosixPath(root)).as_posix(): size for name, size in names}

    with _translated(InputError, address, "listed"):
        found = with_system(address.parts, work)
    for name, size in sorted(found.items()):
        yield address / name, Path(PurePosixPath(name).parent), size


def _walked(system: Any, folder: str, recursive: bool) -> Iterator[tuple[str, int]]:
    """Yields the names and sizes of files. fsspec's own walk takes folders that it cannot read for empty."""
    for entry in system.ls(folder, detail=True):
        name = entry["name"].rstrip("/")
        if name == folder.rstrip("/") or name.rpartition("/")[2].startswith("."):
            continue
        if entry["type"] != "directory":
            yield name, entry.get("size") or 0
        elif recursive:
            yield from _walked(system, name, recursive)


def fetch(address: Address, path: Path) -> bool:
    """Copies a file to this machine; returns False if there is none.

    Raises:
        InputError: It cannot be read, or did not arrive whole.
    """

    def work(system: Any, name: str) -> bool:
        try:
            info = system.info(name)
        except FileNotFoundError:
            return False
        if info["type"] == "directory":
            return False
        system.get_file(name, str(path))
        _check_size(path.stat().st_size, info["size"])
        return True

    with _translated(InputError, address, "read"):
        return with_system(address.parts, work)


def send(path: Path, address: Address) -> None:
    """Copies a file of this machine to an address, where it appears whole or not at all.

    Raises:
        OutputError: It cannot be written, or did not arrive whole.
    """

    def work(system: Any, name: str) -> None:
        if appears_whole(system):
            _put(system, path, name)
            return
        folder = name.rpartition("/")[0]
        system.makedirs(folder, exist_ok=True)
        # A name of its own, because another run may be sending the same result.
        sent = f"{folder}/{hidden_name(address)}-{secrets.token_hex(4)}{address.suffix[:10]}"
        try:
            _put(system, path, sent)
            system.mv(sent, name)
        except BaseException:
            with suppress(Exception):
                system.rm_file(sent)
            raise

    with _translated(OutputError, address, "written"):
        with_system(address.parts, work)


def _put(system: Any, path: Path, name: str) -> None:
    system.put_file(str(path), name)
    system.invalidate_cache()
    _check_size(system.info(name)["size"], path.stat().st_size)


def _check_size(arrived: int, sent: int | None) -> None:
    """Compares sizes in bytes; some servers do not tell theirs.

    Raises:
        OSError: They differ.
    """
    if sent is not None and arrived != sent:
        raise OSError("it did not arrive whole")


@contextmanager
def _translated(kind: type[NspError], address: Address, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each of fsspec's systems has errors of its own, with no common class
        hint = "Check the address and your access to it."
        if isinstance(error, ImportError):
            hint = "Install it: pip install 'nsp-cli[remote]'"
        elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = f"Free some space in {tempfile.gettempdir()}, or let TMPDIR name another folder."
        reason = address.without_password(reason_of(error))
        raise kind(f"{address} cannot be {what}: {reason}.", hint) from error
