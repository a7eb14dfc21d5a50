"""Runs a U-Net, or the noise estimator, over a picture from top to bottom, some rows at a time.

Tiles must read their neighbourhood, and compute it again. Here each layer keeps the last rows that it read
until those below arrive. So nothing is computed twice, and the result is that of the whole picture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from nsp_cli.networks.noise_map import NoiseMapNetwork
from nsp_cli.networks.strips import without_row_padding
from nsp_cli.networks.unet_body import COARSEST, FOLD, ResidualBlock, UnetBody


class RowStream:
    """A U-Net that takes the rows of a picture. It answers some rows later, and the rest with the last."""

    def __init__(self, network: UnetBody) -> None:
        """Begins a picture."""
        self._network, self._waiting = network, _Queue()
        self._head, self._tail = _Convolution(network.head), _Convolution(network.tail)
        self._levels = [
            _Level(encoder, down, up, decoder)
            for encoder, down, up, decoder in zip(
                network.encoder, network.down, network.up, network.decoder, strict=False
            )
        ]
        self._deepest = _Blocks(network.encoder[-1])

    def push(self, x: Tensor, *noise: Tensor, above: int, below: int) -> Tensor:
        """Takes the next rows.

        The first call needs `first_rows` of them, if the picture has as many.

        Args:
            x: (B, C, above + h + below, W), h rows and those around them; all multiples of 8.
            noise: What the network is told of these rows, as by its `forward`.
            above: Rows of `x` that were pushed before.
            below: Rows of `x` that are still to come; with 0 these are the last rows.

        Returns:
            (B, 3, s·n, s·W), the next n rows of the result.
        """
        plain, features = (_without_ends(part, x, above, below) for part in self._network.enter(x, *noise))
        self._waiting.push(plain)
        per_row = plain.shape[2] // features.shape[2]
        answer = self._tail(self._body(self._head(features, below == 0), below == 0), below == 0)
        return self._network.leave(self._waiting.pop(answer.shape[2] * per_row), answer)

    def _body(self, features: Tensor, is_last: bool) -> Tensor:
        for level in self._levels:
            features = level.descend(features, is_last)
        features = self._deepest(features, is_last)
        for level in reversed(self._levels):
            features = level.ascend(features, is_last)
        return features


class CellStream:
    """A noise estimator that takes the rows of a picture, and answers as `RowStream` does."""

    def __init__(self, network: NoiseMapNetwork) -> None:
        """Begins a picture."""
        self._network, self._blocks, self._levels = network, _Blocks(network.blocks), _Queue()

    def push(self, x: Tensor, *, is_last: bool) -> Tensor:
        """Takes the next rows. The first call needs `first_rows` of them, if the picture has as many.

        Args:
            x: (B, 3, h, W); both sides multiples of 8.
            is_last: Whether these are the last rows.

        Returns:
            (B, C + 6, n, W / 8), the features of the next n rows of cells.
        """
        cells, levels = self._network.begin(x)
        self._levels.push(levels)
        answer = self._blocks(cells, is_last)
        return self._network.end(answer, self._levels.pop(answer.shape[2]))


def first_rows(radius: int, rows: int, step: int = COARSEST) -> int:
    """Rows of the first push, so that each layer has some to answer with, and as many as in later pushes.

    Args:
        radius: Receptive-field radius of the network in pixels.
        rows: Rows of later pushes; a multiple of `step`.
        step: Rows of which pushes must be a multiple.
    """
    return -(-radius // step) * step + rows


class _Level:
    """A level of a U-Net but the coarsest: what leads down from it, and what leads up to it."""

    def __init__(self, encoder: nn.Module, down: nn.Module, up: nn.Module, decoder: nn.Module) -> None:
        self._encoder, self._decoder = _Blocks(encoder), _Blocks(decoder)
        self._down, self._up = down, up
        self._kept, self._odd = _Queue(), _Queue()

    def descend(self, features: Tensor, is_last: bool) -> Tensor:
        features = self._encoder(features, is_last)
        self._kept.push(features)
        self._odd.push(features)
        answer: Tensor = self._down(self._odd.pop(self._odd.rows // FOLD * FOLD))
        return answer

    def ascend(self, features: Tensor, is_last: bool) -> Tensor:
        raised = functional.pixel_shuffle(self._up(features), FOLD)
        return self._decoder(self._kept.added_to(raised), is_last)


class _Blocks:
    """Residual blocks, one after the other."""

    def __init__(self, blocks: nn.Module) -> None:
        assert isinstance(blocks, nn.Sequential)
        self._blocks = [_Block(block) for block in blocks]

    def __call__(self, rows: Tensor, is_last: bool) -> Tensor:
        for block in self._blocks:
            rows = block(rows, is_last)
        return rows


class _Block:
    """A residual block, whose input waits for the answer that is added to it."""

    def __init__(self, block: nn.Module) -> None:
        assert isinstance(block, ResidualBlock)
        self._first, self._second = _Convolution(block.first), _Convolution(block.second)
        self._waiting = _Queue()

    def __call__(self, rows: Tensor, is_last: bool) -> Tensor:
        self._waiting.push(rows)
        answer = self._second(functional.relu(self._first(rows, is_last), inplace=True), is_last)
        return self._waiting.added_to(answer)


class _Convolution:
    """A padded convolution that keeps the rows that its next answers read too."""

    def __init__(self, layer: nn.Module) -> None:
        self._layer, self._reach = without_row_padding(layer)
        self._kept: Tensor | None = None

    def __call__(self, rows: Tensor, is_last: bool) -> Tensor:
        above = _edge(rows, self._reach) if self._kept is None else self._kept
        read = _joined([above, rows, *([_edge(rows, self._reach)] if is_last else [])])
        self._kept = read[:, :, read.shape[2] - 2 * self._reach :].clone()
        return self._layer(read)


def _edge(rows: Tensor, count: int) -> Tensor:
    """What a padded convolution reads outside the picture."""
    return rows.new_zeros(*rows.shape[:2], count, rows.shape[3])


class _Queue:
    """Rows that wait until they are asked for."""

    def __init__(self) -> None:
        self._parts: deque[Tensor] = deque()
        self.rows = 0

    def push(self, rows: Tensor) -> None:
        self._parts.append(rows)
        self.rows += rows.shape[2]

    def pop(self, count: int) -> Tensor:
        """The first rows."""
        return _joined(self._taken(count))

    def added_to(self, rows: Tensor) -> Tensor:
        """Adds the first rows to as many others, in place."""
        first = 0
        for part in self._taken(rows.shape[2]):
            rows[:, :, first : first + part.shape[2]] += part
            first += part.shape[2]
        return rows

    def _taken(self, count: int) -> list[Tensor]:
        self.rows -= count
        taken = []
        while count:
            part = self._parts.popleft()
            taken.append(part[:, :, :count])
            if part.shape[2] > count:
                self._parts.appendleft(part[:, :, count:])
            count -= taken[-1].shape[2]
        return taken


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Parts below each other. `torch.cat` leaves the order of memory in which convolutions are fast."""
    if len(parts) == 1:
        return parts[0]
    batch, channels, _, width = parts[0].shape
    shape = (batch, channels, sum(part.shape[2] for part in parts), width)
    whole = torch.empty(
        shape, dtype=parts[0].dtype, device=parts[0].device, memory_format=torch.channels_last
    )
    first = 0
    for part in parts:
        whole[:, :, first : first + part.shape[2]] = part
        first += part.shape[2]
    return whole


def _without_ends(part: Tensor, x: Tensor, above: int, below: int) -> Tensor:
    """The rows of a part that are pushed; it has another number of rows per pixel than the picture."""
    first, last = (count * part.shape[2] // x.shape[2] for count in (above, x.shape[2] - below))
    return part[:, :, first:last]
