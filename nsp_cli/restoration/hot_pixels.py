"""Hot pixels of a sensor: single values that neither noise nor a lens can explain."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.noise.sensor_noise import MosaicNoise
from nsp_cli.ops.bayer import CELL_SIDE, colour_of_site

# A hot pixel is above all eight neighbours of its colour by so many deviations of their noise: of noise
# alone, one pixel in 10^15 would. Less than a share of white is not removed: it would hardly be seen.
_DEVIATIONS, _LEAST = 8.0, 0.004
# A lens spreads a star over the four pixels beside it, which see other colours. A sharp one (a Gaussian of
# half a pixel) gives them, together, half of what the middle has more than its surroundings; of a red star,
# which has less of their colours, more than this share. A pixel beside which there is surely less is hot.
_SHARE = 0.15
# Most that the other values of one kind in 5×5 pixels may differ, relative to what the middle has more: else
# the place is textured. Clipped values cannot show a star.
_UNEVEN, _CLIPPED = 0.5, 0.95
_AROUND = tuple((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if (row, column) != (0, 0))
_BESIDE = ((-1, 0), (1, 0), (0, -1), (0, 1))
# Places in 5×5 pixels without the middle, by kind: those that see the same colour in the same rows.
_KINDS = tuple(
    tuple(
        (row, column)
        for row in range(-2 + odd_row, 3, 2)
        for column in range(-2 + odd_column, 3, 2)
        if (row, column) != (0, 0)
    )
    for odd_row in (0, 1)
    for odd_column in (0, 1)
)

Places = tuple[Tensor, Tensor]
Triple = tuple[float, float, float]


def without_hot_pixels(light: Tensor, noise: MosaicNoise, phase: tuple[int, int], gains: Triple) -> int:
    """Replaces hot pixels by the middle of their neighbours of the same colour, in place.

    Args:
        light: (H, W) linear, before white balance, with black at 0 and white at 1. Nothing is found in
            pictures of less than 6 pixels a side.
        noise: Its noise.
        phase: Row and column of the first red pixel, 0 or 1.
        gains: White-balance gains, for what a star would be in the other colours.

    Returns:
        Number of hot pixels.
    """
    if min(light.shape) < 3 * CELL_SIDE:
        return 0
    rows, columns = _standing_out(light, noise, phase)
    gain = torch.tensor(gains)
    same = _values(light, (rows, columns), [(2 * up, 2 * left) for up, left in _AROUND])
    middle = same.median(1).values
    excess = (light[rows, columns] - middle) * gain[_colours(rows, columns, phase)]
    is_hot = _is_even(light, (rows, columns), excess, gains, phase)
    is_hot &= ~_is_star(light, (rows, columns), excess, noise, phase, gain)
    light[rows[is_hot], columns[is_hot]] = middle[is_hot]
    return int(is_hot.sum())


def _colours(rows: Tensor, columns: Tensor, phase: tuple[int, int]) -> Tensor:
    """Colours of places: 0 red, 1 green, 2 blue."""
    return (rows % 2 != phase[0]).long() + (columns % 2 != phase[1]).long()


def _standing_out(light: Tensor, noise: MosaicNoise, phase: tuple[int, int]) -> Places:
    """Places that are far above all their neighbours of the same colour."""
    found = []
    for site in range(CELL_SIDE**2):
        row, column = divmod(site, CELL_SIDE)
        colour = colour_of_site(site, phase)
        plane = light[row::CELL_SIDE, column::CELL_SIDE]
        places = _above(plane, noise.slope[colour], noise.floor[colour]).nonzero()
        found.append(places * CELL_SIDE + torch.tensor([row, column]))
    rows, columns = torch.cat(found).unbind(1)
    return rows, columns


def _above(plane: Tensor, slope: float, floor: float) -> Tensor:
    """Where a plane of one colour is far above its eight neighbours."""
    height, width = plane.shape
    padded = functional.pad(plane[None, None], (1, 1, 1, 1), mode="reflect")[0, 0]
    highest, total = torch.full_like(plane, -1.0), torch.zeros_like(plane)
    for row, column in _AROUND:
        near = padded[1 + row : 1 + row + height, 1 + column : 1 + column + width]
        highest = torch.maximum(highest, near)
        total += near
    deviation = (slope * (total / len(_AROUND)).clamp(min=0) + floor).sqrt()
    return plane - highest > (_DEVIATIONS * deviation).clamp(min=_LEAST)


def _moved(places: Places, step: tuple[int, int], size: torch.Size) -> Places:
    """Places beside others, mirrored at the edges."""
    rows, columns = (
        torch.where((place + move).abs() < length, (place + move).abs(), 2 * (length - 1) - place - move)
        for place, move, length in zip(places, step, size, strict=True)
    )
    return rows, columns


def _values(light: Tensor, places: Places, steps: list[tuple[int, int]]) -> Tensor:
    """Values at places beside others, (N, steps)."""
    return torch.stack([light[_moved(places, step, light.shape)] for step in steps], dim=1)


def _is_even(light: Tensor, places: Places, excess: Tensor, gains: Triple, phase: tuple[int, int]) -> Tensor:
    """Whether the surroundings are even and not clipped, (N,)."""
    answer = torch.ones(len(excess), dtype=torch.bool)
    for kind in _KINDS:
        near = _values(light, places, list(kind))
        rows, columns = places[0] + kind[0][0], places[1] + kind[0][1]
        spread = (near.amax(1) - near.amin(1)) * torch.tensor(gains)[_colours(rows, columns, phase)]
        answer &= (spread < _UNEVEN * excess) & (near.amax(1) < _CLIPPED)
    return answer


def _is_star(
    light: Tensor,
    places: Places,
    excess: Tensor,
    noise: MosaicNoise,
    phase: tuple[int, int],
    gain: Tensor,
) -> Tensor:
    """Whether the pixels beside may have as much more than their surroundings as beside a star, (N,)."""
    total, variance = torch.zeros_like(excess), torch.zeros_like(excess)
    slope, floor = torch.tensor(noise.slope), torch.tensor(noise.floor)
    for step in _BESIDE:
        beside = _moved(places, step, light.shape)
        around = _values(light, beside, [(2 * up, 2 * left) for up, left in _AROUND]).median(1).values
        colour = _colours(*beside, phase)
        total += (light[beside] - around) * gain[colour]
        variance += (slope[colour] * around.clamp(min=0) + floor[colour]) * gain[colour] ** 2
    return total + variance.sqrt() >= _SHARE * excess
