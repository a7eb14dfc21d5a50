"""Photos in, photos out: where each result goes, and what happens between reading and writing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nsp_cli.errors import OutputError
from nsp_cli.photo import (
    EIGHT_BIT_FORMATS,
    FORMAT_SUFFIXES,
    WRITABLE_SUFFIXES,
    Photo,
    Pixels,
    RawOptions,
    check_writable,
    copy_photo,
    format_of,
    read_photo,
    result_suffix,
    to_bit_depth,
    write_photo,
)

if TYPE_CHECKING:
    from torch import Tensor

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Restored:
    """What became of a photo's pixels.

    Attributes:
        pixels: (3, s·H, s·W), of the photo's type; the very pixels that came in where nothing was done.
        notes: What was measured and done, in words.
    """

    pixels: Tensor
    notes: tuple[str, ...] = ()


# Takes (3, H, W) pixels and a progress function.
Restore = Callable[["Tensor", OnProgress | None], Restored]


@dataclass(frozen=True)
class Job:
    """One photo and where its result goes."""

    source: Path
    target: Path


@dataclass(frozen=True)
class WriteOptions:
    """How results are written.

    Attributes:
        bit_depth: 8 or 16; None keeps the photo's where the format can.
        quality: Of JPEG, WebP and AVIF, 1 to 100.
        overwrite: Whether an existing file may be replaced; the photo itself never is.
    """

    bit_depth: int | None = None
    quality: int = 95
    overwrite: bool = False


@dataclass(frozen=True)
class Report:
    """What was done to one photo.

    Attributes:
        job: Source and target.
        width: Of the result, in pixels.
        height: Of the result, in pixels.
        megapixels: Of the source.
        seconds: Reading, network and writing together.
        notes: What was measured and done, and changed on purpose, in words.
    """

    job: Job
    width: int
    height: int
    megapixels: float
    seconds: float
    notes: tuple[str, ...]


def plan_jobs(
    photos: Sequence[Path], *, output: Path | None, ending: str, file_format: str | None = None
) -> list[Job]:
    """Decides where every photo's result goes, before any work is done.

    Beside the photo as `name<ending>.ext`; in another folder under the photo's own name; or in the
    very file that `output` names. `result_suffix` chooses the suffix.

    Args:
        photos: The inputs.
        output: A folder, or for a single photo a file name with a known suffix; None is beside.
        ending: Added to the name, such as "_denoised".
        file_format: "jpeg", "png", "tiff", "webp", "avif" or "dng"; None keeps the photo's suffix.

    Raises:
        OutputError: Two photos would get the same name, many photos a single file, or `output` is
            neither a folder nor a name that can be written.
    """
    if output is not None and _names_a_file(output):
        if len(photos) > 1:
            raise OutputError(f"{output} is one file for {len(photos)} photos.", "Give a folder with -o.")
        if file_format not in (None, format_of(output)):
            raise OutputError(f"{output} is no {file_format} file.", "Give --format or a suffix, not both.")
        return [Job(photos[0], output)]
    jobs = [Job(photo, _target(photo, output, ending, file_format)) for photo in photos]
    taken: dict[str, Path] = {}
    for job in jobs:
        # Many file systems do not tell A.jpg from a.jpg.
        key = os.path.normcase(job.target.absolute()).lower()
        if key in taken:
            raise OutputError(
                f"{taken[key]} and {job.source} would both become {job.target}",
                "Process them in separate runs with different -o folders.",
            )
        taken[key] = job.source
    return jobs


def _names_a_file(output: Path) -> bool:
    if output.is_dir() or not output.suffix:
        return False
    if output.suffix.lower() not in WRITABLE_SUFFIXES:
        raise OutputError(
            f"{output} is no folder yet, and {output.suffix} is no format that can be written.",
            f"Create the folder first, or use one of {', '.join(sorted(WRITABLE_SUFFIXES))}.",
        )
    return True


def _target(photo: Path, output: Path | None, ending: str, file_format: str | None) -> Path:
    suffix = FORMAT_SUFFIXES[file_format] if file_format else result_suffix(photo)
    folder = photo.parent if output is None else output
    if folder.absolute() == photo.parent.absolute():
        return folder / f"{photo.stem}{ending}{suffix}"
    return folder / f"{photo.stem}{suffix}"


def run_job(
    job: Job,
    restore: Restore,
    *,
    scale: int = 1,
    options: WriteOptions,
    raw: RawOptions | None = None,
    max_megapixels: float = 250,
    on_progress: OnProgress | None = None,
) -> Report:
    """Reads a photo, restores it and writes the result.

    Args:
        job: Source and target.
        restore: What is done to the pixels.
        scale: How much larger per axis the result is.
        options: How the result is written.
        raw: How camera RAW is developed.
        max_megapixels: Larger photos are refused.
        on_progress: Called with the photo's pixels done and to do.

    Raises:
        InputError: The photo cannot be read.
        OutputError: The result cannot be written; found out before the work where possible.
        DeviceError: The network cannot be run.
    """
    begin = time.perf_counter()
    photo = read_photo(job.source, max_megapixels=max_megapixels, raw=raw)
    depth = _depth(photo, job.target, options.bit_depth)
    _make_folder(job.target.parent)
    check_writable(to_bit_depth(photo, depth), job.target, overwrite=options.overwrite, scale=scale)
    # Deepened before the network, so that the result really has the finer levels.
    deep = to_bit_depth(photo, max(depth, photo.bit_depth))
    restored, notes, is_changed = restore_photo(deep, restore, on_progress=on_progress)
    result = to_bit_depth(restored, depth)
    if not is_changed and photo.format == format_of(job.target) and depth == photo.bit_depth:
        # Not encoded again: JPEG would lose a little, and every byte of metadata stays.
        copy_photo(job.source, job.target, overwrite=options.overwrite)
    else:
        write_photo(result, job.target, quality=options.quality, overwrite=options.overwrite)
    return Report(
        job,
        width=result.width,
        height=result.height,
        megapixels=photo.width * photo.height / 1e6,
        seconds=time.perf_counter() - begin,
        notes=result.notes + notes,
    )


def _depth(photo: Photo, target: Path, asked: int | None) -> int:
    """Returns the depth to write: as asked, else the photo's, as far as the format can."""
    return asked or (8 if format_of(target) in EIGHT_BIT_FORMATS else photo.bit_depth)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {folder} cannot be made: {error.strerror}.", "Choose another with -o."
        ) from error


