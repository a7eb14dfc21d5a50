"""A photo's noise, place by place: what a noise estimator says, and what a student is conditioned on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nsp_cli.noise.constants import CONSTANTS
from nsp_cli.noise.estimation import BLOCK_SIDE
from nsp_cli.ops.bands import BANDS


@dataclass(frozen=True, eq=False)
class NoiseMap:
    """The noise in every cell of 8×8 pixels. Levels are standard deviations where white is 1.

    Attributes:
        bands: (6, rows, columns) levels per DCT coefficient: coarse, middle and fine luma, then the same for
            chroma, the mean of both planes. The last row and column may reach past the photo.
    """

    bands: Tensor

    @property
    def luma(self) -> float:
        """Level of luma noise over the whole photo."""
        return float(self.local_luma.square().mean().sqrt())

    @property
    def chroma(self) -> float:
        """Level of chroma noise over the whole photo."""
        return float(self.local_chroma.square().mean().sqrt())

    @property
    def local_luma(self) -> Tensor:
        """Level of luma noise in each cell, (rows, columns)."""
        return _level(self.bands[:3])

    @property
    def local_chroma(self) -> Tensor:
        """Level of chroma noise in each cell, (rows, columns)."""
        return _level(self.bands[3:])

    def luma_range(self) -> tuple[float, float]:
        """Level of luma noise that a tenth of the cells stays below, and that a tenth exceeds."""
        levels = self.local_luma.flatten()
        # Not `quantile`, which refuses the cells of a gigapixel.
        low, high = (
            float(levels.kthvalue(1 + round(share * (len(levels) - 1))).values) for share in (0.1, 0.9)
        )
        return low, high

    @property
    def is_clean(self) -> bool:
        """Whether noise is visible almost nowhere. Coarse luma does not count: a clean sky has it."""
        finer = _level(torch.cat([torch.zeros_like(self.bands[:1]), self.bands[1:3]]))
        seen = torch.maximum(finer, CONSTANTS.chroma_visibility * self.local_chroma)
        return float((seen >= CONSTANTS.clean / 255).float().mean()) < CONSTANTS.visible_share

    def times(self, luma: float, chroma: float) -> NoiseMap:
        """The map of a photo with this many times the noise."""
        factors = self.bands.new_tensor([luma] * 3 + [chroma] * 3)
        return NoiseMap(self.bands * factors[:, None, None])


def _level(bands: Tensor) -> Tensor:
    """Standard deviation of noise whose (3, …) bands are known."""
    counts = bands.new_tensor([int(band.mask(BLOCK_SIDE).sum()) for band in BANDS])
    return torch.einsum("b,b...->...", counts / BLOCK_SIDE**2, bands.square()).sqrt()
