"""Scores a denoiser over folders of noisy and clean pictures of the same names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from torch import Tensor

from nsp_cli.errors import InputError
from nsp_cli.metrics import psnr, ssim
from nsp_cli.photo import PHOTO_SUFFIXES, read_photo, to_bit_depth
from nsp_cli.pixels import pixels_to_tensor

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Score:
    """PSNR in dB and SSIM of one picture against the clean one."""

    psnr: float
    ssim: float


@dataclass(frozen=True)
class PairScore:
    """Scores of one pair, before and after denoising."""

    name: str
    noisy: Score
    denoised: Score


def find_pairs(noisy: Path, clean: Path) -> list[tuple[Path, Path]]:
    """Matches the photos of two folders by name, or two files.

    Names are compared without their suffix, so that a PNG may be scored against a JPEG.

    Raises:
        InputError: A folder is missing or empty, or a noisy photo has no clean counterpart.
    """
    if noisy.is_file() and clean.is_file():
        return [(noisy, clean)]
    noisy_files, clean_files = _by_stem(noisy), _by_stem(clean)
    alone = sorted(set(noisy_files) - set(clean_files))
    if alone:
        raise InputError(
            f"{noisy_files[alone[0]]}: no clean photo of that name in {clean}",
            "Noisy and clean pictures are matched by file name.",
        )
    return [(noisy_files[stem], clean_files[stem]) for stem in sorted(noisy_files)]


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder", "Give a folder of noisy and a folder of clean photos.")
    files = {path.stem: path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES}
    if not files:
        raise InputError(f"{folder}: holds no photos")
    return files


def evaluate(
    pairs: Sequence[tuple[Path, Path]],
    denoise: Callable[[Tensor], Tensor],
    *,
    on_progress: OnProgress | None = None,
) -> list[PairScore]:
    """Denoises every noisy picture and scores it, rounded to 8 bits.

    Args:
        pairs: Noisy and clean files.
        denoise: Maps (3, H, W) uint8 to the same.
        on_progress: Called with the pairs done and to do.

    Raises:
        InputError: A file cannot be read, or a pair's sizes differ.
    """
    scores = []
    for done, (noisy_path, clean_path) in enumerate(pairs):
        noisy, clean = read_pair(noisy_path, clean_path)
        denoised = denoise(noisy)
        scores.append(PairScore(noisy_path.name, _score(noisy, clean), _score(denoised, clean)))
        if on_progress:
            on_progress(done + 1, len(pairs))
    return scores


def read_pair(noisy_path: Path, clean_path: Path) -> tuple[Tensor, Tensor]:
    """Reads two pictures as (3, H, W) uint8.

    Raises:
        InputError: One cannot be read, or their sizes differ.
    """
    noisy, clean = _read(noisy_path), _read(clean_path)
    if noisy.shape != clean.shape:
        raise InputError(f"{noisy_path} and {clean_path} differ in size")
    return noisy, clean


def mean_score(scores: Sequence[Score]) -> Score:
    """Averages per-picture scores."""
    return Score(fmean(score.psnr for score in scores), fmean(score.ssim for score in scores))


def _read(path: Path) -> Tensor:
    pixels = to_bit_depth(read_photo(path), 8).pixels
    if min(pixels.shape[:2]) < 11:
        raise InputError(f"{path}: too small to score, SSIM needs 11 pixels a side")
    return pixels_to_tensor(pixels)


def _score(image: Tensor, clean: Tensor) -> Score:
    return Score(psnr(image, clean), ssim(image, clean))
