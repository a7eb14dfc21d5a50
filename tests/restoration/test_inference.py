"""Restoration: the reference numbers, tiled equals whole, and faults on the device."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from nsp_cli import load_weights
from nsp_cli.errors import DeviceError
from nsp_cli.networks import NetworkSpec
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.ops.pixels import pixels_to_tensor
from nsp_cli.photo import read_photo
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import Restorer
from nsp_cli.restoration.noise_mapping import map_noise
from nsp_cli.tiling.pixels import pad_bottom_right

DATA = Path(__file__).parents[1] / "data"
REFERENCE, SAMPLE = DATA / "reference", DATA / "sample_noisy.jpg"
CPU = torch.device("cpu")


def restorer(config: DbsnConfig, core: int | None = None, precision: torch.dtype = torch.float32) -> Restorer:
    torch.manual_seed(1)
    return Restorer(config.build(), config.spec(), Execution(CPU, precision, core))


@pytest.fixture(scope="module")
def reference() -> dict[str, Tensor]:
    return load_file(REFERENCE / "restore_t2.safetensors")


@pytest.fixture(scope="module")
def reference_restorer() -> Restorer:
    config = DbsnConfig(base_channels=16, num_modules=2)
    network = config.build()
    states = load_file(REFERENCE / "dbsn_t2.safetensors")
    weights = {
        name.removeprefix("state."): value for name, value in states.items() if name.startswith("state.")
    }
    network.load_state_dict({name: value for name, value in weights.items() if not name.endswith(".mask")})
    return Restorer(network, config.spec(), Execution(CPU, torch.float32))


def test_average_reproduces_the_reference(reference, reference_restorer):
    denoised = reference_restorer.denoise(reference["noisy"][0])
    torch.testing.assert_close(denoised, reference["denoised"][0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", ["pd", "direct"])
def test_upscaling_reproduces_the_reference(reference, reference_restorer, mode):
    enlarged = reference_restorer.upscale(reference["noisy"][0], mode=mode)
    torch.testing.assert_close(enlarged, reference[f"upscaled_{mode}"][0], atol=1e-5, rtol=0)


# The larger photos hold a core with its whole halo of 12 pixels on both sides, or more than one core of 64.
@pytest.mark.parametrize(
    ("core", "height", "width"),
    [
        *((core, *size) for core in (2, 7, 16, 64) for size in ((1, 1), (1, 40), (3, 2))),
        *((2, 29, 33), (7, 37, 53), (16, 37, 53), (16, 90, 64), (64, 37, 53), (64, 90, 64)),
    ],
)
def test_tiled_equals_untiled(tiny_config, core, height, width):
    noisy = torch.rand(3, height, width)
    whole, tiled = restorer(tiny_config, core=1000), restorer(tiny_config, core=core)
    torch.testing.assert_close(tiled.denoise(noisy), whole.denoise(noisy), atol=1e-6, rtol=0)
    for mode in ("pd", "direct"):
        expected = whole.upscale(noisy, mode=mode)
        torch.testing.assert_close(tiled.upscale(noisy, mode=mode), expected, atol=1e-6, rtol=0)


def test_default_core_restores_like_the_whole(tiny_config):
    noisy = torch.rand(3, 50, 41)
    expected = restorer(tiny_config, core=1000).denoise(noisy)
    torch.testing.assert_close(restorer(tiny_config).denoise(noisy), expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_integer_photos_come_back_in_their_own_type_rounded(tiny_config, dtype):
    white = torch.iinfo(dtype).max
    noisy = (torch.rand(20, 30, 3) * white).round().to(dtype).permute(2, 0, 1)
    exact = restorer(tiny_config).denoise(noisy.to(torch.float32) / white) * white
    restored = restorer(tiny_config).denoise(noisy)
    assert restored.dtype == dtype
    assert (restored.to(torch.float32) - exact.clamp(0, white)).abs().max() <= 0.51


def test_progress_ends_at_the_photos_pixels(tiny_config):
    seen = []
    restorer(tiny_config, core=16).denoise(torch.rand(3, 40, 33), on_progress=lambda *now: seen.append(now))
    assert len(seen) == 9
    assert seen[-1] == (40 * 33, 40 * 33)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def decibels_apart(answers: list[Tensor]) -> float:
    return float(-10 * torch.log10((answers[0] - answers[1]).square().mean()))


@pytest.mark.parametrize("mode", ["average", "pd", "direct"])
def test_bundled_weights_in_bfloat16_stay_within_50_db_of_float32(mode):
    noisy = pixels_to_tensor(read_photo(SAMPLE).pixels)[:, 60:220, 80:240].float() / 255
    answers = []
    for precision in ("float32", "bfloat16"):
        weights = load_weights("nsp-light", device="cpu", precision=precision)
        answers.append(weights.denoise(noisy) if mode == "average" else weights.upscale(noisy, mode=mode))
    assert decibels_apart(answers) > 50


@pytest.mark.parametrize("model", ["nsp-fast", "nsp-fast-x2"])
def test_bundled_students_in_bfloat16_stay_within_50_db_of_float32(model):
    noisy = pixels_to_tensor(read_photo(SAMPLE).pixels)[:, 60:220, 80:240].float() / 255
    noise = map_noise(noisy)
    students = [load_weights(model, device="cpu", precision=name) for name in ("float32", "bfloat16")]
    assert decibels_apart([student.upscale(noisy, noise=noise) for student in students]) > 50


class Failing(nn.Module):
    """A network that runs out of memory on inputs above a size, or answers with NaN in reduced precision."""

    def __init__(self, *, most_pixels: int | None = None, bad: str = "") -> None:
        super().__init__()
        self.most_pixels, self.bad, self.calls = most_pixels, bad, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.most_pixels is not None and x[0, 0].numel() > self.most_pixels:
            raise torch.OutOfMemoryError("simulated")
        answer = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        reduced = torch.is_autocast_enabled("cpu")
        return answer * torch.nan if self.bad == "always" or (self.bad == "reduced" and reduced) else answer


SPEC = NetworkSpec(scale=2, input_multiple=1, radius=0, exact_tiling=True, values_per_pixel=3)


def test_out_of_memory_halves_the_tiles_and_loses_nothing():
    noisy = torch.rand(3, 64, 50)
    whole = Restorer(Failing(), SPEC, Execution(CPU, torch.float32, 1000)).denoise(noisy)
    halved = Restorer(Failing(most_pixels=100), SPEC, Execution(CPU, torch.float32, 1000)).denoise(noisy)
    assert torch.equal(halved, whole)


def test_out_of_memory_at_the_smallest_tile_is_an_error():
    with pytest.raises(DeviceError, match="smallest tile"):
        Restorer(Failing(most_pixels=0), SPEC, Execution(CPU, torch.float32)).denoise(torch.rand(3, 9, 9))


def test_a_tile_that_is_not_finite_is_done_again_in_float32():
    network = Failing(bad="reduced")
    noisy = torch.rand(3, 8, 8)
    restored = Restorer(network, SPEC, Execution(CPU, torch.bfloat16)).denoise(noisy, mode="direct")
    assert restored.isfinite().all()
    assert network.calls == 2


def test_a_result_that_stays_not_finite_is_an_error():
    with pytest.raises(DeviceError, match="not finite"):
        Restorer(Failing(bad="always"), SPEC, Execution(CPU, torch.bfloat16)).denoise(torch.rand(3, 8, 8))


def test_unknown_mode_is_refused(tiny_config):
    with pytest.raises(ValueError, match="unknown mode"):
        restorer(tiny_config).upscale(torch.rand(3, 4, 4), mode="bicubic")  # type: ignore[arg-type]


def test_padding_reflects_to_and_fro_and_replicates_a_single_row():
    row = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3)
    padded = pad_bottom_right(row, 2, 8)
    assert padded[0, 0].tolist() == [[1, 2, 3, 2, 1, 2, 3, 2]] * 2
