"""DND's crops: twenty from each of fifty sRGB photos, and the submission to its server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from nsp_cli.errors import InputError
from nsp_cli.evaluation.datasets.mat_file import Array, need, read_array, read_matrices, write_mat
from nsp_cli.ops.pixels import pixels_to_tensor, tensor_to_pixels
from nsp_cli.ops.progress import OnProgress

IMAGES, CROPS, SIDE = 50, 20, 512
EVALUATION_VERSION = "1.0"

# Rows and columns of a crop.
Box = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class DndImages:
    """The data set's folder and the crops to denoise.

    Attributes:
        folder: The folder with `info.mat` and `images_srgb`.
        boxes: The crops of each image.
    """

    folder: Path
    boxes: tuple[tuple[Box, ...], ...]

    @property
    def is_official(self) -> bool:
        """Whether the crops have the number and size of the published data set."""
        sides = {part.stop - part.start for boxes in self.boxes for box in boxes for part in box}
        return [len(boxes) for boxes in self.boxes] == [CROPS] * IMAGES and sides == {SIDE}

    def __len__(self) -> int:
        """Returns the number of crops."""
        return sum(map(len, self.boxes))

    def path(self, image: int) -> Path:
        """Returns the file of an image. Images count from 0, file names from 1."""
        return self.folder / "images_srgb" / f"{image + 1:04d}.mat"


def read_dnd(folder: Path) -> DndImages:
    """Reads the list of crops, and checks that all images exist.

    Raises:
        InputError: A file is missing or damaged or contains something else, or SciPy is not installed.
    """
    need("scipy.io")  # needed for writing, minutes later
    info = folder / "info.mat"
    matrices = read_matrices(info, "info", "boundingboxes")
    images = DndImages(folder, tuple(_boxes(info, matrix) for matrix in matrices))
    for image in range(len(images.boxes)):
        if not images.path(image).is_file():
            raise InputError(
                f"{images.path(image)} does not exist.", "Give the folder of the complete data set."
            )
    return images


def _boxes(info: Path, matrix: Array) -> tuple[Box, ...]:
    """Turns MATLAB's rows of first row, first column, last row and last column into slices."""
    if matrix.ndim != 2 or matrix.shape[1] != 4 or not (matrix[:, :2] >= 1).all():
        raise InputError(f"The bounding boxes in {info} are not rows of 4 numbers.", "Use the official file.")
    return tuple(
        (slice(int(top) - 1, int(bottom)), slice(int(left) - 1, int(right)))
        for top, left, bottom, right in matrix
    )


def submit_crops(
    images: DndImages,
    restore: Callable[[Tensor], Tensor],
    folder: Path,
    *,
    on_progress: OnProgress | None = None,
) -> Path:
    """Writes `NNNN_BB.mat` for every crop that has none yet, and all crops of an image to `bundled`.

    Args:
        images: From `read_dnd`.
        restore: Denoises a (3, H, W) float32 crop in [0, 1].
        folder: The folder for results; files of an earlier start of this run are kept.
        on_progress: Called with the crops done and in total.

    Returns:
        The folder with the files to submit.

    Raises:
        InputError: An image is damaged or contains something else.
        OutputError: The disk is full.
    """
    bundled = folder / "bundled"
    bundled.mkdir(exist_ok=True)
    done = 0
    for image, boxes in enumerate(images.boxes):
        paths = [folder / f"{image + 1:04d}_{number + 1:02d}.mat" for number in range(len(boxes))]
        todo = [(path, box) for path, box in zip(paths, boxes, strict=True) if not path.exists()]
        noisy = _read_image(images.path(image)) if todo else None
        done += len(boxes) - len(todo)
        for path, box in todo:
            assert noisy is not None
            write_mat(path, {"Idenoised_crop": _restored(noisy, images.path(image), box, restore)})
            done += 1
            if on_progress:
                on_progress(done, len(images))
        _bundle(paths, bundled / f"{image + 1:04d}.mat")
    return bundled


def _read_image(path: Path) -> Array:
    pixels = read_array(path, "InoisySRGB")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype.kind != "f":
        shape = "×".join(map(str, pixels.shape))
        raise InputError(
            f"In {path}, InoisySRGB is {shape} {pixels.dtype}, not height × width × 3 in [0, 1].",
            "Use the official sRGB images.",
        )
    return pixels


def _restored(noisy: Array, path: Path, box: Box, restore: Callable[[Tensor], Tensor]) -> Array:
    """Returns one denoised crop, cut before denoising as the server's own programs do, and clipped."""
    rows, columns = box
    if rows.stop > noisy.shape[0] or columns.stop > noisy.shape[1]:
        raise InputError(f"{path} is smaller than a bounding box in info.mat.", "Use the official files.")
    crop = np.ascontiguousarray(noisy[rows, columns], dtype=np.float32)
    return tensor_to_pixels(restore(pixels_to_tensor(crop))).clip(0, 1)


def _bundle(crops: list[Path], path: Path) -> None:
    if path.exists():
        return
    cells = np.empty((1, len(crops)), dtype=object)
    for number, crop in enumerate(crops):
        cells[0, number] = read_array(crop, "Idenoised_crop")
    write_mat(path, {"Idenoised": cells, "israw": False, "eval_version": EVALUATION_VERSION})
