"""TBSN, the transformer blind-spot network of NSP (paper Sec. 3.2; layer names are the authors')."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from nsp_cli.networks.base import CentreMaskedConv2d, Gelu, NetworkSpec
from nsp_cli.networks.tbsn.attention import ChannelAttention, ChannelNorm, FeedForward, SpatialAttention

# The authors trained on 8-bit values; callers use [0, 1].
VALUE_RANGE = 255

PerLevel = tuple[int, int, int]


@dataclass(frozen=True)
class TbsnConfig:
    """Everything that a TBSN is built from. The defaults are the paper's 12,766,148 parameters.

    Attributes:
        dim: Channels at full size; each level below has twice as many and half the side.
        num_blocks: Blocks per level, finest first. The two decoders have as many as their encoders.
        num_refinement_blocks: Blocks after the decoder, at full size.
        channel_heads: Heads of the channel attention per level.
        spatial_heads: Heads of the spatial attention per level.
        spatial_head_size: Channels of one spatial head.
        window_size: Side of a query window.
        overlap_ratio: The key window is larger than the query window by this share of its side.
        t: Scaling factor; the output has t·H × t·W pixels.
    """

    dim: int = 48
    num_blocks: PerLevel = (4, 4, 4)
    num_refinement_blocks: int = 4
    channel_heads: PerLevel = (1, 2, 4)
    spatial_heads: PerLevel = (2, 2, 3)
    spatial_head_size: int = 16
    window_size: int = 8
    overlap_ratio: float = 0.5
    t: int = 2

    def __post_init__(self) -> None:
        """Turns JSON's lists into tuples, and checks that the network can be built.

        Raises:
            ValueError: A level has no number, or sizes do not divide as the network needs.
        """
        for name in ("num_blocks", "channel_heads", "spatial_heads"):
            values = tuple(getattr(self, name))
            if len(values) != 3:
                raise ValueError(f"{name} needs a number for each of 3 levels, not {values}")
            object.__setattr__(self, name, values)
        if self.window_size % 2 or self.window_size * self.overlap_ratio % 4:
            raise ValueError(
                f"window_size {self.window_size} with overlap_ratio {self.overlap_ratio} would let a pixel "
                "see itself: the window and its margin must be even"
            )
        if any(self.dim * 2**level % heads for level, heads in enumerate(self.channel_heads)):
            raise ValueError(f"dim {self.dim} does not divide into {self.channel_heads} channel heads")
        if self.dim % 2 or 2 * self.dim % self.t**2:
            raise ValueError(f"dim {self.dim} is odd, or twice it does not divide by t² = {self.t**2}")

    @property
    def margin(self) -> int:
        """How far a key window reaches past its query window on each side."""
        return int(self.window_size * self.overlap_ratio) // 2

    def spec(self) -> NetworkSpec:
        """States how to feed the network. The radius covers what is worth reading, not all that matters.

        Through convolutions and windows alone, the full-size network reaches up to 707 pixels, with
        hardly any weight beyond the nearest 64. Channel attention pools over the tile whatever the
        halo is, so no radius makes tiles exact; `by_layers.py` does. With this radius and stride t = 2,
        the halo is a multiple of `input_multiple`.
        """
        multiple = 4 * self.window_size
        keys = (self.window_size // 2 + self.margin) ** 2
        return NetworkSpec(
            scale=self.t,
            input_multiple=multiple,
            radius=2 * multiple - 1,
            exact_tiling=False,
            values_per_pixel=28 * self.dim + 2 * keys * self.spatial_heads[0],
        )

    def with_scale(self, scale: int) -> TbsnConfig:
        """Config of the same network with another t."""
        return replace(self, t=scale)

    def build(self) -> Tbsn:
        """Builds the network with fresh random weights."""
        return Tbsn(self)


class Tbsn(nn.Module):
    """Predicts the next finer scale of a noisy picture, blind to the predicted pixel except in statistics.

    Maps (B, 3, H, W) to (B, 3, t·H, t·W), both in [0, 1] (the output may leave it slightly); H and W
    are multiples of `spec().input_multiple`.

    The masked convolution looks one pixel aside. After it, every layer keeps the parity of row and
    column: convolutions have dilation 2, windows attend at even distances, and changes of size move
    whole 2×2 patches. So no output depends on the input pixel in its own place, nor on any other of the
    same parity, except through the channel attention's pooled matrices.
    """

    def __init__(self, config: TbsnConfig) -> None:
        super().__init__()
        dim = config.dim
        self.config = config
        self.input_multiple = config.spec().input_multiple
        self.patch_embed = PatchEmbed(dim)
        self.encoder_level1 = _blocks(config, level=0, channels=dim, count=config.num_blocks[0])
        self.down1_2 = Resize(dim, dim // 2, PatchUnshuffle())
        self.encoder_level2 = _blocks(config, level=1, channels=2 * dim, count=config.num_blocks[1])
        self.down2_3 = Resize(2 * dim, dim, PatchUnshuffle())
        self.latent = _blocks(config, level=2, channels=4 * dim, count=config.num_blocks[2])
        self.up3_2 = Resize(4 * dim, 8 * dim, PatchShuffle())
        self.reduce_chan_level2 = nn.Conv2d(4 * dim, 2 * dim, 1, bias=False)
        self.decoder_level2 = _blocks(config, level=1, channels=2 * dim, count=config.num_blocks[1])
        self.up2_1 = Resize(2 * dim, 4 * dim, PatchShuffle())
        self.decoder_level1 = _blocks(config, level=0, channels=2 * dim, count=config.num_blocks[0])
        self.refinement = _blocks(config, level=0, channels=2 * dim, count=config.num_refinement_blocks)
        fine = 2 * dim // config.t**2
        self.output = nn.Sequential(
            *_pointwise(2 * dim),
            *_pointwise(2 * dim),
            nn.PixelShuffle(config.t),
            *_pointwise(fine),
            *_pointwise(fine),
            nn.Conv2d(fine, 3, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, 3, H, W) to (B, 3, t·H, t·W).

        Raises:
            ValueError: A side is not a multiple of `input_multiple`.
        """
        height, width = x.shape[-2:]
        if height % self.input_multiple or width % self.input_multiple:
            raise ValueError(
                f"TBSN takes sides that are multiples of {self.input_multiple}, not {height}×{width}"
            )
        level1 = self.encoder_level1(self.embed(x))
        level2 = self.encoder_level2(self.down1_2(level1))
        level3 = self.latent(self.down2_3(level2))
        decoded = self.reduce_chan_level2(torch.cat([self.up3_2(level3), level2], dim=1))
        decoded = self.decoder_level2(decoded)
        decoded = self.decoder_level1(torch.cat([self.up2_1(decoded), level1], dim=1))
        return self.predict(self.refinement(decoded))

    def embed(self, x: Tensor) -> Tensor:
        """The features that the blocks start from: (B, 3, H, W) in [0, 1] to (B, dim, H, W)."""
        embedded: Tensor = self.patch_embed(x * VALUE_RANGE)
        return embedded

    def predict(self, features: Tensor) -> Tensor:
        """Maps the last block's (B, 2·dim, H, W) to (B, 3, t·H, t·W) in [0, 1]."""
        predicted: Tensor = self.output(features)
        return predicted / VALUE_RANGE


