"""DBSN, the dilated blind-spot network of NSP (paper Sec. 3.2; layer names are the authors')."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from nsp_cli.networks.base import CentreMaskedConv2d, Gelu, NetworkSpec
from nsp_cli.networks.dbsn import fused
from nsp_cli.networks.strips import add_strips, map_strips, pays_off, without_row_padding

BRANCH_DILATIONS = (2, 3)


@dataclass(frozen=True)
class DbsnConfig:
    """Everything that a DBSN is built from. The defaults are the paper's 3,750,723 parameters.

    Attributes:
        base_channels: D, channels inside a branch.
        num_modules: N, dilated residual modules per branch.
        t: Scaling factor; the output has t·H × t·W pixels.
    """

    base_channels: int = 128
    num_modules: int = 9
    t: int = 2

    def __post_init__(self) -> None:
        """Checks that the tail's pixel shuffle can divide the channels.

        Raises:
            ValueError: 2·D is not a multiple of t².
        """
        if self.t < 1 or 2 * self.base_channels % self.t**2:
            raise ValueError(f"2·{self.base_channels} channels do not divide by t² = {self.t**2}")

    def spec(self) -> NetworkSpec:
        """States how to feed the network. A branch has a masked convolution, then N dilated ones."""
        radius = max((d - 1) + self.num_modules * d for d in BRANCH_DILATIONS)
        return NetworkSpec(
            scale=self.t,
            input_multiple=1,
            radius=radius,
            exact_tiling=True,
            # 7.2·D at the peak, in the concatenation and the tail, for D = 32 to 128.
            values_per_pixel=8 * self.base_channels,
        )

    def with_scale(self, scale: int) -> DbsnConfig:
        """Config of the same network with another t."""
        return replace(self, t=scale)

    def build(self) -> Dbsn:
        """Builds the network with fresh random weights."""
        return Dbsn(self)


class DilatedModule(nn.Module):
    """Adds the result of a dilated 3×3 and a 1×1 convolution to its input."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation),
            Gelu(),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, channels, H, W) to the same shape."""
        answer: Tensor = self.body(x)
        return x + answer

    def add_to(self, x: Tensor) -> Tensor:
        """Does the same in strips; overwrites x."""
        dilated, *rest = self.body
        valid, reach = without_row_padding(dilated)
        after = nn.Sequential(*rest)
        return add_strips(lambda rows: after(valid(rows)), x, reach=reach)

    def add_fused(self, x: Tensor) -> Tensor:
        """Does the same in two kernels; overwrites x."""
        dilated, _, last = self.body
        return fused.convolve_then_pointwise(dilated, last, x, addend=x, answer=x)


class Branch(nn.Module):
    """Looks around a (2d−1)×(2d−1) hole, then only in steps of d, so that the hole stays unseen."""

    def __init__(self, channels: int, num_modules: int, dilation: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            CentreMaskedConv2d(channels, channels, 2 * dilation - 1),
            Gelu(),
            *_pointwise(channels, channels),
            *_pointwise(channels, channels),
            *(DilatedModule(channels, dilation) for _ in range(num_modules)),
            *_pointwise(channels, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, channels, H, W) to the same shape."""
        answer: Tensor = self.body(x)
        return answer

    def all_but_last(self, x: Tensor) -> Tensor:
        """Maps (B, channels, H, W) to the input of `last`, in strips."""
        modules = [layer for layer in self.body if isinstance(layer, DilatedModule)]
        masked, *rest = list(self.body)[: -2 - len(modules)]
        valid, reach = without_row_padding(masked)
        after = nn.Sequential(*rest)
        x = map_strips(lambda rows: after(valid(rows)), x, channels=x.shape[1], reach=reach)
        for module in modules:
            x = module.add_to(x)
        return x

    def write_fused(self, x: Tensor, answer: Tensor) -> None:
        """Writes the result of `forward` on (B, channels, H, W), channels last, into `answer`."""
        masked, _, first, _, second, _, *modules, last, _ = self.body
        x = fused.pointwise(second, fused.convolve_then_pointwise(masked, first, x))
        for module in modules:
            assert isinstance(module, DilatedModule)
            x = module.add_fused(x)
        fused.pointwise(last, x, answer=answer)

    @property
    def last(self) -> nn.Sequential:
        """The layers after the dilated modules, which see one pixel each."""
        return nn.Sequential(*list(self.body)[-2:])


class Dbsn(nn.Module):
    """Predicts the next finer scale of a noisy picture without looking at the predicted pixel.

    Maps (B, 3, H, W) to (B, 3, t·H, t·W), both in [0, 1] (the output may leave it slightly).
    An output pixel does not depend on the input pixel in whose place it lies.
    """

    def __init__(self, config: DbsnConfig) -> None:
        super().__init__()
        self.channels = channels = config.base_channels
        self.head = nn.Sequential(*_pointwise(3, channels))
        self.branch1 = Branch(channels, config.num_modules, BRANCH_DILATIONS[0])
        self.branch2 = Branch(channels, config.num_modules, BRANCH_DILATIONS[1])
        self.t = config.t
        self.fine = fine = 2 * channels // config.t**2
        self.tail = nn.Sequential(
            *_pointwise(2 * channels, 2 * channels),
            *_pointwise(2 * channels, 2 * channels),
            nn.PixelShuffle(config.t),
            *_pointwise(fine, fine),
            *_pointwise(fine, fine),
            nn.Conv2d(fine, 3, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, 3, H, W) to (B, 3, t·H, t·W)."""
        if pays_off(x):
            return self._in_strips(x)
        if fused.can_fuse(x, self.channels, 2 * self.channels, self.fine):
            return self._fused(x)
        x = self.head(x)
        return self._end(self.branch1(x), self.branch2(x))

    def _in_strips(self, x: Tensor) -> Tensor:
        x = map_strips(self.head, x, channels=self.channels)
        first, second = self.branch1.all_but_last(x), self.branch2.all_but_last(x)
        del x  # saves a third of the memory
        last = self.branch1.last, self.branch2.last
        return map_strips(
            lambda a, b: self._end(last[0](a), last[1](b)), first, second, channels=2 * self.channels
        )

    def _fused(self, x: Tensor) -> Tensor:
        x = self.head(x).contiguous(memory_format=torch.channels_last)
        both = fused.empty_like(x, 2 * self.channels)
        self.branch1.write_fused(x, both[:, : self.channels])
        self.branch2.write_fused(x, both[:, self.channels :])
        first, _, second, _, _, third, _, fourth, _, last = self.tail
        del x  # with the tensor deleted below, saves a third of the memory
        both = fused.pointwise(first, both)
        cells = fused.pointwise_in_cells(second, both, self.t)
        del both
        return fused.last_convolution(last, fused.pointwise(fourth, fused.pointwise(third, cells)), self.t)

    def _end(self, first: Tensor, second: Tensor) -> Tensor:
        return self._answer(self.tail[:-1](torch.cat([first, second], dim=1)))

    def _answer(self, x: Tensor) -> Tensor:
        # bfloat16 has steps of 1/256 near white, so the last layer computes in float32.
        with torch.autocast(x.device.type, enabled=False):
            answer: Tensor = self.tail[-1](x.float())
        return answer


def _pointwise(in_channels: int, out_channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(in_channels, out_channels, 1), Gelu()
