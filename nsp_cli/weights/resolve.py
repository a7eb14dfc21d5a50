"""From a name, path or address of weights to a checked local file."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from nsp_cli.errors import WeightsError, reason_of
from nsp_cli.files import file_sha256
from nsp_cli.ops.progress import OnProgress
from nsp_cli.weights import hub
from nsp_cli.weights.file import read_header
from nsp_cli.weights.hub import HubFile
from nsp_cli.weights.manifest import REPOSITORY, Manifest, ManifestEntry, load_manifest

REPOSITORY_VARIABLE = "NSP_HUB_REPO"

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class ResolvedWeights:
    """A local weights file, checked as far as possible without loading it.

    Attributes:
        path: The file.
        name: Name in the manifest, or of the file without folder and suffix.
        sha256: Checksum of the whole file in lower-case hex.
    """

    path: Path
    name: str
    sha256: str


def resolve(
    model: str,
    *,
    revision: str | None = None,
    sha256: str | None = None,
    on_progress: OnProgress | None = None,
    manifest: Manifest | None = None,
) -> ResolvedWeights:
    """Finds weights, downloads them if needed, and checks them.

    Files in the manifest are compared with its sha256 on every call. For other files only the header is
    checked, which detects files cut short but not changed numbers; give `sha256` to be sure.

    Args:
        model: A name in the manifest, "auto" for its default, a path ending in .safetensors, or
            hf://owner/repository/file.safetensors[@revision].
        revision: Commit, tag or branch on the hub; for hf:// addresses only.
        sha256: Checksum that the file must have.
        on_progress: Called with the bytes done and in total while downloading.
        manifest: None for nsp's own.

    Raises:
        WeightsError: The weights are unknown, cannot be downloaded, or fail a check.
    """
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise WeightsError(f"{sha256} is not a sha256.", "Give its 64 hexadecimal digits.")
    if revision is not None and not model.startswith(hub.SCHEME):
        raise WeightsError(
            f"{model} cannot have a revision: only hf:// addresses have one.", "Leave out the revision."
        )
    if model.startswith(hub.SCHEME):
        file = hub.parse_hub_file(model, revision)
        path = _download_checked(file, sha256, on_progress)
        return ResolvedWeights(path, path.stem, sha256_of(path))
    if _is_path(model):
        return _check_given(Path(model), sha256)
    manifest = manifest or load_manifest()
    entry = manifest.find(model)
    if sha256 is not None and sha256.lower() != entry.sha256:
        raise WeightsError(
            f"{entry.name} has the sha256 {entry.sha256}, not the one given.", "Leave out the sha256."
        )
    return ResolvedWeights(_resolve_entry(entry, manifest, on_progress), entry.name, entry.sha256)


def find_local(entry: ManifestEntry, manifest: Manifest) -> Path | None:
    """Returns the local file of known weights, unchecked; None if they must be downloaded."""
    if entry.bundled:
        path = manifest.folder / entry.file
        return path if path.is_file() else None
    repository = _repository_of(entry, manifest)
    return hub.find_in_cache(HubFile(repository, entry.file, entry.revision)) if repository else None


def sha256_of(path: Path) -> str:
    """Returns a file's sha256 in lower-case hex.

    Raises:
        WeightsError: The file cannot be read.
    """
    try:
        return file_sha256(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {reason_of(error)}.", "Check the path.") from error


def _is_path(model: str) -> bool:
    return model.endswith((".safetensors", ".pth", ".pt", ".ckpt")) or "/" in model or os.sep in model


def _check_given(path: Path, sha256: str | None) -> ResolvedWeights:
    if path.suffix in {".pth", ".pt", ".ckpt"}:
        raise WeightsError(
            f"{path} is not loaded: such files can contain code.",
            f"Convert the authors' weights: nsp weights import {path} -o {path.stem}.safetensors",
        )
    read_header(path)
    found = sha256_of(path)
    if sha256 is not None and found != sha256.lower():
        raise WeightsError(f"{path} has sha256 {found}, not {sha256.lower()}.", "Download the file again.")
    return ResolvedWeights(path, path.stem, found)


def _resolve_entry(entry: ManifestEntry, manifest: Manifest, on_progress: OnProgress | None) -> Path:
    if not entry.bundled:
        file = HubFile(_repository_or_error(entry, manifest), entry.file, entry.revision)
        cached = hub.find_in_cache(file)
        if cached is not None:
            if sha256_of(cached) == entry.sha256:
                return cached  # the checksum is right, so the hub need not be asked
            hub.discard(cached)
        return _download_checked(file, entry.sha256, on_progress)
    path = manifest.folder / entry.file
    again = "Install nsp again: pip install --force-reinstall nsp-cli"
    if not path.is_file():
        raise WeightsError(f"The bundled weights {entry.name} are missing: {path} does not exist.", again)
    found = sha256_of(path)
    if found != entry.sha256:
        raise WeightsError(
            f"{path} was changed or is damaged: its sha256 is {found}, not {entry.sha256}.", again
        )
    return path


def _download_checked(file: HubFile, sha256: str | None, on_progress: OnProgress | None) -> Path:
    """Downloads a file. If it fails a check, it is removed from the cache and refused."""
    path = hub.download(file, on_progress)
    try:
        expected = sha256 or hub.stated_sha256(path)
        if expected is not None and (found := sha256_of(path)) != expected.lower():
            raise WeightsError(f"Its sha256 is {found}, not {expected.lower()}.")
        read_header(path)
    except WeightsError as error:
        is_removed = hub.discard(path)
        what = "It was removed from the cache; try again" if is_removed else f"Delete {path} and try again"
        raise WeightsError(
            f"{file} was refused. {error.message}",
            f"{what}. If that does not help, the file on the hub is not the right one.",
        ) from error
    return path


def _repository_of(entry: ManifestEntry, manifest: Manifest) -> str:
    chosen = os.environ.get(REPOSITORY_VARIABLE, "") or entry.repository or manifest.hub_repository
    if chosen and not REPOSITORY.fullmatch(chosen):
        raise WeightsError(f"{REPOSITORY_VARIABLE}={chosen} is not a repository.", "Give it as owner/name.")
    return chosen


def _repository_or_error(entry: ManifestEntry, manifest: Manifest) -> str:
    repository = _repository_of(entry, manifest)
    if not repository:
        raise WeightsError(
            f"{entry.name} is not part of this installation, and no hub repository is set.",
            f"Set {REPOSITORY_VARIABLE}=owner/name, or download {entry.file} yourself and give its path.",
        )
    return repository