class PatchEmbed(nn.Module):
    """Looks at the eight neighbours of each pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = CentreMaskedConv2d(3, channels, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, 3, H, W) to (B, channels, H, W)."""
        embedded: Tensor = self.proj(x)
        return embedded


class Block(nn.Module):
    """Adds attention over channels and over windows to its input, each followed by convolutions."""

    def __init__(self, config: TbsnConfig, *, level: int, channels: int) -> None:
        super().__init__()
        self.spatial_attn = SpatialAttention(
            channels,
            config.spatial_heads[level],
            config.spatial_head_size,
            window=config.window_size,
            margin=config.margin,
        )
        self.channel_attn = ChannelAttention(channels, config.channel_heads[level])
        self.norm1 = ChannelNorm(channels)
        self.norm2 = ChannelNorm(channels)
        self.norm3 = ChannelNorm(channels)
        self.norm4 = ChannelNorm(channels)
        self.channel_ffn = FeedForward(channels)
        self.spatial_ffn = FeedForward(channels)
        # The last convolutions' reach is rounded up to whole windows, which see their margin.
        windows = -(-FeedForward.reach // config.window_size) * config.window_size
        self.reach = windows + config.margin + FeedForward.reach + ChannelAttention.reach

    def forward(self, x: Tensor, mixing: Tensor | None = None) -> Tensor:
        """Maps (B, channels, H, W) to the same shape.

        Args:
            x: The whole picture's features, or a part of them, from one window's corner to another's, if
                `mixing` is given. Then what lies within `reach` of a cut is not the whole picture's.
            mixing: As for `ChannelAttention`.
        """
        # Autocast rounds what each of eighty layers adds; the running sum must not be rounded as well.
        x = x if x.dtype is torch.float64 else x.float()
        for norm, layer in (
            (self.norm1, partial(self.channel_attn, mixing=mixing)),
            (self.norm2, self.channel_ffn),
            (self.norm3, self.spatial_attn),
            (self.norm4, self.spatial_ffn),
        ):
            x = x + layer(norm(x))
        return x


class Resize(nn.Module):
    """Changes the number of channels, then trades channels for size or back."""

    def __init__(self, in_channels: int, out_channels: int, shuffle: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False), shuffle)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, in_channels, H, W) to half or twice the size."""
        resized: Tensor = self.body(x)
        return resized


class PatchUnshuffle(nn.Module):
    """Halves the size by stacking neighbouring 2×2 patches. Patches stay whole, so that parity survives."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, H, W) to (B, 4·C, H/2, W/2): channel 4c + 2·ky + kx is patch (2Y + ky, 2X + kx)."""
        batch, channels, height, width = x.shape
        x = x.reshape(batch, channels, height // 4, 2, 2, width // 4, 2, 2)
        # (B, C, Y, ky, py, X, kx, px) → (B, C, ky, kx, Y, py, X, px)
        x = x.permute(0, 1, 3, 6, 2, 4, 5, 7)
        return x.reshape(batch, 4 * channels, height // 2, width // 2)


class PatchShuffle(nn.Module):
    """Undoes PatchUnshuffle."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, 4·C, H, W) to (B, C, 2·H, 2·W)."""
        batch, channels, height, width = x.shape
        x = x.reshape(batch, channels // 4, 2, 2, height // 2, 2, width // 2, 2)
        # (B, C, ky, kx, Y, py, X, px) → (B, C, Y, ky, py, X, kx, px)
        x = x.permute(0, 1, 4, 2, 5, 6, 3, 7)
        return x.reshape(batch, channels // 4, 2 * height, 2 * width)


def _blocks(config: TbsnConfig, *, level: int, channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Block(config, level=level, channels=channels) for _ in range(count)))


def _pointwise(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(channels, channels, 1, bias=False), Gelu()
