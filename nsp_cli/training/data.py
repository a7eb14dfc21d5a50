"""From a folder of noisy photos to batches of crops, bounded in memory whatever the folder holds."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from nsp_cli.errors import InputError, TrainingError
from nsp_cli.photo import PHOTO_SUFFIXES, read_photo
from nsp_cli.training.sensor import add_sensor_noise, draw_sensor_noise

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

# A crop smaller than this is mostly border to a network that sees 60 pixels around.
SMALLEST_SIDE = 120

# Photos below this noise level (8-bit grey levels after 2×2 averaging) count as mild: their own
# noise leaves room for simulated noise. The phone night shots we train on start at about 4.
MILD_NOISE = 4.0


@dataclass(frozen=True, eq=False)
class TrainingPhoto:
    """A photo, or a window of a large one, with what decides how often it is drawn.

    Attributes:
        pixels: (H, W, 3), 8 or 16 bits.
        noise: Noise level as `noise_level` measures it.
    """

    pixels: Pixels
    noise: float

    @property
    def side(self) -> int:
        return int(min(self.pixels.shape[:2]))

    @property
    def weight(self) -> float:
        """Grows with noise, which is what there is to learn, and slower than the area."""
        return float(np.sqrt(self.pixels.shape[0] * self.pixels.shape[1]) * max(self.noise, 0.5))


@dataclass(frozen=True, eq=False)
class PhotoPool:
    """What a folder gave to train on.

    Attributes:
        photos: Decoded photos or windows of them.
        skipped: Path and reason of every file that could not be used.
        found: How many photos the folder holds.
    """

    photos: tuple[TrainingPhoto, ...]
    skipped: tuple[tuple[Path, str], ...]
    found: int

    @property
    def megapixels(self) -> float:
        """Counts what is kept, not what the files hold."""
        return float(sum(photo.pixels.shape[0] * photo.pixels.shape[1] for photo in self.photos)) / 1e6

    @property
    def checksum(self) -> int:
        """Tells one pool from another, so that a run is not resumed on other photos unnoticed."""
        checksum = 0
        for photo in self.photos:
            checksum = zlib.crc32(photo.pixels.tobytes(), checksum)
        return checksum


def find_photos(folder: Path) -> list[Path]:
    """Lists the photos below a folder in a fixed order; hidden files and folders are left out.

    Raises:
        InputError: The folder does not exist or is no folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder", "Give the folder that holds your noisy photos.")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PHOTO_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def load_pool(
    folders: Sequence[Path],
    *,
    crop: int,
    seed: int,
    max_megapixels: float = 400,
    on_progress: Callable[[int, int], None] | None = None,
) -> PhotoPool:
    """Decodes the photos below some folders once and keeps them in memory.

    Where they hold more than `max_megapixels` (three bytes a pixel, six at 16 bits), each photo
    gives a random window of its share, and where that would be less than a crop, only as many
    randomly chosen photos are read as give one crop each.

    Args:
        folders: Searched recursively.
        crop: Side of the crops that will be drawn.
        seed: Decides the windows and the choice.
        max_megapixels: Bound on what is kept.
        on_progress: Called with the photos done and to do.

    Raises:
        InputError: A folder does not exist.
        TrainingError: No photo could be used.
    """
    paths = [path for folder in folders for path in find_photos(folder)]
    rng = np.random.default_rng(seed)
    most = max(1, int(max_megapixels * 1e6) // crop**2)
    chosen = sorted(rng.choice(len(paths), most, replace=False)) if len(paths) > most else range(len(paths))
    share = int(max_megapixels * 1e6 / max(1, len(chosen)))
    photos, skipped = [], []
    for done, index in enumerate(chosen):
        try:
            photos.append(_load(paths[index], max(share, crop**2), rng))
        except InputError as error:
            skipped.append((paths[index], error.message))
        if on_progress:
            on_progress(done + 1, len(chosen))
    if not photos:
        where = ", ".join(str(folder) for folder in folders)
        reason = skipped[0][1] if skipped else f"found no photo of a known type below {where}"
        raise TrainingError(
            f"nothing to train on: {reason}", "A few noisy JPEG, PNG, TIFF or RAW files will do."
        )
    return PhotoPool(tuple(photos), tuple(skipped), len(paths))


def _load(path: Path, most_pixels: int, rng: np.random.Generator) -> TrainingPhoto:
    pixels = read_photo(path).pixels
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(f"{path}: {width}×{height} is too small, both sides need {SMALLEST_SIDE} pixels")
    shrink = min(1.0, (most_pixels / (height * width)) ** 0.5)
    rows, columns = max(SMALLEST_SIDE, int(height * shrink)), max(SMALLEST_SIDE, int(width * shrink))
    top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
    window = np.ascontiguousarray(pixels[top : top + rows, left : left + columns])
    return TrainingPhoto(window, noise_level(window))


def noise_level(pixels: Pixels) -> float:
    """Estimates how noisy a photo is, in 8-bit levels, robustly against edges and texture.

    Median absolute diagonal difference after 2×2 averaging, which sees the correlated noise that
    demosaicing and JPEG leave; good for telling a night shot from a sunny one, not for more.
    """
    image = _as_tensor(pixels)[None] * 255
    image = functional.avg_pool2d(image[..., : image.shape[-2] // 4 * 4, : image.shape[-1] // 4 * 4], 2)
    top, bottom = image[..., 0::2, :], image[..., 1::2, :]
    diagonal = (top[..., 0::2] - top[..., 1::2] - bottom[..., 0::2] + bottom[..., 1::2]) / 2
    return float(diagonal.abs().median()) / 0.6745


def _as_tensor(pixels: Pixels) -> Tensor:
    """Returns (3, H, W) float32 in [0, 1]."""
    white = np.iinfo(pixels.dtype).max
    return torch.from_numpy(pixels.astype(np.float32) / white).permute(2, 0, 1)


class CropSampler:
    """Draws batches of crops; the same seed and step always give the same batch.

    Photos smaller than a crop get batches of their own, with smaller and proportionally more crops,
    so that there are just two batch shapes (each is compiled once).
    """

    def __init__(self, pool: PhotoPool, *, crop: int, batch: int, multiple: int, simulated: float) -> None:
        usable = [photo for photo in pool.photos if photo.side >= multiple]
        if not usable:
            raise TrainingError(f"no photo has the {multiple} pixels a side that this network needs.")
        crop = max(1, crop // multiple) * multiple
        self._simulated = simulated
        self._large = [photo for photo in usable if photo.side >= crop]
        self._small = [photo for photo in usable if photo.side < crop]
        self._large_shape = (batch, crop)
        small_side = min((photo.side for photo in self._small), default=crop) // multiple * multiple
        self._small_shape = (max(1, round(batch * (crop / small_side) ** 2)), small_side)
        small = sum(photo.weight for photo in self._small)
        self._small_chance = small / sum(photo.weight for photo in usable)

    def draw(self, seed: int, step: int) -> Tensor:
        """Returns (B, 3, side, side) float32 in [0, 1], flipped and rotated at random."""
        generator = generator_for(seed, step, stream=0)
        is_small = float(torch.rand((), generator=generator)) < self._small_chance
        photos, (count, side) = (
            (self._small, self._small_shape) if is_small else (self._large, self._large_shape)
        )
        weights = torch.tensor([photo.weight for photo in photos])
        drawn = torch.multinomial(weights, count, replacement=True, generator=generator)
        return torch.stack([self._crop(photos[index], side, generator) for index in drawn.tolist()])

    def _crop(self, photo: TrainingPhoto, side: int, generator: torch.Generator) -> Tensor:
        height, width = photo.pixels.shape[:2]
        top, left = _below(height - side + 1, generator), _below(width - side + 1, generator)
        crop = _as_tensor(photo.pixels[top : top + side, left : left + side])
        if photo.noise < MILD_NOISE and float(torch.rand((), generator=generator)) < self._simulated:
            crop = add_sensor_noise(crop, draw_sensor_noise(generator), generator)
        crop = crop.rot90(_below(4, generator), dims=(1, 2))
        return crop.flip(2) if _below(2, generator) else crop


def _below(stop: int, generator: torch.Generator) -> int:
    return int(torch.randint(stop, (), generator=generator))


def generator_for(
    seed: int, step: int, *, stream: int, device: torch.device | None = None
) -> torch.Generator:
    """Returns the generator of one step's randomness; streams of one step are independent."""
    state = np.random.SeedSequence([seed, step, stream]).generate_state(1, np.uint64)
    return torch.Generator(device or "cpu").manual_seed(int(state[0] >> np.uint64(1)))
