"""Next-scale training pairs `(I_s, I_t) = G(I; s, t)` (paper Sec. 3.3, Eq. 10–13).

Every s×s patch gives n groups of t² pixels to the finer-scale targets and deals its other pixels,
one each, to the coarse sub-images. A target never shares a pixel with an input: that is what keeps
correlated noise from leaking.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Literal, get_args

import torch
from torch import Tensor

Strategy = Literal["random", "sorted", "intersected", "consecutive"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)

# Patches in which greedily drawn windows got in each other's way are drawn again this often,
# before the packing that always fits is taken.
_DRAWS = 8


def max_targets(s: int, t: int, strategy: Strategy) -> int:
    """Returns how many disjoint targets a patch has room for, at least one pixel being left as input."""
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
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Draws training pairs from noisy pictures.

    Args:
        image: (B, C, H, W), sides multiples of `s`.
        s: PD factor, the side of a patch.
        t: Scaling factor from input to target.
        n: Targets per patch; at most `max_targets(s, t, strategy)`.
        strategy: How a patch's target pixels are chosen (paper Fig. 3).
        pairs: Number of different pairs to draw at random; None gives all n·(s² − n·t²).
        generator: Source of randomness, on the picture's device.

    Returns:
        Inputs (P·B, C, H/s, W/s) and targets (P·B, C, H/s·t, W/s·t) for P pairs; pair p of picture b
        is at index p·B + b.

    Raises:
        ValueError: The sides are no multiples of `s`, or `n` or `pairs` is out of range.
    """
    _check(image, s, t, n, strategy)
    batch, _, height, width = image.shape
    rows, columns = height // s, width // s
    order = _pixel_orders(batch * rows * columns, s, t, n, strategy, generator, image.device)
    order = order.view(batch, 1, rows, columns, s * s)
    patches = image.view(batch, -1, rows, s, columns, s).transpose(3, 4).flatten(4)
    chosen = _choose_pairs(n, s * s - n * t * t, pairs, generator, image.device)
    drawn = [_pick(patches, order, target, n * t * t + source, t) for target, source in chosen]
    return torch.cat([inputs for inputs, _ in drawn]), torch.cat([targets for _, targets in drawn])


def _check(image: Tensor, s: int, t: int, n: int, strategy: Strategy) -> None:
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {strategy!r}; known are {', '.join(STRATEGIES)}")
    if not 1 <= n <= max_targets(s, t, strategy):
        most = max_targets(s, t, strategy)
        raise ValueError(f"n={n} targets do not fit: s={s}, t={t}, {strategy!r} has room for 1 to {most}")
    if image.shape[-2] % s or image.shape[-1] % s:
        raise ValueError(f"sides {tuple(image.shape[-2:])} are not multiples of s={s}")


def _pixel_orders(
    count: int,
    s: int,
    t: int,
    n: int,
    strategy: Strategy,
    generator: torch.Generator | None,
    device: torch.device,
) -> Tensor:
    """Returns (count, s²): per patch the n·t² target pixels group by group, then the inputs' pixels."""
    keys = torch.rand(count, s * s, generator=generator, device=device)
    if strategy in ("random", "sorted"):
        order = keys.argsort(dim=1)
        if strategy == "sorted":
            groups = order[:, : n * t * t].view(count, n, t * t)
            order[:, : n * t * t] = groups.sort(dim=2).values.flatten(1)
        return order
    windows = _windows(s, t, strategy).to(device)
    targets = windows[_disjoint_windows(count, windows, n, s, t, generator)].flatten(1)
    # Negative keys put the targets first, in their own order; random keys deal the rest.
    places = torch.arange(-n * t * t, 0, device=device, dtype=keys.dtype).expand(count, -1)
    return keys.scatter_(1, targets, places).argsort(dim=1)


@lru_cache(maxsize=32)
def _windows(s: int, t: int, strategy: Strategy) -> Tensor:
    """Lists every allowed group of t rows × t columns as (groups, t²) pixel indices, row-major."""
    if strategy == "consecutive":
        axis = [tuple(range(start, start + t)) for start in range(s - t + 1)]
    else:
        axis = list(itertools.combinations(range(s), t))
    return torch.tensor(
        [[row * s + column for row in rows for column in columns] for rows in axis for columns in axis]
    )


def _disjoint_windows(
    count: int, windows: Tensor, n: int, s: int, t: int, generator: torch.Generator | None
) -> Tensor:
    """Draws n mutually disjoint windows for each patch: (count, n) rows of `windows`."""
    cells = torch.zeros(len(windows), s * s, device=windows.device).scatter_(1, windows, 1)
    overlaps = cells @ cells.T > 0
    chosen, fits = _draw_greedily(count, overlaps, n, generator)
    for _ in range(_DRAWS if n > 1 else 0):
        chosen[~fits], fits_now = _draw_greedily(int((~fits).sum()), overlaps, n, generator)
        fits[~fits] = fits_now
    if n > 1:
        chosen[~fits] = _grid_windows(windows, n, s, t)
    return chosen


def _draw_greedily(
    count: int, overlaps: Tensor, n: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Draws windows one after another from those still free; says in which patches all n fitted."""
    free = torch.ones(count, len(overlaps), dtype=torch.bool, device=overlaps.device)
    fits = torch.ones(count, dtype=torch.bool, device=overlaps.device)
    chosen = []
    for _ in range(n):
        scores = torch.rand(free.shape, generator=generator, device=free.device).masked_fill(~free, -1)
        best = scores.max(dim=1)
        fits &= best.values >= 0
        free &= ~overlaps[best.indices]
        chosen.append(best.indices)
    return torch.stack(chosen, dim=1), fits


def _grid_windows(windows: Tensor, n: int, s: int, t: int) -> Tensor:
    """Returns the rows of `windows` that tile the patch from its top left corner: they always fit."""
    corners = [row * t * s + column * t for row in range(s // t) for column in range(s // t)]
    span = (t - 1) * s + t - 1
    contiguous = windows[:, -1] - windows[:, 0] == span
    found = [int(((windows[:, 0] == corner) & contiguous).nonzero()) for corner in corners[:n]]
    return torch.tensor(found, device=windows.device)


def _choose_pairs(
    n: int, inputs: int, pairs: int | None, generator: torch.Generator | None, device: torch.device
) -> list[tuple[int, int]]:
    """Returns (target, input) indices: the whole product, or `pairs` different ones of it."""
    if pairs is None:
        return list(itertools.product(range(n), range(inputs)))
    if not 1 <= pairs <= n * inputs:
        raise ValueError(f"pairs={pairs} is not between 1 and the {n * inputs} there are")
    drawn = torch.randperm(n * inputs, generator=generator, device=device)[:pairs]
    return [divmod(index, inputs) for index in drawn.tolist()]


def _pick(patches: Tensor, order: Tensor, target: int, source: int, t: int) -> tuple[Tensor, Tensor]:
    """Gathers one input (B, C, h, w) and one target (B, C, t·h, t·w) from (B, C, h, w, s²) patches."""
    batch, channels, rows, columns, _ = patches.shape
    group = order[..., target * t * t : (target + 1) * t * t]
    pixels = patches.gather(4, group.expand(-1, channels, -1, -1, -1))
    pixels = pixels.view(batch, channels, rows, columns, t, t).transpose(3, 4)
    inputs = patches.gather(4, order[..., source : source + 1].expand(-1, channels, -1, -1, -1))
    return inputs.squeeze(4), pixels.reshape(batch, channels, rows * t, columns * t)
