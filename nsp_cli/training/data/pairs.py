"""Next-scale training pairs `(I_s, I_t) = G(I; s, t)` (paper Sec. 3.3, Eq. 10–13).

Every s×s patch gives n groups of t² pixels to the finer-scale targets. Each of its other pixels goes to one
of the coarse sub-images. A target never shares a pixel with an input, so correlated noise cannot leak from
one to the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Literal, get_args

import torch
from torch import Tensor

from nsp_cli.device import to_device

Strategy = Literal["random", "sorted", "intersected", "consecutive"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)

# Number of times that windows are drawn again in patches where they overlapped. After that, a packing that
# always fits is used.
_DRAWS = 8


def max_targets(s: int, t: int, strategy: Strategy) -> int:
    """Largest number of disjoint targets in a patch, with at least one pixel left as input."""
    groups = (s // t) ** 2 if strategy in ("intersected", "consecutive") else s**2 // t**2
    return min(groups, (s**2 - 1) // t**2)


def make_pairs(
    image: Tensor,
    *,
    s: int = 5,
    t: int = 2,
    n: int = 1,
    strategy: Strategy = "consecutive",
    pairs: int | None = None,
    generators: Sequence[torch.Generator] | None = None,
) -> tuple[Tensor, Tensor]:
    """Draws training pairs from noisy pictures.

    Args:
        image: (B, C, H, W), sides multiples of `s`.
        s: PD factor, the side of a patch.
        t: Scaling factor from input to target.
        n: Targets per patch; at most `max_targets(s, t, strategy)`.
        strategy: How a patch's target pixels are chosen (paper Fig. 3).
        pairs: Number of different pairs to draw at random; None gives all n·(s² − n·t²).
        generators: Random generator of each picture, on the pictures' device.

    Returns:
        Inputs (P·B, C, H/s, W/s) and targets (P·B, C, H/s·t, W/s·t) for P pairs; pair p of picture b
        is at index p·B + b.

    Raises:
        ValueError: The sides are not multiples of `s`, or `n` or `pairs` is out of range.
    """
    _check(image, s, t, n, strategy)
    batch, _, height, width = image.shape
    rows, columns = height // s, width // s
    chance = _Chance(generators or [None] * batch, image.device)
    order = _pixel_orders(partial(chance, rows * columns), s, t, n, strategy, image.device)
    order = order.view(batch, 1, rows, columns, s * s)
    patches = image.view(batch, -1, rows, s, columns, s).transpose(3, 4).flatten(4)
    chosen = _choose_pairs(n * (s * s - n * t * t), pairs, chance)
    drawn = [_pick(patches, order, pair, s * s - n * t * t, n, t) for pair in chosen.T]
    return torch.cat([inputs for inputs, _ in drawn]), torch.cat([targets for _, targets in drawn])


class _Chance:
    """Draws random numbers in [0, 1), with one generator per picture."""

    def __init__(self, generators: Sequence[torch.Generator | None], device: torch.device) -> None:
        self._generators, self._device = generators, device

    def __call__(self, count: int, width: int) -> Tensor:
        """Random numbers (B·count, width)."""
        return torch.cat(
            [torch.rand(count, width, generator=one, device=self._device) for one in self._generators]
        )


def _check(image: Tensor, s: int, t: int, n: int, strategy: Strategy) -> None:
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {strategy!r}; known are {', '.join(STRATEGIES)}")
    if not 1 <= n <= max_targets(s, t, strategy):
        most = max_targets(s, t, strategy)
        raise ValueError(f"n={n} targets do not fit: s={s}, t={t}, {strategy!r} has room for 1 to {most}")
    if image.shape[-2] % s or image.shape[-1] % s:
        raise ValueError(f"sides {tuple(image.shape[-2:])} are not multiples of s={s}")


def _pixel_orders(
    chance: Callable[[int], Tensor], s: int, t: int, n: int, strategy: Strategy, device: torch.device
) -> Tensor:
    """Order of each patch's pixels, (patches, s²): n·t² target pixels group by group, then input pixels."""
    keys = chance(s * s)
    if strategy in ("random", "sorted"):
        order = keys.argsort(dim=1)
        if strategy == "sorted":
            groups = order[:, : n * t * t].view(-1, n, t * t)
            order[:, : n * t * t] = groups.sort(dim=2).values.flatten(1)
        return order
    windows = _windows(s, t, strategy)
    tiling, windows = (to_device(known, device) for known in (_grid_windows(windows, n, s, t), windows))
    targets = windows[_disjoint_windows(windows, tiling, s, chance)].flatten(1)
    # Negative keys put the targets first, in their own order. The other pixels follow in random order.
    places = torch.arange(-n * t * t, 0, device=device, dtype=keys.dtype).expand(len(keys), -1)
    return keys.scatter_(1, targets, places).argsort(dim=1)


