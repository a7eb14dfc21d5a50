"""Strength: how much noise to remove, and what a result of less than full strength is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.ops.block_dct import from_luma_chroma, to_luma_chroma
from nsp_cli.ops.pixels import from_unit_range, to_unit_range

# Rows that are blended at a time, so that a photo does not stand in memory as floats.
_STRIP = 256


@dataclass(frozen=True)
class Strength:
    """How much noise to remove: 0 none, 1 as much as was estimated, 2 clearly more.

    Attributes:
        luma: Strength for brightness noise, 0 to 2.
        chroma: Strength for colour noise, 0 to 2.
    """

    luma: float = 1.0
    chroma: float = 1.0

    def __post_init__(self) -> None:
        """Raises ValueError if a strength is out of range."""
        if not (0 <= self.luma <= 2 and 0 <= self.chroma <= 2):
            raise ValueError(f"strength is 0 to 2, not luma {self.luma:g}, chroma {self.chroma:g}")

    @property
    def is_zero(self) -> bool:
        """Whether nothing is removed."""
        return self.luma == 0 and self.chroma == 0

    @property
    def at_least_one(self) -> Strength:
        """Strength to denoise with; a strength below 1 then blends the photo into the result."""
        return Strength(max(1.0, self.luma), max(1.0, self.chroma))


def blend(noisy: Tensor, denoised: Tensor, strength: Strength) -> Tensor:
    """Blends a photo into its denoised picture, luma and chroma separately.

    Args:
        noisy: (3, H, W) uint8, uint16 or float in [0, 1].
        denoised: (3, H, W), any of these types, made with `strength.at_least_one`.
        strength: A strength of 1 or more keeps nothing of the photo.

    Returns:
        (3, H, W) of the type of `noisy`.
    """
    result = torch.empty_like(noisy)
    kept = 1 - torch.tensor([strength.luma, strength.chroma, strength.chroma]).clamp(max=1)
    for start in range(0, noisy.shape[1], _STRIP):
        rows = slice(start, start + _STRIP)
        part = to_unit_range(denoised[:, rows])
        if bool(kept.any()):
            removed = to_luma_chroma(to_unit_range(noisy[:, rows]) - part)
            part = part + from_luma_chroma(kept[:, None, None] * removed)
        result[:, rows] = from_unit_range(part, noisy.dtype)
    return result
