"""What nsp uses besides itself: weights, photo formats, optional libraries, caches and the hub."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nsp_cli.doctor.finding import Finding, FindingStatus, short
from nsp_cli.doctor.machine import installed_version
from nsp_cli.errors import NspError, WeightsError
from nsp_cli.photo import Photo, Pixels, read_photo, write_photo
from nsp_cli.photo.formats.raw import libraw_version
from nsp_cli.photo.formats.registry import SPECS
from nsp_cli.photo.formats.spec import FormatSpec
from nsp_cli.training.data.photo_cache import default_root
from nsp_cli.weights.hub import cache_folder, endpoint, why_unreachable
from nsp_cli.weights.manifest import load_manifest
from nsp_cli.weights.resolve import resolve

# Optional libraries: the extra that installs them, and their purpose.
EXTRAS = {
    "exiv2": ("metadata", "comparing a result's metadata with its photo's"),
    "scipy": ("evaluate", "MATLAB files of data sets"),
    "h5py": ("evaluate", "MATLAB v7.3 files of data sets"),
    "onnx": ("onnx", "nsp export"),
    "onnxscript": ("onnx", "nsp export"),
    "onnxruntime": ("onnx", "comparing ONNX files with torch"),
}
_LITTLE_SPACE = 1e9


def examine_weights() -> Iterator[Finding]:
    """Compares the bundled weights with their published sha256."""
    manifest = load_manifest()
    for entry in manifest.entries.values():
        if not entry.bundled:
            continue
        about = f"weights {entry.name}"
        try:
            found = resolve(entry.name, manifest=manifest)
        except WeightsError as error:
            yield Finding(about, FindingStatus.FAILED, error.message, error.hint)
        else:
            yield Finding(about, FindingStatus.OK, f"bundled, as published (sha256 {found.sha256[:12]}…)")


def examine_formats() -> Iterator[Finding]:
    """Writes a small photo in every format that takes any picture, and reads it again."""
    specs = [spec for spec in SPECS.values() if spec.is_written and spec.is_available and not spec.only_from]
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        wrong = [spec.name for spec in specs if not _comes_back(pixels, Path(folder), spec)]
    if wrong:
        step = "Install again: pip install --force-reinstall nsp-cli pillow tifffile imagecodecs"
        yield Finding("photo formats", FindingStatus.FAILED, f"not read as written: {', '.join(wrong)}", step)
    else:
        yield Finding(
            "photo formats", FindingStatus.OK, f"read as written: {', '.join(spec.name for spec in specs)}"
        )


def _comes_back(pixels: Pixels, folder: Path, spec: FormatSpec) -> bool:
    """Whether a photo that is written and read again differs no more than its format allows."""
    path = folder / f"photo{spec.suffixes[0]}"
    try:
        write_photo(Photo(pixels), path, quality=100)
        difference = float(np.abs(read_photo(path).pixels.astype(int) - pixels).mean())
    except NspError:
        return False
    return difference <= spec.noise_difference


def examine_raw() -> Iterator[Finding]:
    """Loads the RAW decoder."""
    yield Finding("camera RAW", FindingStatus.OK, f"LibRaw {libraw_version()}")


def examine_extras() -> Iterator[Finding]:
    """Lists the optional libraries."""
    for name, (extra, purpose) in EXTRAS.items():
        found = installed_version(name)
        if found:
            yield Finding(f"optional {name}", FindingStatus.OK, found)
        else:
            step = f'To install it: pip install "nsp-cli[{extra}]"'
            yield Finding(f"optional {name}", FindingStatus.OK, f"not installed; for {purpose}", step)


def examine_caches() -> Iterator[Finding]:
    """Checks that the caches of training and of the hub can be written and have free space."""
    yield _cache("cache of training", default_root(), "Set NSP_CACHE_DIR to a folder on another disk.")
    yield _cache("cache of the hub", cache_folder(), "Set HF_HOME to a folder on another disk.")


def _cache(about: str, folder: Path, step: str) -> Finding:
    there = folder
    while not there.is_dir() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        return Finding(
            about, FindingStatus.WARNING, f"{short(folder)} cannot be written ({error.strerror})", step
        )
    status, next_step = (FindingStatus.OK, "") if free > _LITTLE_SPACE else (FindingStatus.WARNING, step)
    return Finding(about, status, f"{short(folder)}, {free / 1e9:.1f} GB free", next_step)


def examine_hub() -> Iterator[Finding]:
    """Checks that the hub can be reached. The bundled weights do not need it."""
    address = endpoint()
    if not address:
        yield Finding("hub", FindingStatus.OK, "not checked, because HF_HUB_OFFLINE is set")
        return
    reason = why_unreachable(address)
    if reason:
        step = "Only hf:// weights need it. Check the connection, or set HF_ENDPOINT to a mirror."
        yield Finding("hub", FindingStatus.WARNING, f"{address} cannot be reached ({reason})", step)
    else:
        yield Finding("hub", FindingStatus.OK, f"{address} answers")
