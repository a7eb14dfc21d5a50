"""SIDD's sRGB blocks: scores on the validation set, and the submission to the benchmark's server."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path

from torch import Tensor

from nsp_cli.errors import InputError
from nsp_cli.evaluation.datasets.mat_file import Array, read_array
from nsp_cli.evaluation.datasets.results import Rows
from nsp_cli.evaluation.folders import PairScore, Score, Trial, score_trial
from nsp_cli.ops.pixels import pixels_to_tensor, tensor_to_pixels
from nsp_cli.ops.progress import OnProgress

OFFICIAL = (40, 32, 256, 256, 3)
SCORE_COLUMNS = ("ID", "PSNR_BEFORE", "SSIM_BEFORE", "PSNR", "SSIM")
SUBMISSION_COLUMNS = ("ID", "BLOCK")


@dataclass(frozen=True, eq=False)
class SiddBlocks:
    """The blocks of one file, numbered image by image as on the server.

    Attributes:
        path: The file.
        pixels: (images, blocks, H, W, 3) uint8.
    """

    path: Path
    pixels: Array

    @property
    def is_official(self) -> bool:
        """Whether the blocks have the number and size of the published files."""
        return self.pixels.shape == OFFICIAL

    def __len__(self) -> int:
        """Returns the number of blocks."""
        images, blocks = self.pixels.shape[:2]
        return int(images * blocks)

    def __getitem__(self, index: int) -> Tensor:
        """Returns a block, (3, H, W) uint8."""
        return pixels_to_tensor(self.pixels[divmod(index, self.pixels.shape[1])])


def read_blocks(folder: Path, name: str) -> SiddBlocks:
    """Reads a whole file of blocks, about 250 MB.

    Args:
        folder: The folder with `name`.mat, as SIDD publishes it.
        name: Name of the file and of the variable in it, such as "ValidationNoisyBlocksSrgb".

    Raises:
        InputError: The file is missing or damaged, or contains something else.
    """
    path = folder / f"{name}.mat"
    pixels = read_array(path, name)
    if pixels.ndim != 5 or pixels.shape[4] != 3 or pixels.dtype != "uint8" or min(pixels.shape[2:4]) < 11:
        shape = "×".join(map(str, pixels.shape))
        raise InputError(
            f"In {path}, {name} is {shape} {pixels.dtype}, not images × blocks × height × width × 3 uint8.",
            "Use the official sRGB file, 40×32×256×256×3.",
        )
    return SiddBlocks(path, pixels)


def score_blocks(
    noisy: SiddBlocks,
    clean: SiddBlocks,
    restore: Callable[[Tensor], Tensor],
    make_trial: Callable[[Tensor, Tensor], Trial],
    rows: Rows,
    *,
    on_progress: OnProgress | None = None,
) -> list[PairScore]:
    """Scores every block that has no row yet.

    Args:
        noisy, clean: Blocks of the same shape.
        restore: Turns a trial's input into a result in the size of the truth.
        make_trial: Makes a trial from a noisy and a clean block.
        rows: A table with `SCORE_COLUMNS`; it may contain scores of an earlier start of the run.
        on_progress: Called with the blocks done and in total.

    Raises:
        InputError: The shapes differ.
    """
    if noisy.pixels.shape != clean.pixels.shape:
        raise InputError(f"{noisy.path} and {clean.path} differ in shape.", "Use the official files.")
    for index in range(len(rows), len(noisy)):
        score = score_trial(str(index), make_trial(noisy[index], clean[index]), restore)
        rows.append((index, *astuple(score.noisy), *astuple(score.denoised)))
        if on_progress:
            on_progress(index + 1, len(noisy))
    rows.finish()
    return [_read_score(row) for row in rows]


def _read_score(row: list[str]) -> PairScore:
    psnr_before, ssim_before, psnr, ssim = map(float, row[1:])
    return PairScore(row[0], Score(psnr_before, ssim_before), Score(psnr, ssim))


def submit_blocks(
    noisy: SiddBlocks,
    restore: Callable[[Tensor], Tensor],
    rows: Rows,
    *,
    on_progress: OnProgress | None = None,
) -> Path:
    """Writes the submission for the benchmark's server: each block's number and its bytes in base64.

    Args:
        noisy: The benchmark's blocks.
        restore: Denoises a (3, H, W) uint8 block.
        rows: A table with `SUBMISSION_COLUMNS`; blocks that it contains are not processed again.
        on_progress: Called with the blocks done and in total.
    """
    for index in range(len(rows), len(noisy)):
        # Pixels with interleaved channels, in the order of a block in the file.
        content = tensor_to_pixels(restore(noisy[index])).tobytes()
        rows.append((index, base64.b64encode(content).decode("ascii")))
        if on_progress:
            on_progress(index + 1, len(noisy))
    rows.finish()
    return rows.path
