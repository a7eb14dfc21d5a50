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
        address: The address; parts such as .., which lead out of the repository or the cache, are refused.
        revision: Replaces the revision in the address.

    Raises:
        WeightsError: The address has another form.
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
            f"{address} is not the address of a weights file.",
            "Use the form hf://owner/repository/file.safetensors or …safetensors@revision.",
        )
    return file
