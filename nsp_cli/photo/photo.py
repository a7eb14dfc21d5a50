"""The photo in memory: pixels as the file encodes them, and the metadata that must be kept."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.mosaic import Mosaic, SensorPicture


class Extra(NamedTuple):
    """A block of a file beside those that nearly all formats hold.

    Attributes:
        kind: What sort of block it is; `nsp_cli.photo.metadata.blocks` names the sorts.
        name: For people, such as a text's keyword.
        content: A text in UTF-8, or Latin-1 where it is not valid UTF-8; otherwise what the writer needs.
    """

    kind: str
    name: str
    content: bytes


@dataclass(frozen=True, eq=False)
class Photo:
    """One photo, upright, with the metadata of its file.

    `exif` is a TIFF block without the "Exif" prefix and without a thumbnail; its orientation is 1,
    because the pixels are already turned. `xmp` is one packet, to which a JPEG's
    extended one is joined.
    """

    pixels: Pixels  # (H, W, 3) uint8 or uint16, RGB in the file's own colour space
    alpha: Pixels | None = None  # (H, W), same dtype, not multiplied into the pixels
    format: str = "tiff"  # a name in the registry of formats; by content, not by suffix
    is_grey: bool = False  # pixels hold three equal channels and are written as one
    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    resources: bytes | None = None  # Photoshop's image resources, IPTC among them, without a thumbnail
    dpi: tuple[float, float] | None = None  # horizontal, vertical
    extras: tuple[Extra, ...] = ()  # texts, and what only files of the same format hold
    source: Path | None = None
    notes: tuple[str, ...] = ()  # what reading changed or left behind, for people
    mosaic: Mosaic | None = None  # what the sensor saw, from which the pixels were made quickly
    sensor: SensorPicture | None = None  # the pixels before they were developed

    def __post_init__(self) -> None:
        if self.pixels.dtype not in (np.uint8, np.uint16) or self.pixels.shape[2:] != (3,):
            raise ValueError(f"pixels must be (H, W, 3) uint8 or uint16, not {_describe(self.pixels)}")
        if self.alpha is None:
            return
        if self.alpha.shape != self.pixels.shape[:2] or self.alpha.dtype != self.pixels.dtype:
            raise ValueError(f"alpha {_describe(self.alpha)} does not fit pixels {_describe(self.pixels)}")

    @property
    def bit_depth(self) -> int:
        """Bits per channel: 8 or 16."""
        return 8 * self.pixels.dtype.itemsize

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.pixels.shape[1])

    @property
    def hidden(self) -> NDArray[np.bool_] | None:
        """Mask (H, W) of the pixels that are fully transparent; None if none or all of them are."""
        if self.alpha is None:
            return None
        hidden = self.alpha == 0
        return hidden if hidden.any() and not hidden.all() else None

    @property
    def seen_pixels(self) -> Pixels:
        """The pixels, hidden ones with the mean colour of the others: what is there would pass for noise."""
        if (hidden := self.hidden) is None:
            return self.pixels
        mean = self.pixels[~hidden].mean(0).round().astype(self.pixels.dtype)
        return np.where(hidden[..., None], mean, self.pixels)

    def hidden_kept(self, pixels: Pixels) -> Pixels:
        """New (H, W, 3) pixels with this photo's own colours where they are hidden, if the size fits."""
        hidden = self.hidden
        if hidden is None or hidden.shape != pixels.shape[:2]:
            return pixels
        return np.where(hidden[..., None], self.pixels, pixels)

    def with_pixels(self, pixels: Pixels, alpha: Pixels | EllipsisType | None = ...) -> Photo:
        """Returns the same photo with other pixels of any size, which have nothing to do with a sensor.

        Args:
            pixels: (H, W, 3) uint8 or uint16.
            alpha: Left out, the present alpha stays; it must then fit the new pixels.

        Raises:
            ValueError: Shape or dtype is wrong, or alpha does not fit.
        """
        kept = self.alpha if isinstance(alpha, EllipsisType) else alpha
        return dataclasses.replace(self, pixels=pixels, alpha=kept, mosaic=None, sensor=None)

    def with_notes(self, *notes: str) -> Photo:
        """Returns the same photo with notes added."""
        return dataclasses.replace(self, notes=self.notes + notes)


def to_bit_depth(photo: Photo, bits: int) -> Photo:
    """Returns the photo with 8 or 16 bits per channel, and keeps black and white exact.

    8 → 16 multiplies by 257, so that 255 becomes 65535; 16 → 8 divides by 257 and rounds.
    Nothing is copied if the depth is right already.
    """
    if bits not in (8, 16):
        raise ValueError(f"bits must be 8 or 16, not {bits}")
    if bits == photo.bit_depth:
        return photo
    convert = _to_16 if bits == 16 else _to_8
    alpha = None if photo.alpha is None else convert(photo.alpha)
    return photo.with_pixels(convert(photo.pixels), alpha)


def grey_channel(photo: Photo) -> Pixels:
    """Returns (H, W): the rounded mean of the channels, which is each of them where they are equal."""
    total = photo.pixels.sum(axis=2, dtype=np.uint32)
    mean: Pixels = ((total + 1) // 3).astype(photo.pixels.dtype)
    return mean


def as_rgb(grey: Pixels) -> Pixels:
    """Returns (H, W, 3) with three equal channels from (H, W)."""
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)


def channels(photo: Photo) -> Pixels:
    """Returns what a file stores: (H, W) grey, or (H, W, 2 to 4) with alpha last; contiguous."""
    colour = grey_channel(photo) if photo.is_grey else photo.pixels
    if photo.alpha is None:
        return np.ascontiguousarray(colour)
    return np.dstack((colour, photo.alpha))


def widened(stored: Pixels, bits: int) -> Pixels:
    """Scales 1 to 7 bits to 8, and 9 to 15 bits to 16, in native byte order. White stays white."""
    target, dtype = (8, np.uint8) if bits <= 8 else (16, np.uint16)
    if bits == target:
        return stored.astype(dtype, copy=False)
    top, full = 2**bits - 1, 2**target - 1
    table = ((np.arange(top + 1) * full + top // 2) // top).astype(dtype)
    scaled: Pixels = table[stored.astype(np.uint16)]
    return scaled


def from_float(values: Pixels) -> Pixels:
    """Converts floating point in [0, 1] to 16 bits. Other values are clipped, and NaN becomes 0."""
    scaled = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0).astype(np.float32, copy=False)
    sixteen: Pixels = np.rint(65535 * np.clip(scaled, 0, 1)).astype(np.uint16)
    return sixteen


def unmultiplied(colour: Pixels, alpha: Pixels) -> Pixels:
    """Turns (H, W, C) colour that was multiplied by alpha (H, W) back into plain colour."""
    top = float(np.iinfo(colour.dtype).max)
    share = np.maximum(alpha, 1).astype(np.float32)[:, :, np.newaxis]
    plain: Pixels = np.minimum(np.rint(colour * (top / share)), top).astype(colour.dtype)
    return plain


def _to_16(values: Pixels) -> Pixels:
    return values.astype(np.uint16) * np.uint16(257)


def _to_8(values: Pixels) -> Pixels:
    # A table of all 65,536 values: several times faster than dividing, and without a wide temporary array.
    table = ((np.arange(65536, dtype=np.uint32) + 128) // 257).astype(np.uint8)
    return table[values]


def _describe(array: Pixels) -> str:
    return f"{array.shape} {array.dtype}"
