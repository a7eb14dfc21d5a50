"""Streaming rows through a U-Net: the result of one whole pass, whatever the sizes, without a halo."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from nsp_cli.errors import DeviceError
from nsp_cli.networks import NetworkConfig
from nsp_cli.networks.bayer import BayerConfig
from nsp_cli.networks.unet import UnetConfig
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.resources import side_by_side
from nsp_cli.restoration import row_streaming
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import Restorer
from nsp_cli.tiling.pixels import pad_bottom_right

CPU = torch.device("cpu")
# Blocks on each level, and unequal, so that each has a delay of its own.
SMALL = {"widths": (4, 6, 8), "encoder": (1, 2, 2), "decoder": (2, 1)}
SIZES = [(1, 1), (3, 50), (8, 8), (97, 24), (136, 17), (203, 40), (331, 16)]


def restorer(
    config: NetworkConfig, core: int | None = None, precision: torch.dtype = torch.float32
) -> Restorer:
    """Returns weights that do something everywhere, and keep values between −3 and 3."""
    torch.manual_seed(0)
    network = config.build()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=(1 / layer.weight[0].numel()) ** 0.5)
    return Restorer(network, config.spec(), Execution(CPU, precision, core))


@pytest.fixture(params=[1, 30_000], ids=["eight rows", "more rows"])
def _strips(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_streaming, "_STRIP_BYTES", request.param)


def photo_of(height: int, width: int, channels: int = 3) -> Tensor:
    return torch.rand(channels, height, width, generator=torch.Generator().manual_seed(height))


def noise_of(photo: Tensor) -> NoiseMap:
    cells = [-(-side // 8) for side in photo.shape[1:]]
    return NoiseMap(0.1 * torch.rand(6, *cells, generator=torch.Generator().manual_seed(1)))


def padded(photo: Tensor) -> Tensor:
    height, width = (-(-side // 8) * 8 for side in photo.shape[1:])
    return pad_bottom_right(photo[None], height, width)


@pytest.mark.usefixtures("_strips")
@pytest.mark.parametrize("size", SIZES)
def test_denoising_equals_one_whole_pass(size):
    used, photo = restorer(UnetConfig(**SMALL)), photo_of(*size)
    noise = noise_of(photo)
    with torch.no_grad():
        whole = used.network(padded(photo), noise.bands[None])[0, :, : size[0], : size[1]]
    torch.testing.assert_close(used.denoise(photo, mode="direct", noise=noise), whole, atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("_strips")
@pytest.mark.parametrize("size", SIZES)
def test_enlarging_equals_one_whole_pass(size):
    used, photo = restorer(UnetConfig(**SMALL, scale=2)), photo_of(*size)
    noise = noise_of(photo)
    with torch.no_grad():
        whole = used.network(padded(photo), noise.bands[None])[0, :, : 2 * size[0], : 2 * size[1]]
    torch.testing.assert_close(used.upscale(photo, noise=noise), whole, atol=1e-5, rtol=1e-5)
    halved = nn.functional.avg_pool2d(whole, 2)
    torch.testing.assert_close(used.denoise(photo, mode="direct", noise=noise), halved, atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("_strips")
@pytest.mark.parametrize("size", [(8, 8), (97, 24), (331, 16)])
@pytest.mark.parametrize("phase", [(0, 0), (1, 0), (1, 1)])
def test_a_mosaic_equals_one_whole_pass(size, phase):
    used, mosaic = restorer(BayerConfig(**SMALL)), photo_of(*size, channels=1)[0]
    told = torch.full((2, 4), 0.01)
    shifted = nn.functional.pad(mosaic[None, None], (phase[1], 0, phase[0], 0), mode="reflect")
    with torch.no_grad():
        whole = used.network(padded(shifted[0]), told[None])[0, :, phase[0] : phase[0] + size[0]]
    whole = whole[..., phase[1] : phase[1] + size[1]]
    torch.testing.assert_close(used.demosaic(mosaic, told, phase=phase), whole, atol=1e-5, rtol=1e-5)


@pytest.fixture
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_two_threads")
@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("height", [1160, 1203])
def test_two_halves_side_by_side_equal_one_whole_pass(monkeypatch, scale, height):
    monkeypatch.setattr(row_streaming, "_STRIP_BYTES", 10_000)
    used, photo = restorer(UnetConfig(**SMALL, scale=scale)), photo_of(height, 17)
    noise, halves = noise_of(photo), []
    monkeypatch.setattr(
        row_streaming, "side_by_side", lambda parts: halves.append(len(parts)) or side_by_side(parts)
    )
    with torch.no_grad():
        whole = used.network(padded(photo), noise.bands[None])[0, :, : scale * height, : scale * 17]
    torch.testing.assert_close(used.upscale(photo, noise=noise), whole, atol=1e-5, rtol=1e-5)
    assert halves == [2]


@pytest.mark.usefixtures("_two_threads")
def test_halves_of_a_mosaic_equal_one_whole_pass():
    used, mosaic = restorer(BayerConfig(**SMALL)), photo_of(1202, 16, channels=1)[0]
    told = torch.full((2, 4), 0.01)
    with torch.no_grad():
        whole = used.network(padded(mosaic[None]), told[None])[0, :, :1202]
    torch.testing.assert_close(used.demosaic(mosaic, told), whole, atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("_two_threads")
def test_halves_show_their_progress_together():
    used, photo, heard = restorer(UnetConfig(**SMALL)), photo_of(1200, 16), []
    used.denoise(
        photo, mode="direct", noise=noise_of(photo), on_progress=lambda *numbers: heard.append(numbers)
    )
    assert heard[-1] == (19200, 19200)
    assert heard == sorted(heard)


@pytest.mark.usefixtures("_two_threads")
def test_where_one_half_is_not_finite_both_are_repeated_in_float32():
    used, photo = restorer(UnetConfig(**SMALL), precision=torch.float16), photo_of(1200, 16)
    exact = restorer(UnetConfig(**SMALL))
    photo[:, 1100:] *= 1e5
    results = [one.denoise(photo, mode="direct", noise=noise_of(photo)) for one in (used, exact)]
    assert torch.equal(*results)


def test_each_row_is_computed_once(monkeypatch):
    monkeypatch.setattr(row_streaming, "_STRIP_BYTES", 1)
    rows = sum(answered for _, answered in convolved(restorer(UnetConfig(**SMALL)), photo_of(400, 16)))
    # Three levels have 200, 100 and 50 rows; two convolutions a block, and head and tail.
    assert rows == (2 + 2 * (1 + 2)) * 200 + 2 * (2 + 1) * 100 + 2 * 2 * 50


def test_what_layers_hold_does_not_grow_with_the_height(monkeypatch):
    monkeypatch.setattr(row_streaming, "_STRIP_BYTES", 1)
    used = restorer(UnetConfig(**SMALL))
    low, high = (max(size for size, _ in convolved(used, photo_of(height, 16))) for height in (320, 960))
    assert low == high


def convolved(used: Restorer, photo: Tensor) -> list[tuple[int, int]]:
    """Numbers that each 3×3 convolution reads, and rows that it answers, while a photo is denoised."""
    seen, convolve = [], nn.functional.conv2d

    def noted(x: Tensor, weight: Tensor, *rest: object, **more: object) -> Tensor:
        answer = convolve(x, weight, *rest, **more)
        if weight.shape[2] == 3:
            seen.append((x.numel(), answer.shape[2]))
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.functional, "conv2d", noted)
        used.denoise(photo, mode="direct", noise=noise_of(photo))
    return seen


def test_progress_comes_with_the_strips(monkeypatch):
    monkeypatch.setattr(row_streaming, "_STRIP_BYTES", 1)
    used, photo, heard = restorer(UnetConfig(**SMALL)), photo_of(300, 20), []
    used.denoise(
        photo, mode="direct", noise=noise_of(photo), on_progress=lambda *numbers: heard.append(numbers)
    )
    assert heard[-1] == (6000, 6000)
    assert heard == sorted(set(heard))
    assert len(heard) > 20


def test_what_is_not_finite_is_repeated_in_float32():
    used, photo = restorer(UnetConfig(**SMALL), precision=torch.float16), photo_of(64, 64)
    with torch.no_grad():
        used.network.head.weight.mul_(1e7)
        used.network.tail.weight.mul_(1e-7)
    exact = restorer(UnetConfig(**SMALL))
    exact.network.load_state_dict(used.network.state_dict())
    results = [one.denoise(photo, mode="direct", noise=noise_of(photo)) for one in (used, exact)]
    assert results[0].isfinite().all()
    assert torch.equal(*results)


def test_what_is_not_finite_in_float32_is_an_error():
    used, photo = restorer(UnetConfig(**SMALL)), photo_of(64, 64)
    with torch.no_grad():
        used.network.tail.bias.fill_(float("nan"))
    with pytest.raises(DeviceError, match="not finite"):
        used.denoise(photo, mode="direct", noise=noise_of(photo))


def test_tiles_are_used_if_their_side_is_chosen():
    photo = photo_of(300, 300)
    noise = noise_of(photo)
    streamed, tiled = (
        restorer(UnetConfig(**SMALL), core=core).denoise(photo, mode="direct", noise=noise)
        for core in (None, 64)
    )
    torch.testing.assert_close(streamed, tiled, atol=1e-5, rtol=1e-5)
