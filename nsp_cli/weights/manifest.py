"""The weights that nsp knows by name, from weights/manifest.toml."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from nsp_cli.errors import WeightsError, reason_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)

# Names for weights that nsp chooses, and the manifest's keys for them.
AUTOMATIC = {
    "auto": "default",
    "auto-upscale": "default_upscale",
    "auto-blind-spot": "default_blind_spot",
    "auto-noise": "default_noise",
    "auto-raw": "default_raw",
}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_FILE = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Paths and revisions on the hub. No part begins with a dot, so none leads out of the repository or the cache.
HUB_PATH = re.compile(r"[A-Za-z0-9_][\w.+-]*(/[A-Za-z0-9_][\w.+-]*)*", re.ASCII)


@dataclass(frozen=True)
class ManifestEntry:
    """Weights that nsp knows.

    Attributes:
        name: Name that users type.
        file: Name of the safetensors file, without folders.
        sha256: Checksum of the whole file in lower-case hex.
        network: A key of `NETWORKS`.
        summary: One line for the list.
        licence: SPDX identifier where there is one.
        card: Name of the model card beside the manifest.
        bundled: Whether the file is beside the manifest; otherwise it is on the hub.
        revision: Commit, tag or branch on the hub.
        repository: owner/name on the hub; empty for the manifest's repository.
    """

    name: str
    file: str
    sha256: str
    network: str
    summary: str
    licence: str
    card: str
    bundled: bool
    revision: str = "main"
    repository: str = ""


@dataclass(frozen=True)
class Manifest:
    """All weights that nsp knows, in the manifest's order.

    Attributes:
        folder: The folder with the manifest, the model cards and the bundled files.
        defaults: Key of `entries` for "auto" and its variants; variants may be missing.
        hub_repository: owner/name on the hub; empty if there is none.
        entries: Weights by name.
    """

    folder: Path
    defaults: Mapping[str, str]
    hub_repository: str
    entries: Mapping[str, ManifestEntry]

    def find(self, name: str) -> ManifestEntry:
        """Returns the entry of a name, or of the default for a key of `AUTOMATIC`.

        Raises:
            WeightsError: The name is unknown.
        """
        chosen = self.defaults.get(name, self.defaults.get("auto", "")) if name in AUTOMATIC else name
        if not chosen:
            raise WeightsError(
                "This installation of nsp has no weights.",
                "Choose some with --model FILE.safetensors or --model hf://owner/repo/file.",
            )
        entry = self.entries.get(chosen)
        if entry is None:
            known = ", ".join(self.entries) or "none"
            raise WeightsError(
                f"There are no weights named {name}; known names are {known}.",
                "Use one of these names, a .safetensors file, or hf://owner/repo/file.safetensors.",
            )
        return entry


def weights_folder() -> Path:
    """Returns the folder of the manifest, in an installed package or a source checkout."""
    package = Path(__file__).parents[1]
    bundled = package / "bundled"  # pyproject.toml puts weights/ there in a wheel
    return bundled if bundled.is_dir() else package.parent / "weights"


def load_manifest(folder: Path | None = None) -> Manifest:
    """Reads and checks the manifest.

    Args:
        folder: Folder of the manifest; None for nsp's own.

    Raises:
        WeightsError: The manifest is missing or damaged, because somebody changed the installation.
    """
    folder = folder or weights_folder()
    path = folder / "manifest.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return _parse(folder, content)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path} cannot be used: {reason_of(error)}.",
            "Install nsp again: pip install --force-reinstall nsp-cli",
        ) from error


def _parse(folder: Path, content: Mapping[str, Any]) -> Manifest:
    entries = {name: ManifestEntry(name=name, **table) for name, table in content.get("weights", {}).items()}
    defaults = {name: content[key] for name, key in AUTOMATIC.items() if content.get(key)}
    manifest = Manifest(folder, defaults, content.get("hub_repository", ""), entries)
    for entry in entries.values():
        _check_entry(entry)
    for default in defaults.values():
        if default not in entries:
            raise ValueError(f"its default {default!r} is not among its weights")
    if manifest.hub_repository and not REPOSITORY.fullmatch(manifest.hub_repository):
        raise ValueError(f"hub_repository = {manifest.hub_repository!r}")
    return manifest


def _check_entry(entry: ManifestEntry) -> None:
    for field in fields(entry):
        expected = bool if field.name == "bundled" else str
        if not isinstance(getattr(entry, field.name), expected):
            raise ValueError(f"{entry.name}: {field.name} is not of type {expected.__name__}")
    patterns = {"name": _NAME, "file": _FILE, "card": _FILE, "sha256": _SHA256, "revision": HUB_PATH}
    for key, pattern in patterns.items():
        if not pattern.fullmatch(getattr(entry, key)):
            raise ValueError(f"{entry.name}: {key} = {getattr(entry, key)!r}")
    if entry.name in AUTOMATIC or (entry.repository and not REPOSITORY.fullmatch(entry.repository)):
        raise ValueError(f"{entry.name}: the name is reserved, or {entry.repository!r} is not a repository")
