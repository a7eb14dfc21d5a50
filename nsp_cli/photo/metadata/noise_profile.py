"""The noise that a DNG states for its sensor."""

from __future__ import annotations

import math
import struct
from itertools import chain
from pathlib import Path

_NOISE_PROFILE = 51041


def stated_noise(path: Path) -> tuple[tuple[float, float], ...]:
    """Slope and floor of the variance of each colour, or of all; in light with black at 0 and white at 1.

    Returns:
        Pairs as DNG's NoiseProfile has them; none if the file is no DNG, states nothing or is damaged.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            first = tiff.pages.first
            for page in chain([first], first.pages or ()):
                values = page.tags.valueof(_NOISE_PROFILE)
                if isinstance(values, tuple) and all(0 <= value < math.inf for value in values):
                    return tuple(zip(map(float, values[::2]), map(float, values[1::2]), strict=True))
    except (tifffile.TiffFileError, OSError, ValueError, struct.error, IndexError, KeyError, TypeError):
        pass
    return ()
