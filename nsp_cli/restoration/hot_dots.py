"""Hot pixels in developed photos: dots of one colour, three pixels wide.

A camera fills in the colours that a hot pixel's neighbours lack from the pixel itself. So it becomes a dot
that is bright in one channel, less bright and alike on the four sides of its middle, and not there two pixels
away. A star is there in all channels. The middle of a light of one colour is anywhere between pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from nsp_cli.ops.pixels import from_unit_range, to_unit_range
from nsp_cli.restoration.view import View

Steps = tuple[tuple[int, int], ...]
# Steps to the pixels at a distance of two, to those beside, and to those at the corners.
_RING: Steps = tuple(
    (up, left) for up in range(-2, 3) for left in range(-2, 3) if max(abs(up), abs(left)) == 2
)
_STRAIGHT = [number for number, (up, left) in enumerate(_RING) if up == 0 or left == 0]
_FAR = [number for number, (up, left) in enumerate(_RING) if abs(up) == abs(left)]
_MIDDLE: Steps = ((0, 0),)
_SIDES: Steps = ((-1, 0), (1, 0), (0, -1), (0, 1))
_DIAGONALS: Steps = ((-1, -1), (-1, 1), (1, -1), (1, 1))
_STRIP = 256


@dataclass(frozen=True)
class DotLimits:
    """What a dot is. `python benchmarks/set_hot_pixels.py` finds these limits again, on simulations.

    All but the first are in shares of its height: what its middle has more than the ring at two pixels.

    Attributes:
        least: Lowest height above the brightest of the ring, with white at 1.
        uneven: Most that the ring's values differ among themselves.
        tail: Most that the four of the ring straight from the middle have more, in the mean, than the four
            at its corners: there the channel's next sites see some of a light.
        faintest: Least that the mean of the four pixels beside the middle has more than the ring.
        corners: Most that the mean of the four at its corners has more.
        askew: Most that the four beside the middle differ among themselves. Filling in colours makes them
            alike; a light has its middle anywhere between pixels.
        others: Most that the middle, or the four beside it, have more than the ring in another channel.
    """

    least: float = 28 / 255
    uneven: float = 0.4
    tail: float = 0.09
    faintest: float = 0.2
    corners: float = 1.0
    askew: float = 0.3
    others: float = 0.2


LIMITS = DotLimits()


@dataclass(frozen=True, eq=False)
class Peaks:
    """Values that stand above all at a distance of two pixels: their places and shapes.

    Attributes:
        places: Their channels, rows and columns, (3, N).
        shapes: (7, N), what `DotLimits` limits, in its order.
    """

    places: Tensor
    shapes: Tensor

    def are_dots(self, limits: DotLimits) -> Tensor:
        """Which of them are dots, (N)."""
        least, uneven, tail, faintest, corners, askew, others = self.shapes
        is_dot: Tensor = (least > limits.least) & (uneven < limits.uneven) & (tail < limits.tail)
        is_dot &= (faintest > limits.faintest) & (corners < limits.corners)
        is_dot &= (askew < limits.askew) & (others < limits.others)
        return is_dot


def without_hot_dots(photo: Tensor, view: View) -> tuple[Tensor, int]:
    """A photo with each dot replaced by the middle of what surrounds it.

    Args:
        photo: (3, H, W) uint8, uint16 or float in [0, 1]; not changed.
        view: In which dots are looked for.

    Returns:
        The photo itself if it has no dots, else a new one of the same type; and the number of dots.
    """
    peaks = find_peaks(view.picture(photo), LIMITS.least, LIMITS.uneven)
    is_dot = peaks.are_dots(LIMITS)
    if not is_dot.any():
        return photo, 0
    return _replaced(photo, peaks.places[:, is_dot]), int(is_dot.sum())


def find_peaks(picture: Tensor, least: float, uneven: float) -> Peaks:
    """Finds what may be dots, away from the edges.

    Args:
        picture: (3, H, W) uint8, uint16 or float in [0, 1].
        least, uneven: As in `DotLimits`.
    """
    places = _candidates(picture, least)
    ring, top = _values(picture, places, _RING), _values(picture, places, _MIDDLE)[:, 0]
    # Noise makes most candidates, and this leaves few of them.
    is_even = ring.amax(1) - ring.amin(1) < uneven * (top - ring.median(1).values)
    return _described(picture, places[:, is_even], ring[is_even], top[is_even])


def _described(picture: Tensor, places: Tensor, ring: Tensor, top: Tensor) -> Peaks:
    """Peaks at places (3, N), with their rings (N, 16) and their own values (N)."""
    ground, highest = ring.median(1).values, ring.amax(1)
    sides, corners = _values(picture, places, _SIDES), _values(picture, places, _DIAGONALS)
    others = [_above_ground(picture, _in_other_channel(places, step)) for step in (1, 2)]
    shares = (
        highest - ring.amin(1),
        ring[:, _STRAIGHT].mean(1) - ring[:, _FAR].mean(1),
        sides.mean(1) - ground,
        corners.mean(1) - ground,
        sides.amax(1) - sides.amin(1),
        torch.maximum(*others),
    )
    shapes = torch.stack([top - highest, *(share / (top - ground) for share in shares)])
    return Peaks(places, shapes)


def _in_other_channel(places: Tensor, step: int) -> Tensor:
    return torch.stack([(places[0] + step) % 3, *places[1:]])


def _above_ground(picture: Tensor, places: Tensor) -> Tensor:
    """What places (3, N), or the four beside each in the mean, have more than the median of their rings."""
    there = torch.maximum(_values(picture, places, _MIDDLE)[:, 0], _values(picture, places, _SIDES).mean(1))
    return there - _values(picture, places, _RING).median(1).values


def _candidates(picture: Tensor, least: float) -> Tensor:
    """Places (3, N) of values far above all that surround them, away from the edges."""
    found = []
    for start in range(2, picture.shape[1] - 2, _STRIP):
        part = picture[:, start - 2 : start + _STRIP + 2]
        if picture.dtype == torch.uint16:  # which torch does not compare; in int16 the order is the same
            part = part.view(torch.int16) ^ torch.iinfo(torch.int16).min
        if min(part.shape[1:]) >= 5:
            enough = least if part.is_floating_point() else round(least * torch.iinfo(picture.dtype).max)
            above = _above_ring(part, enough)
            found.append(above.nonzero() + torch.tensor([0, start, 2]))
    return torch.cat(found).T if found else torch.empty(3, 0, dtype=torch.long)


def _above_ring(part: Tensor, enough: float) -> Tensor:
    """Where a picture, without two pixels at each edge, is far above all at a distance of two."""
    # Slices are faster here than pooling, and small numbers faster than floats.
    rows = _highest([part[:, :, column : part.shape[2] - 4 + column] for column in range(5)])
    sides = _highest([part[:, row : part.shape[1] - 2 + row] for row in range(3)])[:, 1:-1]
    ring = _highest([rows[:, :-4], rows[:, 4:], sides[:, :, :-4], sides[:, :, 4:]])
    middle = part[:, 2:-2, 2:-2]
    most = math.inf if part.is_floating_point() else torch.iinfo(part.dtype).max
    return middle > ring.clamp_(max=most - enough) + enough  # a sum of whole numbers that fits


def _highest(planes: list[Tensor]) -> Tensor:
    return reduce(torch.maximum, planes)


def _values(picture: Tensor, places: Tensor, steps: Steps) -> Tensor:
    """Values beside places (3, N) in [0, 1], (N, steps)."""
    channels, rows, columns = places
    near = [picture[channels, rows + up, columns + left] for up, left in steps]
    return to_unit_range(torch.stack(near, dim=1))


def _replaced(photo: Tensor, places: Tensor) -> Tensor:
    """A new photo with the median of the ring in the 3×3 pixels of each dot."""
    ground = _values(photo, places, _RING).median(1).values
    result, values = photo.clone(), from_unit_range(ground, photo.dtype)
    if photo.dtype == torch.uint16:  # which torch does not write at places
        result, values = result.view(torch.int16), values.view(torch.int16)
    channels, rows, columns = places
    for up, left in (*_MIDDLE, *_SIDES, *_DIAGONALS):
        result[channels, rows + up, columns + left] = values
    return result.view(photo.dtype)
