"""The body that the U-Nets share: residual blocks at a half, a quarter and an eighth of the size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

# The first step folds 2×2 pixels into channels; each further level halves the sides again.
FOLD = 2
# Sides in pixels of a cell of the coarsest level.
COARSEST = FOLD << 2
# Rows of pixels around a row that decide how it is fed to the layers; a multiple of the above.
CONTEXT = 8


class ResidualBlock(nn.Module):
    """Adds the result of two 3×3 convolutions to its input. It starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, channels, H, W) to the same shape."""
        # In place, because a large tensor's fresh memory costs more than the arithmetic on it.
        answer: Tensor = self.second(functional.relu(self.first(x), inplace=True))
        return answer.add_(x)


class UnetBody(nn.Module, ABC):
    """All of a U-Net but how it begins and ends. Each level halves the sides of the one above."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: tuple[int, int, int],
        encoder: tuple[int, int, int],
        decoder: tuple[int, int],
    ) -> None:
        """Builds the levels.

        Args:
            inputs: Channels of the folded input.
            outputs: Channels of the answer.
            widths: Channels of each level.
            encoder: Residual blocks per level on the way down.
            decoder: Residual blocks of the upper two levels on the way up.
        """
        super().__init__()
        self.head = nn.Conv2d(inputs, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(map(_blocks, widths, encoder))
        self.decoder = nn.ModuleList(map(_blocks, widths[:2], decoder))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairwise(widths))
        self.tail = nn.Conv2d(widths[0], outputs, 3, padding=1)

    @abstractmethod
    def enter(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """What the answer is subtracted from, and the folded input (B, inputs, H / 2, W / 2).

        A row of either depends on rows at most `CONTEXT` away.
        """

    @abstractmethod
    def leave(self, plain: Tensor, answer: Tensor) -> Tensor:
        """The result for some rows of the two."""

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """Maps what `enter` takes to what `leave` returns."""
        plain, folded = self.enter(x, noise)
        return self.leave(plain, self.tail(self.body(folded)))

    def body(self, folded: Tensor) -> Tensor:
        """Maps (B, inputs, H, W), both sides multiples of 4, to (B, widths[0], H, W)."""
        features: Tensor = self.head(folded)
        kept = []
        for encoder, down in zip(self.encoder, self.down, strict=False):
            kept.append(encoder(features))
            features = down(kept[-1])
        features = self.encoder[-1](features)
        for decoder, up in reversed(list(zip(self.decoder, self.up, strict=True))):
            features = decoder(functional.pixel_shuffle(up(features), 2) + kept.pop())
        return features


def body_radius(encoder: tuple[int, int, int], decoder: tuple[int, int]) -> int:
    """Receptive-field radius in pixels of a body between a first and a last 3×3 layer.

    Each residual block reaches two pixels of its level. An output pixel may lie anywhere in its cell of
    the coarsest level.
    """
    steps = [2 * blocks for blocks in encoder]
    steps[0] += 2 * decoder[0] + 2  # the first and the last layer too
    steps[1] += 2 * decoder[1]
    return sum(count * FOLD << level for level, count in enumerate(steps)) + COARSEST - 1


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))