@lru_cache(maxsize=32)
def _windows(s: int, t: int, strategy: Strategy) -> Tensor:
    """Pixel indices of all allowed groups of t rows × t columns, (groups, t²), row-major."""
    if strategy == "consecutive":
        axis = [tuple(range(start, start + t)) for start in range(s - t + 1)]
    else:
        axis = list(itertools.combinations(range(s), t))
    return torch.tensor(
        [[row * s + column for row in rows for column in columns] for rows in axis for columns in axis]
    )


def _disjoint_windows(windows: Tensor, tiling: Tensor, s: int, chance: Callable[[int], Tensor]) -> Tensor:
    """Draws n disjoint windows for each patch, as many as `tiling` has: (patches, n) rows of `windows`."""
    n = len(tiling)
    cells = torch.zeros(len(windows), s * s, device=windows.device).scatter_(1, windows, 1)
    overlaps = cells @ cells.T > 0
    chosen, fits = _draw_greedily(overlaps, n, chance)
    for _ in range(_DRAWS if n > 1 else 0):
        # For all patches, which costs little. Counting the failed ones would have to wait for the device.
        again, fits_now = _draw_greedily(overlaps, n, chance)
        chosen, fits = torch.where(fits[:, None], chosen, again), fits | fits_now
    return torch.where(fits[:, None], chosen, tiling)


def _draw_greedily(overlaps: Tensor, n: int, chance: Callable[[int], Tensor]) -> tuple[Tensor, Tensor]:
    """Draws windows one after another from those still free, and reports in which patches all n fit."""
    # The same for all patches until the first window is drawn.
    taken = torch.zeros((), dtype=torch.bool, device=overlaps.device)
    fits, chosen = ~taken, []
    for _ in range(n):
        best = chance(len(overlaps)).masked_fill(taken, -1).max(dim=1)
        fits = fits & (best.values >= 0)
        taken = taken | overlaps[best.indices]
        chosen.append(best.indices)
    return torch.stack(chosen, dim=1), fits


def _grid_windows(windows: Tensor, n: int, s: int, t: int) -> Tensor:
    """Rows of `windows` that tile the patch from its top left corner, which always fit."""
    corners = [row * t * s + column * t for row in range(s // t) for column in range(s // t)]
    span = (t - 1) * s + t - 1
    contiguous = windows[:, -1] - windows[:, 0] == span
    found = [int(((windows[:, 0] == corner) & contiguous).nonzero()) for corner in corners[:n]]
    return torch.tensor(found)


def _choose_pairs(count: int, pairs: int | None, chance: _Chance) -> Tensor:
    """Numbers of the pairs of each picture, (B, P): all `count` of them, or `pairs` different ones.

    The numbers stay on the device; reading them would make the processor wait.
    """
    if pairs is not None and not 1 <= pairs <= count:
        raise ValueError(f"pairs={pairs} is not between 1 and the {count} there are")
    drawn = chance(1, count)
    if pairs is None:
        return torch.arange(count, device=drawn.device).expand_as(drawn)
    return drawn.argsort(dim=1)[:, :pairs]


def _pick(patches: Tensor, order: Tensor, pair: Tensor, inputs: int, n: int, t: int) -> tuple[Tensor, Tensor]:
    """Gathers one input (B, C, h, w) and one target (B, C, t·h, t·w) from patches.

    Args:
        patches: Patches of the pictures, (B, C, h, w, s²).
        order: Order of their pixels, (B, 1, h, w, s²).
        pair: Number of the pair, target · `inputs` + input, (B,).
        inputs: Number of inputs per target.
        n, t: As for `make_pairs`.
    """
    batch, channels, rows, columns, _ = patches.shape
    group = (pair // inputs * t * t)[:, None] + torch.arange(t * t, device=pair.device)
    pixels = patches.gather(4, _places(order, group).expand(-1, channels, -1, -1, -1))
    pixels = pixels.view(batch, channels, rows, columns, t, t).transpose(3, 4)
    source = (n * t * t + pair % inputs)[:, None]
    picked = patches.gather(4, _places(order, source).expand(-1, channels, -1, -1, -1))
    return picked.squeeze(4), pixels.reshape(batch, channels, rows * t, columns * t)


def _places(order: Tensor, which: Tensor) -> Tensor:
    """Positions in the patch, (B, 1, h, w, k), of the pixels with numbers `which`, (B, k), in `order`."""
    return order.gather(4, which[:, None, None, None].expand(*order.shape[:4], -1))
