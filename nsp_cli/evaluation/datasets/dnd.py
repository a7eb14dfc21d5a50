"""DND's crops: fifty sRGB photos, twenty crops of each, answered as its server wants them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from nsp_cli.errors import InputError
from nsp_cli.evaluation.datasets.mat_file import Array, need, read_array, read_matrices, write_mat
from nsp_cli.ops.pixels import pixels_to_tensor, tensor_to_pixels
from nsp_cli.progress import OnProgress

IMAGES, CROPS, SIDE = 50, 20, 512
EVALUATION_VERSION = "1.0"

# First and last row and column, counted from 0, the last ones excluded.
Box = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class DndImages:
    """The data set's folder and the crops that are asked for.

    Attributes:
        folder: Holds `info.mat` and `images_srgb`.
        boxes: For each image.
    """

    folder: Path
    boxes: tuple[tuple[Box, ...], ...]

    @property
    def is_official(self) -> bool:
        """Whether there are as many crops, and as large, as in the published data set."""
        sides = {part.stop - part.start for boxes in self.boxes for box in boxes for part in box}
        return [len(boxes) for boxes in self.boxes] == [CROPS] * IMAGES and sides == {SIDE}

    def __len__(self) -> int:
        """Returns how many crops there are."""
        return sum(map(len, self.boxes))

    def path(self, image: int) -> Path:
        """Returns where an image lies; counted from 0, its file from 1."""
        return self.folder / "images_srgb" / f"{image + 1:04d}.mat"


def read_dnd(folder: Path) -> DndImages:
    """Reads which crops are asked for, and finds the images.

    Raises:
        InputError: A file is missing or damaged, or holds something else, or SciPy is not installed.
    """
    need("scipy.io")  # to write with, after minutes of work
    info = folder / "info.mat"
    matrices = read_matrices(info, "info", "boundingboxes")
    images = DndImages(folder, tuple(_boxes(info, matrix) for matrix in matrices))
    for image in range(len(images.boxes)):
        if not images.path(image).is_file():
            raise InputError(
                f"{images.path(image)} does not exist.", "Give the folder with the whole data set."
            )
    return images


def _boxes(info: Path, matrix: Array) -> tuple[Box, ...]:
    """Turns MATLAB's rows of first row, first column, last row and last column into slices."""
    if matrix.ndim != 2 or matrix.shape[1] != 4 or not (matrix[:, :2] >= 1).all():
        raise InputError(f"{info}: its bounding boxes are no rows of 4 places", "Give the official file.")
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
    """Denoises every crop that has no file yet: `NNNN_BB.mat`, and an image's together in `bundled`.

    Args:
        images: From `read_dnd`.
        restore: Maps (3, H, W) float32 in [0, 1] to the same.
        folder: For the files; what earlier starts of this run left there is kept.
        on_progress: Called with the crops done and to do.

    Returns:
        The folder with the files for the server.

    Raises:
        InputError: An image is damaged or holds something else.
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
            f"{path}: InoisySRGB is {shape} {pixels.dtype}, not height × width × 3 in [0, 1]",
            "Give the official sRGB images.",
        )
    return pixels


def _restored(noisy: Array, path: Path, box: Box, restore: Callable[[Tensor], Tensor]) -> Array:
    """Restores a crop alone, as the server's own programs cut it, and clips it."""
    rows, columns = box
    if rows.stop > noisy.shape[0] or columns.stop > noisy.shape[1]:
        raise InputError(f"{path}: smaller than a bounding box of info.mat", "Give the official files.")
    crop = np.ascontiguousarray(noisy[rows, columns], dtype=np.float32)
    return tensor_to_pixels(restore(pixels_to_tensor(crop))).clip(0, 1)


def _bundle(crops: list[Path], path: Path) -> None:
    if path.exists():
        return
    cells = np.empty((1, len(crops)), dtype=object)
    for number, crop in enumerate(crops):
        cells[0, number] = read_array(crop, "Idenoised_crop")
    write_mat(path, {"Idenoised": cells, "israw": False, "eval_version": EVALUATION_VERSION})
