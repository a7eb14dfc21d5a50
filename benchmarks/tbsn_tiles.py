"""Measures TBSN in tiles: arithmetic for 24 MP, and how far plain tiles, repeated, are from one whole pass.

    python benchmarks/tbsn_tiles.py [--blocks PER_LEVEL] [--rounds N] [--temperature FACTOR]

"Repeated" is the cheap way: each round of plain tiles adds up the channel attention's sums, and the next
round uses those of the whole picture. Only the first layer's sums are then right after one round, the
second layer's after two. The network is small and has random weights, because no trained one is
available. They are scaled so that blocks count as much as what they are added to.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor

from nsp_cli.networks.tbsn import Tbsn, TbsnConfig
from nsp_cli.networks.tbsn.attention import ChannelAttention
from nsp_cli.networks.tbsn.by_layers import blocks_by_reduction, work_of, work_per_position
from nsp_cli.restoration.layered_tbsn import LayeredTbsn
from nsp_cli.tiling.grid import Span, Tile, TileGrid

PHOTO, CORES = (4000, 6000), (64, 128, 256, 512, 1024)
SIDE, CORE = 192, 32


def area_read(height: int, width: int, *, reach: int, step: int, core: int) -> int:
    """Positions that all tiles read together."""
    tiles = TileGrid(height, width, reach, step).plan(core)
    sides = [[one.read_stop - one.read_start for one in (tile.rows, tile.columns)] for tile in tiles]
    return sum(height * width for height, width in sides)


def show_arithmetic(stride: int) -> None:
    """Prints what the blocks compute layer by layer and in plain tiles, over one whole pass."""
    with torch.device("meta"):
        network = TbsnConfig().build()
    height, width = (-(-side // (32 * stride)) * 32 for side in PHOTO)
    whole = work_per_position(network) * height * width
    for core in CORES:
        layered = 0
        for reduction, block in blocks_by_reduction(network):
            sides, channels = (height // reduction, width // reduction), block.norm1.body.weight.numel()
            layered += work_of(block) * area_read(*sides, reach=block.reach, step=8, core=core)
            layered += channels * (4 * channels + 27) * area_read(*sides, reach=2, step=8, core=core)
        plain = area_read(height, width, reach=64, step=32, core=core) / (height * width)
        print(f"  core {core}: layer by layer {layered / whole:.2f}, plain tiles {plain:.2f}")


def random_network(blocks: int, temperature: float) -> Tbsn:
    """A small network whose attention matters."""
    torch.manual_seed(0)
    network = TbsnConfig(
        dim=8, num_blocks=(blocks,) * 3, num_refinement_blocks=blocks, spatial_head_size=2
    ).build()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.mul_(3**0.5)
            if isinstance(module, ChannelAttention):
                module.temperature.fill_(temperature)
        network.patch_embed.proj.weight.div_(50)
        last = network.output[-1]
        assert isinstance(last, torch.nn.Conv2d)
        last.weight.mul_(100)
    return network.eval()


class RepeatedTiles:
    """Runs plain tiles with the sums of the round before."""

    def __init__(self, network: Tbsn) -> None:
        self._network = network
        self._before: dict[ChannelAttention, Tensor] = {}
        self._now: dict[ChannelAttention, Tensor] = {}
        self._tile: Tile | None = None

    def run(self, picture: Tensor) -> Tensor:
        """One round."""
        result = picture.new_empty(1, 3, 2 * SIDE, 2 * SIDE)
        forward, ChannelAttention.forward = ChannelAttention.forward, self._attend()  # type: ignore[method-assign]
        for tile in TileGrid(SIDE, SIDE, 63, 32).plan(CORE):
            self._tile, (rows, columns) = tile, (tile.rows, tile.columns)
            part = picture[:, :, rows.read_start : rows.read_stop, columns.read_start : columns.read_stop]
            core = self._network(part)[:, :, rows.core_in_read(2), columns.core_in_read(2)]
            result[:, :, 2 * rows.start : 2 * rows.stop, 2 * columns.start : 2 * columns.stop] = core
        ChannelAttention.forward = forward  # type: ignore[method-assign]
        self._before, self._now = self._now, {}
        return result

    def _attend(self) -> Callable[..., Tensor]:
        def forward(layer: ChannelAttention, x: Tensor, **_: object) -> Tensor:
            projected = layer.project(x)
            assert self._tile is not None
            rows, columns = self._tile.rows, self._tile.columns
            core = projected[:, :, _inside(rows, x.shape[2]), _inside(columns, x.shape[3])]
            self._now[layer] = self._now.get(layer, 0) + layer.sums(core).double()
            before = self._before.get(layer)
            return attend(layer, x, None if before is None else layer.mixing_from(before).float())

        attend = ChannelAttention.forward
        return forward


def _inside(span: Span, size: int) -> slice:
    read = span.read_stop - span.read_start
    return slice((span.start - span.read_start) * size // read, (span.stop - span.read_start) * size // read)


def show_errors(network: Tbsn, rounds: int) -> None:
    """Prints differences from one whole pass, relative to its standard deviation."""
    noise = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
    picture = noise * torch.linspace(0.2, 1, SIDE)
    with torch.inference_mode():
        whole = network(picture)
        layered = LayeredTbsn(
            network,
            torch.device("cpu"),
            torch.float32,
            core=CORE,
            on_progress=None,
            photo_pixels=SIDE**2,
            positions=SIDE**2,
        )
        show("layer by layer", layered(picture), whole)
        show("one whole pass in float64", network.double()(picture.double()).float(), whole)
        repeated = RepeatedTiles(network.float())
        for count in range(1, rounds + 1):
            show(f"plain tiles, round {count}", repeated.run(picture), whole)


def show(name: str, result: Tensor, whole: Tensor) -> None:
    """Prints one difference."""
    difference = result - whole
    rms = float(difference.square().mean().sqrt() / whole.std())
    print(
        f"  {name}: at most {float(difference.abs().max()):.1e}, rms {rms:.1e} of the deviation", flush=True
    )


def main() -> None:
    """Prints both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--temperature", type=float, default=1)
    arguments = parser.parse_args()
    for mode, stride in (("pd", 2), ("direct", 1)):
        print(f"{mode}, 24 MP: multiplications over those of one whole pass, cores in the network's pixels")
        show_arithmetic(stride)
    print(f"{SIDE}×{SIDE} pixels, cores of {CORE}, {6 * arguments.blocks} blocks:")
    show_errors(random_network(arguments.blocks, arguments.temperature), arguments.rounds)


if __name__ == "__main__":
    main()
