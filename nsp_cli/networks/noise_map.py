"""The noise estimator: a small network that sees a photo and says how noisy each place of it is.

It is not in the paper. It learned from pictures whose noise is known, place by place, so it needs no rules
about what noise and texture look like. It sees a photo as JPEG does, in DCT coefficients of 8×8 pixels, and
their magnitudes, because the level of noise is a mean of magnitudes. Texture in one place often looks like
noise, but a photo's noise has one source. So the answer for a place also depends on the whole photo: on
how noisy its quietest and its busiest places look, and on weighted means, in which places count that show
the noise well.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from nsp_cli.device import to_device
from nsp_cli.networks.base import CELL, CONDITIONING_SIZE, NetworkSpec
from nsp_cli.networks.kind import NetworkKind
from nsp_cli.networks.unet_body import ResidualBlock
from nsp_cli.ops.bands import BANDS
from nsp_cli.ops.block_dct import dct_kernels, to_luma_chroma

# Shares of the photo's cells whose level in a band stays below the levels that the network is told.
_SHARES = (0.02, 0.1, 0.3, 0.5, 0.8)
# `torch.quantile` takes no more numbers than this.
_MOST_CELLS = 2**24


@dataclass(frozen=True)
class NoiseMapConfig:
    """Everything that an estimator is built from. The defaults cost 5,600 multiplications per photo pixel.

    Attributes:
        width: Channels of a cell of 8×8 pixels.
        blocks: Residual blocks.
        heads: Weighted means over the photo.
        mixed: Channels where a cell and the whole photo come together.
    """

    width: int = 64
    blocks: int = 4
    heads: int = 4
    mixed: int = 128

    def __post_init__(self) -> None:
        """Raises ValueError if a number of channels is zero."""
        if min(self.width, self.heads, self.mixed) < 1:
            raise ValueError(f"no estimator has {self.width}, {self.heads} and {self.mixed} channels")

    def spec(self) -> NetworkSpec:
        """States how to feed `features`; all else is the same for any tiles."""
        return NetworkSpec(
            scale=1,
            input_multiple=CELL,
            radius=2 * self.blocks * CELL + CELL - 1,
            exact_tiling=True,
            values_per_pixel=30,
            is_blind_spot=False,
            is_noise_estimator=True,
        )

    def with_scale(self, scale: int) -> NoiseMapConfig:
        """Raises ValueError unless the scale is 1: a map has one size."""
        if scale != 1:
            raise ValueError("a noise estimator does not enlarge")
        return self

    def build(self) -> NoiseMapNetwork:
        """Builds the network with fresh random weights."""
        return NoiseMapNetwork(self)


class NoiseMapNetwork(nn.Module):
    """Maps a noisy picture to its noise: the levels of six bands in every cell of 8×8 pixels."""

    def __init__(self, config: NoiseMapConfig) -> None:
        super().__init__()
        width, mixed = config.width, config.mixed
        self.enter = nn.Conv2d(2 * 3 * CELL**2, width, 1)
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(config.blocks)))
        self.weigh = nn.Conv2d(width, config.heads, 1)
        self.mix = nn.Conv2d(width + CONDITIONING_SIZE, mixed, 1)
        self.context = nn.Linear(config.heads * width + len(_SHARES) * CONDITIONING_SIZE, mixed)
        self.deep = nn.Conv2d(mixed, mixed, 1)
        self.tail = nn.Conv2d(mixed, CONDITIONING_SIZE, 1)

    @property
    def seen(self) -> int:
        """Channels of `features`."""
        return self.mix.in_channels

    def forward(self, x: Tensor) -> Tensor:
        """Estimates the noise of whole pictures.

        Args:
            x: (B, 3, H, W) in [0, 1]; both sides multiples of 8.

        Returns:
            (B, 6, H / 8, W / 8) as from `answer`.
        """
        features = self.features(x)
        return self.answer(features, self.sums(features), self.levels(features))

    def features(self, x: Tensor) -> Tensor:
        """What each cell of (B, 3, H, W) looks like, (B, C + 6, H / 8, W / 8).

        The last six are the cell's levels in the bands, as `answer` gives them, with the scene in them.
        """
        cells, levels = self.begin(x)
        return self.end(self.blocks(cells), levels)

    def begin(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the blocks take, (B, C, h, w), and the levels of each cell, (B, 6, h, w)."""
        coefficients = _coefficients(x)
        size = (10 * coefficients.abs() + 1e-4).sqrt()
        both = torch.cat([size, coefficients.sign() * size], dim=2).flatten(1, 2)
        return functional.relu(self.enter(both)), _levels_of(coefficients)

    def end(self, cells: Tensor, levels: Tensor) -> Tensor:
        """Features of what the blocks return, and of the levels of the same cells."""
        return torch.cat([functional.relu(cells), levels.to(cells.dtype)], dim=1)

    def sums(self, features: Tensor) -> Tensor:
        """Weights and weighted features summed over cells, (B, heads, 1 + C) float32.

        The sums of a picture's parts add up to the picture's.
        """
        cells = features[:, :-CONDITIONING_SIZE].float()
        weights = functional.softplus(self.weigh(cells).float()).flatten(2)
        weighted = torch.einsum("bhn,bcn->bhc", weights, cells.flatten(2))
        return torch.cat([weights.sum(2, keepdim=True), weighted], dim=2)

    def levels(self, features: Tensor) -> Tensor:
        """Levels that given shares of the picture's cells stay below, (B, 30) float32."""
        cells = features[:, -CONDITIONING_SIZE:].flatten(2)
        cells = cells[..., :: 1 + cells.shape[-1] // _MOST_CELLS].float()
        return (
            cells.quantile(to_device(torch.tensor(_SHARES), cells.device), dim=2).permute(1, 2, 0).flatten(1)
        )

    def answer(self, features: Tensor, sums: Tensor, levels: Tensor) -> Tensor:
        """Noise of cells, given the whole picture.

        Args:
            features: (B, C + 6, h, w).
            sums: (B, heads, 1 + C).
            levels: (B, 30).

        Returns:
            (B, 6, h, w): the square root of ten standard deviations, as the student takes them
            (`nsp_cli.networks.unet.as_planes`). Slightly negative where there is no noise.
        """
        means = (sums[..., 1:] / sums[..., :1].clamp(min=1e-6)).flatten(1)
        context = self.context(torch.cat([means, levels], dim=1))[..., None, None]
        mixed = functional.relu(self.mix(features) + context)
        answer: Tensor = self.tail(functional.relu(self.deep(mixed)))
        return answer


def _coefficients(x: Tensor) -> Tensor:
    """DCT coefficients of (B, 3, H, W) in luma and chroma, (B, 3, 64, H / 8, W / 8) float32."""
    # Faint noise is below the accuracy of bfloat16 beside the picture.
    with torch.autocast(x.device.type, enabled=False):
        planes = to_luma_chroma(x.float().movedim(1, 0)).movedim(0, 1)
        kernels = to_device(dct_kernels(CELL), x.device)
        blocks = functional.conv2d(planes.reshape(-1, 1, *x.shape[-2:]), kernels, stride=CELL)
    return blocks.view(len(x), 3, CELL**2, *blocks.shape[-2:])


def _levels_of(coefficients: Tensor) -> Tensor:
    """Levels in the six bands, (B, 6, h, w), from (B, 3, 64, h, w)."""
    masks = torch.stack([band.mask(CELL) for band in BANDS]).float()
    masks = to_device(masks / masks.sum(1, keepdim=True), coefficients.device)
    bands = torch.einsum("nk,bpkhw->bpnhw", masks, coefficients.square())
    power = torch.cat([bands[:, 0], bands[:, 1:].mean(1)], dim=1)
    return (100 * power + 1e-8).pow(0.25)


NOISE_MAP = NetworkKind(NoiseMapConfig)
