"""How a RAW file is developed: options, LibRaw's part, and tones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nsp_cli.ops.pixel_array import Pixels
from nsp_cli.photo.colour import srgb_curve
from nsp_cli.photo.formats.dng_facts import Multipliers
from nsp_cli.photo.mosaic import SensorPicture

_MOST_EXPOSURE = 3.0
_KNEE = 0.5  # share of white's light, above which brightening compresses


@dataclass(frozen=True)
class RawOptions:
    """How a RAW file is developed.

    Attributes:
        exposure: In EV, -3 to 3. Each step doubles the light, up to the middle of the linear range. Above,
            brightening compresses the highlights, so that nothing is clipped that was not clipped before.
        white_balance: "camera" as shot, "auto" from the mean of the picture, or "daylight" of the sensor.
        half: Half as wide and high, without demosaicing: each 2×2 of the sensor becomes one pixel.

    Raises:
        ValueError: The exposure is out of range, or the white balance unknown.
    """

    exposure: float = 0.0
    white_balance: Literal["camera", "auto", "daylight"] = "camera"
    half: bool = False

    def __post_init__(self) -> None:
        if not -_MOST_EXPOSURE <= self.exposure <= _MOST_EXPOSURE:
            raise ValueError(f"exposure must be -3 to 3 EV, not {self.exposure}")
        if self.white_balance not in ("camera", "auto", "daylight"):
            raise ValueError(f"no such white balance: {self.white_balance}")


@dataclass(frozen=True)
class Development:
    """How LibRaw develops a file.

    Attributes:
        options: What the user wants; exposure is left to `tones`.
        white: Multipliers of red, green and blue where LibRaw does not find the shot's; None if it does.
        is_dng: Whether the file is a DNG.
    """

    options: RawOptions
    white: Multipliers | None = None
    is_dng: bool = False


def developed_by_libraw(raw: Any, way: Development, **others: Any) -> Pixels:
    """Returns (H, W, 3), or (H, W, 1) from a monochrome sensor, in linear sRGB, turned upright.

    Args:
        raw: Opened by rawpy.
        way: How it is developed.
        others: Settings of LibRaw that differ from nsp's.
    """
    import rawpy

    options, white = way.options, way.white
    height, width = raw.sizes.iheight, raw.sizes.iwidth
    linear: Pixels = raw.postprocess(
        use_camera_wb=options.white_balance == "camera" and white is None,
        user_wb=None if white is None else [*white, white[1]],
        use_auto_wb=options.white_balance == "auto",
        half_size=options.half,
        # Without automatic brightness, which clips 1 % of the highlights and differs from shot to
        # shot: a dark result can be brightened later, a clipped one cannot be brought back.
        no_auto_bright=True,
        # Many makers' files clip below LibRaw's table, so that white must be looked for; a DNG states it.
        adjust_maximum_thr=0.0 if way.is_dng else 0.75,
        output_bps=16,
        gamma=(1, 1),
        **{"output_color": rawpy.ColorSpace.sRGB, **others},
    )
    is_full = linear.shape[0] * linear.shape[1] >= height * width
    return _halved(linear) if options.half and is_full else linear


def balanced_by_libraw(raw: Any, way: Development) -> Pixels:
    """(H, W, 3) linear camera colours, white-balanced, demosaiced quickly, turned upright.

    Each value of a Bayer sensor is in its own place.
    """
    import rawpy

    quickly = rawpy.DemosaicAlgorithm.LINEAR
    return developed_by_libraw(
        raw,
        way,
        output_color=rawpy.ColorSpace.raw,
        demosaic_algorithm=quickly,
    )


def _halved(linear: Pixels) -> Pixels:
    """Averages each 2×2 block, for sensors without a mosaic, which LibRaw does not halve."""
    rows, columns = (size - size % 2 for size in linear.shape[:2])
    wide = linear[:rows, :columns].astype(np.uint32)
    total = wide[::2, ::2] + wide[1::2, ::2] + wide[::2, 1::2] + wide[1::2, 1::2]
    mean: Pixels = ((total + 2) // 4).astype(np.uint16)
    return mean


def tones(exposure: float) -> Pixels:
    """sRGB values of all 65,536 linear ones: with the gain of `exposure`, compressed above the knee."""
    light = np.arange(65536) / 65535 * 2**exposure
    if exposure > 0:
        # From the knee a hyperbola that begins with the gain's slope and ends in white.
        slope = (2**exposure - _KNEE) / (1 - _KNEE)
        share = np.maximum(light - _KNEE, 0) / (2**exposure - _KNEE)
        light = np.minimum(light, _KNEE) + (1 - _KNEE) * slope * share / (1 + (slope - 1) * share)
    return srgb_curve(light)


def developed(picture: SensorPicture) -> Pixels:
    """(H, W, 3) 16-bit sRGB of what a sensor saw, with the colours that LibRaw gives it."""
    return tones(picture.exposure)[picture.to_srgb()]
