"""Hot pixels in developed photos: dots of one colour, three pixels wide.

A camera fills in the colours that a hot pixel's neighbours lack from the pixel itself. So it becomes a dot
that is bright in one channel, half as bright beside its middle, and not there two pixels away. A star is
there in all channels: a lens spreads it over pixels that see other colours.
"""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor

from nsp_cli.ops.pixels import from_unit_range, to_unit_range

# A dot is brighter than all around it by this much, of white. Fainter ones are hardly seen.
_LEAST = 28 / 255
# Shares of what the middle has more than its surroundings. In the channel of the dot: most that the
# surroundings differ among themselves, and range of the mean of the pixels beside and at the corners,
# which bilinear interpolation makes half and a quarter. In the others: most that the middle has.
_UNEVEN, _BESIDE, _CORNERS, _OTHERS = 0.3, (0.2, 0.6), 0.45, 0.2
_RING = tuple(
    (row, column) for row in range(-2, 3) for column in range(-2, 3) if max(abs(row), abs(column)) == 2
)
_SIDES, _DIAGONALS = ((-1, 0), (1, 0), (0, -1), (0, 1)), ((-1, -1), (-1, 1), (1, -1), (1, 1))
_STRIP = 256


def without_hot_dots(picture: Tensor) -> Tensor:
    """A picture with each dot replaced by the middle of what surrounds it.

    Args:
        picture: (3, H, W) uint8, uint16 or float in [0, 1]; not changed.

    Returns:
        The picture itself if it has no dots, else a new one of the same type.
    """
    channels, rows, columns = _candidates(picture)
    if not len(rows):
        return picture
    ring = _values(picture, channels, rows, columns, _RING)
    middle = ring.median(1).values
    excess = _values(picture, channels, rows, columns, ((0, 0),))[:, 0] - middle
    is_dot = ring.amax(1) - ring.amin(1) < _UNEVEN * excess
    beside = _values(picture, channels, rows, columns, _SIDES).mean(1) - middle
    corners = _values(picture, channels, rows, columns, _DIAGONALS).mean(1) - middle
    is_dot &= (beside > _BESIDE[0] * excess) & (beside < _BESIDE[1] * excess) & (corners < _CORNERS * excess)
    for other in (1, 2):
        around = _values(picture, (channels + other) % 3, rows, columns, _RING).median(1).values
        there = _values(picture, (channels + other) % 3, rows, columns, ((0, 0),))[:, 0]
        is_dot &= (there - around).abs() < _OTHERS * excess
    if not is_dot.any():
        return picture
    return _replaced(picture, *(one[is_dot] for one in (channels, rows, columns, middle)))


def _candidates(picture: Tensor) -> tuple[Tensor, ...]:
    """Channels, rows and columns of values far above all that surround them, away from the edges."""
    found = []
    for start in range(2, picture.shape[1] - 2, _STRIP):
        part = picture[:, start - 2 : start + _STRIP + 2]
        if picture.dtype == torch.uint16:  # which torch does not compare
            part = part.to(torch.int32)
        if min(part.shape[1:]) >= 5:
            found.append(_above_ring(part, picture.dtype).nonzero() + torch.tensor([0, start, 2]))
    return torch.cat(found).unbind(1) if found else (torch.empty(0, dtype=torch.long),) * 3


def _above_ring(part: Tensor, dtype: torch.dtype) -> Tensor:
    """Where a picture, without two pixels at each edge, is far above all at a distance of two."""
    # Slices are faster here than pooling, and small numbers faster than floats.
    rows = _highest([part[:, :, column : part.shape[2] - 4 + column] for column in range(5)])
    sides = _highest([part[:, row : part.shape[1] - 2 + row] for row in range(3)])[:, 1:-1]
    ring = _highest([rows[:, :-4], rows[:, 4:], sides[:, :, :-4], sides[:, :, 4:]])
    middle = part[:, 2:-2, 2:-2]
    least = _LEAST if dtype.is_floating_point else round(_LEAST * torch.iinfo(dtype).max)
    # Where the middle is above, the difference of whole numbers without a sign is right.
    return (middle > ring) & (middle - ring > least)


def _highest(planes: list[Tensor]) -> Tensor:
    return reduce(torch.maximum, planes)


def _values(
    picture: Tensor, channels: Tensor, rows: Tensor, columns: Tensor, steps: tuple[tuple[int, int], ...]
) -> Tensor:
    """Values at places beside others in [0, 1], (N, steps)."""
    near = [picture[channels, rows + row, columns + column] for row, column in steps]
    return to_unit_range(torch.stack(near, dim=1))


def _replaced(picture: Tensor, channels: Tensor, rows: Tensor, columns: Tensor, middle: Tensor) -> Tensor:
    result, values = picture.clone(), from_unit_range(middle, picture.dtype)
    if picture.dtype == torch.uint16:  # which torch does not write at places
        result, values = result.view(torch.int16), values.view(torch.int16)
    for row, column in ((0, 0), *_SIDES, *_DIAGONALS):
        result[channels, rows + row, columns + column] = values
    return result.view(picture.dtype)
