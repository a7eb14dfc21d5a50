"""Scores of a denoiser on folders of noisy and clean pictures with the same names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.batch.addresses import Address, listed
from nsp_cli.errors import InputError
from nsp_cli.evaluation.metrics import psnr, ssim
from nsp_cli.ops.pixels import from_unit_range, pixels_to_tensor, to_unit_range
from nsp_cli.ops.progress import OnProgress
from nsp_cli.ops.resampling import halve
from nsp_cli.photo import PHOTO_SUFFIXES, read_photo, to_bit_depth


@dataclass(frozen=True)
class Score:
    """PSNR (in dB) and SSIM of a picture compared with the clean one."""

    psnr: float
    ssim: float


@dataclass(frozen=True)
class PairScore:
    """Scores of one pair, before and after.

    Attributes:
        name: Name of the noisy picture.
        noisy: Score of the noisy picture; enlarged by interpolation if enlarging is scored.
        denoised: Score of the result.
    """

    name: str
    noisy: Score
    denoised: Score


@dataclass(frozen=True, eq=False)
class Trial:
    """One input to process, and what its result is compared with; all (3, H, W) uint8.

    Attributes:
        given: The input.
        untouched: The result without nsp, in the size of the truth.
        truth: The ideal result.
    """

    given: Tensor
    untouched: Tensor
    truth: Tensor


def denoising_trial(noisy: Tensor, clean: Tensor) -> Trial:
    """Returns a trial that asks for the clean picture of a noisy one."""
    return Trial(noisy, noisy, clean)


def enlarging_trial(noisy: Tensor, clean: Tensor) -> Trial:
    """Returns a trial that asks for the clean picture of a halved noisy one (Table 2).

    The noisy picture is halved by bicubic interpolation. An odd last row or column is left out.

    Raises:
        InputError: A side is shorter than 12 pixels.
    """
    height, width = (side // 2 * 2 for side in clean.shape[1:])
    if min(height, width) < 12:
        raise InputError(
            "A picture is too small for --x2, which needs 12 pixels per side.", "Leave out --x2."
        )
    half = from_unit_range(halve(to_unit_range(noisy[:, :height, :width]), "bicubic"), torch.uint8)
    return Trial(half, enlarge_bicubic(half), clean[:, :height, :width])


def enlarge_bicubic(image: Tensor) -> Tensor:
    """Returns a (3, H, W) uint8 picture enlarged twofold by bicubic interpolation."""
    enlarged = functional.interpolate(to_unit_range(image)[None], scale_factor=2, mode="bicubic")[0]
    return from_unit_range(enlarged, torch.uint8)


def score_trial(name: str, trial: Trial, restore: Callable[[Tensor], Tensor]) -> PairScore:
    """Runs a trial and returns its scores."""
    restored = restore(trial.given)
    return PairScore(name, score(trial.untouched, trial.truth), score(restored, trial.truth))


def find_pairs(noisy: Path, clean: Path) -> list[tuple[Path, Path]]:
    """Matches the photos of two folders, here or at addresses, by name. Two files are one pair.

    Names are compared without their suffix, so that a PNG can be compared with a JPEG.

    Raises:
        InputError: A folder is missing or empty, or a noisy photo has no clean counterpart.
    """
    noisy_photos, clean_photos = _photos_at(noisy), _photos_at(clean)
    if (noisy_photos, clean_photos) == ([noisy], [clean]):
        return [(noisy, clean)]
    pairs, alone = _match(noisy_photos, clean_photos)
    if alone:
        raise InputError(
            f"{alone[0]} has no clean counterpart in {clean}.",
            "Give both the same file name; the suffix may differ.",
        )
    return pairs


def match_folders(noisy: Path, clean: Path) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Matches the photos of two folders by name, as `find_pairs`.

    Returns:
        The pairs, and the noisy photos that have no clean counterpart, both by name.

    Raises:
        InputError: A folder is missing or empty.
    """
    return _match(_photos_at(noisy), _photos_at(clean))


def _match(noisy: Sequence[Path], clean: Sequence[Path]) -> tuple[list[tuple[Path, Path]], list[Path]]:
    noisy_files, clean_files = ({path.stem: path for path in photos} for photos in (noisy, clean))
    stems = sorted(noisy_files)
    pairs = [(noisy_files[stem], clean_files[stem]) for stem in stems if stem in clean_files]
    return pairs, [noisy_files[stem] for stem in stems if stem not in clean_files]


def _photos_at(place: Path) -> list[Path]:
    """The photos of a folder, or a file alone."""
    if place.is_file():
        return [place]
    if isinstance(place, Address):
        paths: Iterable[Path] = (address for address, _, _ in listed(place, recursive=False))
    elif place.is_dir():
        paths = place.iterdir()
    else:
        raise InputError(f"{place} is not a folder.", "Give a folder of noisy and a folder of clean photos.")
    photos = [path for path in paths if path.suffix.lower() in PHOTO_SUFFIXES]
    if not photos:
        raise InputError(f"{place} contains no photos.", "Check the folder.")
    return photos


def evaluate(
    pairs: Sequence[tuple[Path, Path]],
    restore: Callable[[Tensor], Tensor],
    make_trial: Callable[[Tensor, Tensor], Trial] = denoising_trial,
    *,
    on_progress: OnProgress | None = None,
) -> list[PairScore]:
    """Processes every noisy picture and scores the result, rounded to 8 bits.

    Args:
        pairs: Noisy and clean files.
        restore: Turns a trial's input into a result in the size of the truth, (3, H, W) uint8.
        make_trial: Makes a trial from a noisy and a clean picture.
        on_progress: Called with the pairs done and in total.

    Raises:
        InputError: A file cannot be read, or a pair's sizes differ.
    """
    scores = []
    for done, (noisy_path, clean_path) in enumerate(pairs):
        trial = make_trial(*read_pair(noisy_path, clean_path))
        scores.append(score_trial(noisy_path.name, trial, restore))
        if on_progress:
            on_progress(done + 1, len(pairs))
    return scores


def read_pair(noisy_path: Path, clean_path: Path) -> tuple[Tensor, Tensor]:
    """Reads a noisy and a clean picture as (3, H, W) uint8.

    Raises:
        InputError: A file cannot be read, or the sizes differ.
    """
    noisy, clean = _read(noisy_path), _read(clean_path)
    if noisy.shape != clean.shape:
        raise InputError(f"{noisy_path} and {clean_path} differ in size.", "Give pairs of the same size.")
    return noisy, clean


def mean_score(scores: Sequence[Score]) -> Score:
    """Returns the mean of scores."""
    return Score(fmean(score.psnr for score in scores), fmean(score.ssim for score in scores))


def _read(path: Path) -> Tensor:
    pixels = to_bit_depth(read_photo(path), 8).pixels
    if min(pixels.shape[:2]) < 11:
        raise InputError(f"{path} is too small to score: SSIM needs 11 pixels per side.", "Leave it out.")
    return pixels_to_tensor(pixels)


def score(image: Tensor, clean: Tensor) -> Score:
    """Returns the score of a (3, H, W) uint8 picture compared with the clean one."""
    return Score(psnr(image, clean), ssim(image, clean))