def restore_photo(
    photo: Photo, restore: Restore, *, on_progress: OnProgress | None = None
) -> tuple[Photo, tuple[str, ...], bool]:
    """Restores a photo's pixels and carries everything else along; transparency is resized to fit.

    Returns:
        The photo, what was measured and done in words, and whether the pixels are others now.
    """
    from nsp_cli.pixels import pixels_to_tensor, tensor_to_pixels

    given = pixels_to_tensor(photo.pixels)
    restored = restore(given, on_progress)
    if restored.pixels is given:
        return photo, restored.notes, False
    pixels = tensor_to_pixels(restored.pixels)
    alpha = _fit_alpha(photo.alpha, pixels.shape[0], pixels.shape[1])
    return photo.with_pixels(pixels, alpha=alpha), restored.notes, True


def _fit_alpha(alpha: Pixels | None, height: int, width: int) -> Pixels | None:
    if alpha is None or alpha.shape == (height, width):
        return alpha
    import torch
    from torch.nn import functional

    white = np.iinfo(alpha.dtype).max
    image = torch.from_numpy(alpha.astype(np.float32))[None, None]
    fitted = functional.interpolate(image, size=(height, width), mode="bicubic", align_corners=False)
    return fitted[0, 0].round().clamp(0, white).numpy().astype(alpha.dtype)
