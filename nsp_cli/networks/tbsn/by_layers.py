"""Runs TBSN layer by layer, with the channel attention of the whole picture and little memory.

Channel attention mixes channels by sums over the whole picture. Tiles that pass through all layers know
only their own sums. Here every layer passes over the whole picture, tile by tile, before the next begins:
first the sums of a block are added up, then the block is applied. The features in between are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Protocol, cast

from torch import Tensor, nn

if TYPE_CHECKING:
    from nsp_cli.networks.tbsn.network import Block, Tbsn

# A picture's features: (1, C, H, W) each, whose channels follow each other.
Features = tuple[Tensor, ...]


class Passes(Protocol):
    """Passes over whole feature maps in pieces that the device can hold."""

    def new_map(self, channels: int, height: int, width: int) -> Features:
        """Uninitialised features, float32."""

    def apply(
        self,
        layers: Callable[[Tensor], Tensor],
        source: Features,
        result: Features,
        *,
        reach: int = 0,
        work: int = 0,
    ) -> None:
        """Writes what layers make of all of `source` into `result`, which may be `source`.

        Args:
            layers: Called with pieces that start and end on the grid of windows, or with the picture's edge.
            source: Features.
            result: Features, of `source`'s size or scaled by a power of two.
            reach: How far the layers see.
            work: Multiplications per position, for progress.
        """

    def total(
        self,
        layers: Callable[[Tensor], Tensor],
        summary: Callable[[Tensor], Tensor],
        source: Features,
        *,
        reach: int,
    ) -> Tensor:
        """The sum, in float64 on the CPU, of what `summary` makes of disjoint parts of the layers' result."""


def kept_values(network: Tbsn) -> int:
    """Most numbers that are kept between passes, per position of the network's input."""
    # At full size the decoder's and the encoder's features, with the decoder's at half size or the result.
    dim, t = network.config.dim, network.config.t
    return 2 * dim + max(dim // 2, 3 * t**2)


def blocks_by_reduction(network: Tbsn) -> Iterator[tuple[int, Block]]:
    """Every block, with how many times its sides are smaller than those of the network's input."""
    for reduction, parts in (
        (1, (network.encoder_level1, network.decoder_level1, network.refinement)),
        (2, (network.encoder_level2, network.decoder_level2)),
        (4, (network.latent,)),
    ):
        yield from ((reduction, block) for blocks in parts for block in _blocks(blocks))


def work_of(block: nn.Module) -> int:
    """Multiplications per position of a block, nearly: its weights are used once at each."""
    return sum(parameter.numel() for parameter in block.parameters())


def work_per_position(network: Tbsn) -> float:
    """Multiplications of the blocks per position of the network's input."""
    return sum(work_of(block) / reduction**2 for reduction, block in blocks_by_reduction(network))


def predict_by_layers(network: Tbsn, picture: Tensor, passes: Passes) -> Tensor:
    """What the network predicts from a whole picture.

    Args:
        network: The network, on any device.
        picture: (1, 3, H, W) in [0, 1] in main memory; both sides are multiples of `input_multiple`.
        passes: Runs the layers on the network's device.

    Returns:
        (1, 3, t·H, t·W) float32.
    """
    height, width = picture.shape[-2:]
    dim, t = network.config.dim, network.config.t
    level1 = passes.new_map(dim, height, width)
    passes.apply(network.embed, (picture,), level1, reach=1)
    _run_blocks(network.encoder_level1, level1, passes)
    level2 = _half_size(network, level1, passes)
    decoded = passes.new_map(dim, height, width)
    passes.apply(network.up2_1, level2, decoded)
    del level2
    joined = decoded + level1
    _run_blocks(network.decoder_level1, joined, passes)
    _run_blocks(network.refinement, joined, passes)
    predicted = passes.new_map(3, t * height, t * width)
    passes.apply(network.predict, joined, predicted)
    return predicted[0]


def _half_size(network: Tbsn, level1: Features, passes: Passes) -> Features:
    """The decoder's features at half the size."""
    _, dim, height, width = level1[0].shape
    level2 = passes.new_map(2 * dim, height // 2, width // 2)
    passes.apply(network.down1_2, level1, level2)
    _run_blocks(network.encoder_level2, level2, passes)
    decoded = _quarter_size(network, level2, passes)
    passes.apply(network.reduce_chan_level2, decoded + level2, level2)
    _run_blocks(network.decoder_level2, level2, passes)
    return level2


def _quarter_size(network: Tbsn, level2: Features, passes: Passes) -> Features:
    """The features at a quarter of the size, brought back to half."""
    _, channels, height, width = level2[0].shape
    level3 = passes.new_map(2 * channels, height // 2, width // 2)
    passes.apply(network.down2_3, level2, level3)
    _run_blocks(network.latent, level3, passes)
    decoded = passes.new_map(channels, height, width)
    passes.apply(network.up3_2, level3, decoded)
    return decoded


def _blocks(blocks: Iterable[nn.Module]) -> Iterator[Block]:
    return cast("Iterator[Block]", iter(blocks))


def _run_blocks(blocks: Iterable[nn.Module], features: Features, passes: Passes) -> None:
    for block in _blocks(blocks):
        _run_block(block, features, passes)


def _run_block(block: Block, features: Features, passes: Passes) -> None:
    attention = block.channel_attn
    sums = passes.total(
        lambda x: attention.project(block.norm1(x)), attention.sums, features, reach=attention.reach
    )
    mixing = attention.mixing_from(sums).float().to(attention.temperature.device)
    passes.apply(partial(block, mixing=mixing), features, features, reach=block.reach, work=work_of(block))
