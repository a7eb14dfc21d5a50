"""What a DNG says of its light and LibRaw does not read: white as chromaticities, and the exposure."""

from __future__ import annotations

import numpy as np

from nsp_cli.photo.metadata import ifd

_COLOUR_MATRICES, _CALIBRATIONS, _ILLUMINANTS = (50721, 50722), (50723, 50724), (50778, 50779)
_ANALOG_BALANCE, _AS_SHOT_NEUTRAL, _AS_SHOT_WHITE, _BASELINE_EXPOSURE = 50727, 50728, 50729, 50730
_MOST_EXPOSURE = 5.0  # EV; cameras state up to about 3
# Colour temperatures in kelvin by EXIF's numbers for kinds of light.
_KELVINS = {
    **{1: 5500, 2: 4200, 3: 2850, 4: 5500, 9: 5500, 10: 6500, 11: 7500, 12: 6430, 13: 5000, 14: 4200},
    **{15: 3450, 17: 2856, 18: 4874, 19: 6774, 20: 5503, 21: 6504, 22: 7504, 23: 5003, 24: 3200},
}

Multipliers = tuple[float, float, float]


def baseline_exposure(directory: ifd.Directory, order: str) -> float:
    """Returns by how many EV the file asks to brighten its picture; 0 if it does not."""
    stated = ifd.fractions(directory, order, _BASELINE_EXPOSURE)
    return max(-_MOST_EXPOSURE, min(stated[0], _MOST_EXPOSURE)) if stated else 0.0


def as_shot_multipliers(directory: ifd.Directory, order: str) -> Multipliers | None:
    """Returns the white balance of a DNG that states its white as chromaticities alone.

    Computed as the specification says: white as XYZ, through the matrix for its colour temperature, is what
    the camera sees of white.

    Returns:
        Factors for red, green and blue, 1 for green; None if white is stated in another way or not at all.
    """
    white = ifd.fractions(directory, order, _AS_SHOT_WHITE)
    if len(white) != 2 or not 0 < white[1] < 1 or ifd.fractions(directory, order, _AS_SHOT_NEUTRAL):
        return None
    matrix = _matrix(directory, order, _temperature(*white))
    if matrix is None:
        return None
    x, y = white
    seen = matrix @ np.array([x / y, 1.0, (1 - x - y) / y])
    if not (seen > 0).all():
        return None
    red, green, blue = (float(value) for value in seen)
    return green / red, 1.0, green / blue


def _temperature(x: float, y: float) -> float:
    """Returns the correlated colour temperature in kelvin (McCamy 1992)."""
    n = (x - 0.332) / (0.1858 - y) if y != 0.1858 else 0.0
    return ((449 * n + 3525) * n + 6823.3) * n + 5520.33


def _matrix(directory: ifd.Directory, order: str, kelvin: float) -> np.ndarray | None:
    """Returns the matrix from XYZ to the camera's colours under light of this temperature."""
    found = []
    for tag, calibration, light in zip(_COLOUR_MATRICES, _CALIBRATIONS, _ILLUMINANTS, strict=True):
        values = ifd.fractions(directory, order, tag)
        if len(values) == 9:
            (code,) = ifd.numbers(directory, order, light)[:1] or (21,)
            own = ifd.fractions(directory, order, calibration)
            corrected = np.reshape(own, (3, 3)) if len(own) == 9 else np.eye(3)
            found.append((_KELVINS.get(code, 6504), corrected @ np.reshape(values, (3, 3))))
    if not found:
        return None
    balance = ifd.fractions(directory, order, _ANALOG_BALANCE)
    result: np.ndarray = np.diag(balance if len(balance) == 3 else (1.0, 1.0, 1.0)) @ _between(found, kelvin)
    return result


def _between(found: list[tuple[int, np.ndarray]], kelvin: float) -> np.ndarray:
    """Mixes two matrices by inverse temperature, as the specification says."""
    (first, matrix), (last, other) = found[0], found[-1]
    if first == last:
        return matrix
    share = (1 / max(kelvin, 1000) - 1 / last) / (1 / first - 1 / last)
    share = max(0.0, min(share, 1.0))
    return share * matrix + (1 - share) * other
