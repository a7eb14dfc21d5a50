"""Addresses of weights files on the Hugging Face hub: hf://owner/repository/file.safetensors[@revision]."""

from __future__ import annotations

from dataclasses import dataclass

from nsp_cli.errors import WeightsError
from nsp_cli.weights.manifest import HUB_PATH, REPOSITORY

SCHEME = "hf://"


@dataclass(frozen=True)
class HubFile:
    """A file on the hub.

    Attributes:
        repository: owner/name.
        path: Inside the repository, with forward slashes.
        revision: Commit, tag or branch.
    """

    repository: str
    path: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"{SCHEME}{self.repository}/{self.path}@{self.revision}"


def parse_hub_file(address: str, revision: str | None = None) -> HubFile:
    """Reads hf://owner/repository/path/to/file.safetensors[@revision].

    Args:
        address: Parts such as .. that would lead out of the repository or the cache are refused.
        revision: Goes before the address's own.

    Raises:
        WeightsError: It is no such address.
    """
    location, _, written = address.removeprefix(SCHEME).partition("@")
    owner, _, rest = location.partition("/")
    name, _, path = rest.partition("/")
    file = HubFile(f"{owner}/{name}", path, revision or written or "main")
    if (
        not REPOSITORY.fullmatch(file.repository)
        or not HUB_PATH.fullmatch(path)
        or not path.endswith(".safetensors")
        or not HUB_PATH.fullmatch(file.revision)
        or ("@" in address and not written)
    ):
        raise WeightsError(
            f"{address}: not the address of a weights file",
            "It has the form hf://owner/repository/file.safetensors or …safetensors@revision.",
        )
    return file
