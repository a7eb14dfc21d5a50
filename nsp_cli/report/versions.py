"""Versions of a photo: the photo and its results, with the provenance that each file states."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from nsp_cli import __version__
from nsp_cli.errors import InputError
from nsp_cli.files import file_sha256
from nsp_cli.ops.pixels import pixels_to_tensor, tensor_to_pixels
from nsp_cli.ops.progress import OnProgress
from nsp_cli.photo import Photo, Provenance, read_photo, read_provenance
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.inference import Restorer
from nsp_cli.restoration.planning import plan_for
from nsp_cli.restoration.strength import Strength
from nsp_cli.restoration.view import view_of


@dataclass(frozen=True, eq=False)
class Version:
    """One version of a photo.

    Attributes:
        name: Name to choose it by, unique among the versions of a photo.
        file: Name of its file, for display.
        photo: Pixels and metadata.
        made: How nsp made it, if the file says so.
        sha256: Checksum of the file; empty if there is no file.
    """

    name: str
    file: str
    photo: Photo
    made: Provenance | None = None
    sha256: str = ""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings it was made with, by name; empty if the file does not state them in a known way."""
        try:
            settings = json.loads(self.made.settings) if self.made else {}
        except ValueError:
            return {}
        return settings if isinstance(settings, dict) else {}


def read_versions(
    before: Path,
    after: Sequence[Path],
    *,
    max_megapixels: float = math.inf,
    name_of: Callable[[Path], str] = attrgetter("name"),
) -> list[Version]:
    """Reads a photo and its results, and names them.

    Args:
        before: The photo.
        after: Its results.
        max_megapixels: Larger pictures are refused.
        name_of: Returns the name under which a file is shown.

    Raises:
        InputError: A file cannot be read, or its shape differs from the photo's.
    """
    names = ["before", "after"] if len(after) == 1 else ["before", *_names(after)]
    versions = [
        Version(
            name,
            name_of(path),
            read_photo(path, max_megapixels=max_megapixels),
            read_provenance(path),
            file_sha256(path),
        )
        for name, path in zip(names, [before, *after], strict=True)
    ]
    for version in versions[1:]:
        _check_shape(versions[0], version)
    return versions


def strength_versions(
    restorer: Restorer,
    before: Version,
    strengths: Sequence[float],
    on_progress: OnProgress | None = None,
    *,
    keep_hot_pixels: bool = False,
) -> list[Version]:
    """Returns the results of denoising a photo at several strengths.

    Args:
        restorer: Network and device.
        before: The photo.
        strengths: Each from 0 to 2.
        on_progress: Called with the pixels done and in total, over all strengths.
        keep_hot_pixels: Whether hot pixels are taken for a part of the scene.

    Raises:
        DeviceError: Memory is full even at the smallest tile, or the network's result is not finite.
    """
    noisy = pixels_to_tensor(before.photo.seen_pixels)
    results = pipeline.denoise_by_strengths(
        restorer,
        noisy,
        [Strength(strength, strength) for strength in strengths],
        plan_for(restorer, noisy, view_of(before.photo, noisy)),
        keep_hot_pixels=keep_hot_pixels,
        on_progress=on_progress,
    )
    return [
        Version(
            strength_name(strength),
            "in no file",
            before.photo.with_pixels(before.photo.hidden_kept(tensor_to_pixels(result))),
            made_with(restorer, before.sha256, strength, keep_hot_pixels),
        )
        for strength, result in zip(strengths, results, strict=True)
    ]


def strength_name(strength: float) -> str:
    """Returns the name of a version with that strength."""
    return f"strength {strength:g}"


def made_with(restorer: Restorer, source: str, strength: float, keep_hot_pixels: bool) -> Provenance | None:
    weights = restorer.weights
    if weights is None:
        return None
    kept = {"keep_hot_pixels": True} if keep_hot_pixels else {}
    settings = json.dumps({"luma": strength, "chroma": strength, **kept})
    return Provenance(source, weights.name, weights.sha256, settings, __version__)


def _names(paths: Sequence[Path]) -> list[str]:
    """Returns names for versions: their files, with folders if two files have the same name."""
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        names = [str(path.with_suffix("")) for path in paths]
    return [
        name if names.count(name) == 1 and name != "before" else f"{name} ({number})"
        for number, name in enumerate(names, start=1)
    ]


def _check_shape(before: Version, version: Version) -> None:
    """Checks that a version has the proportions of the photo, up to a pixel. Its size may differ.

    Raises:
        InputError: The proportions differ.
    """
    one, other = before.photo, version.photo
    scale = other.width / one.width
    if abs(one.height * scale - other.height) > max(1.0, scale):
        raise InputError(
            f"{version.file} ({other.width}×{other.height} pixels) and {before.file} "
            f"({one.width}×{one.height} pixels) are not versions of one photo.",
            "Name the photo first, then results made from it.",
        )
