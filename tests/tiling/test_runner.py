"""The order in which tiles begin and end, and what becomes of those that fail."""

from __future__ import annotations

import pytest
import torch

from nsp_cli.errors import DeviceError
from nsp_cli.tiling.grid import TileGrid
from nsp_cli.tiling.runner import run_tiles

GRID = TileGrid(64, 64, halo=4, step=8)
BFLOAT16, FLOAT32 = torch.bfloat16, torch.float32


class Recorder:
    """Starts tiles that behave as given, and records them."""

    def __init__(self, *, overflows=lambda _: False, fits=lambda _: True) -> None:
        self.events, self._overflows, self._fits = [], overflows, fits

    def begin(self, tile, precision):
        if not self._fits(tile):
            raise torch.OutOfMemoryError("simulated")
        self.events.append(("begin", tile, precision))

        def finish() -> bool:
            self.events.append(("finish", tile, precision))
            return precision == FLOAT32 or not self._overflows(tile)

        return finish

    def run(self, device: str, core: int, precision=BFLOAT16):
        done = []
        run_tiles(
            GRID,
            GRID.plan(core),
            self.begin,
            device=torch.device(device),
            precision=precision,
            on_done=done.append,
        )
        return done

    def named(self, kind: str):
        return [tile for name, tile, _ in self.events if name == kind]


def pixels(tiles) -> int:
    return sum(tile.core_pixels for tile in tiles)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_tile_is_finished_once_in_order(device):
    recorder = Recorder()
    assert recorder.run(device, 32) == recorder.named("begin") == recorder.named("finish") == GRID.plan(32)


def test_a_gpu_has_the_next_tile_before_one_is_written_and_a_cpu_has_not():
    for device, expected in (
        ("cpu", "begin finish begin finish begin finish begin finish"),
        ("cuda", "begin begin finish begin finish begin finish finish"),
    ):
        recorder = Recorder()
        recorder.run(device, 32)
        assert " ".join(name for name, _, _ in recorder.events) == expected


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_tile_that_is_not_finite_is_done_again_in_float32(device):
    second = GRID.plan(32)[1]
    recorder = Recorder(overflows=lambda tile: tile == second)
    done = recorder.run(device, 32)
    assert sorted(done, key=repr) == sorted(GRID.plan(32), key=repr)
    assert [tile for name, tile, precision in recorder.events if precision == FLOAT32] == [second] * 2


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_does_not_fit_is_split_and_nothing_is_done_twice(device):
    recorder = Recorder(fits=lambda tile: tile.core_pixels <= 16**2)
    done = recorder.run(device, 64)
    assert pixels(done) == 64**2
    assert len(set(done)) == len(done) == 16


def test_what_stays_wrong_ends_the_run():
    with pytest.raises(DeviceError, match="smallest tile"):
        Recorder(fits=lambda _: False).run("cpu", 64)

    def not_finite(*_):
        return lambda: False

    with pytest.raises(DeviceError, match="not finite"):
        run_tiles(
            GRID,
            GRID.plan(64),
            not_finite,
            device=torch.device("cpu"),
            precision=BFLOAT16,
            on_done=lambda _: None,
        )
