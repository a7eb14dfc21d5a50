"""ICC profiles of version 4 (ICC.1:2010) for colours that a file states in numbers."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Chromaticity = tuple[float, float]

D65: Chromaticity = (0.3127, 0.329)
D50 = np.array([0.9642, 1.0, 0.8249])  # as ICC profiles state it
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_HEADER_SIZE = 128
_VERSION = 0x04300000
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_COPYRIGHT = "No copyright, use freely"


class Primaries(NamedTuple):
    """Chromaticities (x, y) of the colours and of white."""

    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    white: Chromaticity = D65


def built_profile(name: str, primaries: Primaries, gamma: float | None, *, is_grey: bool = False) -> bytes:
    """Makes a profile for display.

    Args:
        name: For people.
        primaries: Of the colours; of a grey picture only white counts.
        gamma: Exponent that turns values into light; None for sRGB's curve.
        is_grey: Whether the picture has one channel.

    Raises:
        ValueError: The chromaticities are those of no colours.
    """
    curve = _curve(gamma)
    tags = {
        b"desc": _text(name),
        b"cprt": _text(_COPYRIGHT),
        b"wtpt": _xyz(D50),
        b"chad": _matrix(_adaptation(primaries.white)),
    }
    if is_grey:
        tags[b"kTRC"] = curve
    else:
        columns = colorants(primaries)
        for index, letter in enumerate((b"r", b"g", b"b")):
            tags[letter + b"XYZ"], tags[letter + b"TRC"] = _xyz(columns[:, index]), curve
    return _packed(b"GRAY" if is_grey else b"RGB ", tags)


def _light(point: Chromaticity) -> NDArray[np.float64]:
    x, y = point
    if not (0 < x < 1 and 0 < y < 1):
        raise ValueError(f"{x}, {y} is the chromaticity of no light")
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _adaptation(white: Chromaticity) -> NDArray[np.float64]:
    """Returns the matrix that turns XYZ under this white into XYZ under D50 (Bradford)."""
    gains = np.diag((_BRADFORD @ D50) / (_BRADFORD @ _light(white)))
    result: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ gains @ _BRADFORD
    return result


def colorants(primaries: Primaries) -> NDArray[np.float64]:
    """Returns XYZ of red, green and blue, in columns, under D50."""
    columns = np.stack([_light(point) for point in primaries[:3]], axis=1)
    if abs(np.linalg.det(columns)) < 1e-4:
        raise ValueError("the primaries lie on a line")
    scaled = columns * np.linalg.solve(columns, _light(primaries.white))
    result: NDArray[np.float64] = _adaptation(primaries.white) @ scaled
    return result


def _curve(gamma: float | None) -> bytes:
    numbers = _SRGB_CURVE if gamma is None else (gamma,)
    return struct.pack(">4s4xHxx", b"para", 3 if gamma is None else 0) + _fixed(*numbers)


def _fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(*values)


def _matrix(values: NDArray[np.float64]) -> bytes:
    return b"sf32" + bytes(4) + _fixed(*values.ravel())


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(data), 28) + data


def _packed(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    place = _HEADER_SIZE + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, place + len(body), len(data))
        body += data.ljust(-(-len(data) // 4) * 4, b"\0")
    size = place + len(body)
    head = struct.pack(">I4xI4s4s4s12x4s", size, _VERSION, b"mntr", space, b"XYZ ", b"acsp")
    return (head.ljust(68, b"\0") + _fixed(*D50)).ljust(_HEADER_SIZE, b"\0") + table + body
