"""What a Bayer sensor saw is denoised in the light of the sensor, and a share of the noise can stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from nsp_cli.networks.bayer import BayerConfig
from nsp_cli.ops.bayer import bayer_masks, demosaic_bilinear
from nsp_cli.photo import Mosaic, SensorColours
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import Restorer
from nsp_cli.restoration.mosaic_denoising import denoise_mosaic
from nsp_cli.restoration.strength import Strength

GAINS = np.array([2.0, 1.0, 1.5], np.float32)
COLOURS = SensorColours(GAINS, np.eye(3, dtype=np.float32), GAINS)
PHASES = [(0, 0), (0, 1), (1, 0), (1, 1)]
SLOPE, WHITE = 1e-3, 15000


@pytest.fixture(scope="module")
def untrained() -> Restorer:
    """A RAW network that only fills in colours: it removes nothing before it is trained."""
    config = BayerConfig(widths=(8, 8, 8), encoder=(1, 1, 1), decoder=(1, 1))
    return Restorer(config.build(), config.spec(), Execution(torch.device("cpu"), torch.float32))


def noisy_mosaic(phase: tuple[int, int], flip: int = 0, height: int = 600, width: int = 402) -> Mosaic:
    """A grey ramp in balanced light, with the noise of a sensor."""
    random = np.random.default_rng(0)
    light = np.linspace(0.05, 0.9, width) * np.ones((height, 1))
    rows, columns = np.mgrid[:height, :width]
    colour = (rows % 2 != phase[0]).astype(int) + (columns % 2 != phase[1])
    seen = light / GAINS[colour]
    seen += random.normal(size=seen.shape) * np.sqrt(SLOPE * seen)
    samples = np.rint(512 + WHITE * seen).clip(0, 16383).astype(np.uint16)
    return Mosaic(samples, phase, np.full(4, 512, np.float32), WHITE, COLOURS, flip)


def at_sites(picture: np.ndarray, phase: tuple[int, int]) -> np.ndarray:
    """Values of a picture (H, W, 3) where the sensor saw the colour."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    colour = (rows % 2 != phase[0]).astype(int) + (columns % 2 != phase[1])
    return np.take_along_axis(picture, colour[..., None], 2)[..., 0]


@pytest.mark.parametrize("phase", PHASES)
def test_colours_are_right_for_every_phase(untrained, phase):
    made = denoise_mosaic(untrained, noisy_mosaic(phase))
    balanced = made.picture.pixels[8:-8, 8:-8] / 65535 * GAINS
    grey = np.linspace(0.05, 0.9, 402)[8:-8]
    # Demosaicing under a root makes dark noisy places a little darker.
    np.testing.assert_allclose(balanced.mean(0), np.repeat(grey[:, None], 3, 1), atol=0.02)


@pytest.mark.parametrize("flip", [0, 3, 5, 6])
def test_the_picture_is_upright(untrained, flip):
    as_seen = denoise_mosaic(untrained, noisy_mosaic((0, 0))).picture.pixels
    turned = denoise_mosaic(untrained, noisy_mosaic((0, 0), flip=flip)).picture.pixels
    expected = {0: as_seen, 3: np.rot90(as_seen, 2), 5: np.rot90(as_seen), 6: np.rot90(as_seen, -1)}
    assert (turned == expected[flip]).all()


def smoothed(self: Restorer, mosaic: torch.Tensor, noise: torch.Tensor, **_: object) -> torch.Tensor:
    """A network that answers grey."""
    return torch.full((3, *mosaic.shape), 0.25)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kept", [0.0, 0.4, 1.0])
def test_a_strength_below_one_keeps_a_share_of_what_was_removed(untrained, monkeypatch, phase, kept):
    monkeypatch.setattr(Restorer, "demosaic", smoothed)
    mosaic = noisy_mosaic(phase)  # more than one strip
    made = denoise_mosaic(untrained, mosaic, strength=Strength(1 - kept, 1 - kept))
    clean = 0.25 / at_sites(np.broadcast_to(GAINS, (*mosaic.samples.shape, 3)), phase)
    expected = (clean + kept * (mosaic.light() - clean)).clip(0, 1)
    np.testing.assert_allclose(at_sites(made.picture.pixels / 65535, phase), expected, atol=2e-5)


def test_luma_and_colours_have_a_strength_of_their_own(untrained, monkeypatch):
    monkeypatch.setattr(Restorer, "demosaic", smoothed)
    grey = denoise_mosaic(untrained, noisy_mosaic((0, 0)), strength=Strength(0.0, 1.0))
    balanced = grey.picture.pixels / 65535 * GAINS
    assert np.ptp(balanced, axis=2).max() < 1e-3  # all that stays is grey
    assert balanced.std() > 0.1


def test_the_network_is_told_the_noise_that_was_measured(untrained, monkeypatch):
    told = []

    def listen(self: Restorer, mosaic: torch.Tensor, noise: torch.Tensor, **_: object) -> torch.Tensor:
        told.append(noise)
        return smoothed(self, mosaic, noise)

    monkeypatch.setattr(Restorer, "demosaic", listen)
    for strength in (0.5, 1.0, 2.0):
        made = denoise_mosaic(untrained, noisy_mosaic((0, 0)), strength=Strength(strength, strength))
    slopes = torch.tensor([2.0, 1.0, 1.0, 1.5]) * SLOPE
    torch.testing.assert_close(told[0][0], slopes, rtol=0.2, atol=0)
    torch.testing.assert_close(told[1], told[0])
    torch.testing.assert_close(told[2], 4 * told[0])
    assert made.describe().startswith("noise of the sensor ")


def test_banding_is_told(untrained):
    mosaic = noisy_mosaic((0, 0))
    assert "banding" not in denoise_mosaic(untrained, mosaic).describe()
    offsets = 40 * np.random.default_rng(3).normal(size=(600, 1))
    banded = replace(mosaic, samples=(mosaic.samples + np.rint(offsets)).clip(0, 16383).astype(np.uint16))
    assert denoise_mosaic(untrained, banded).describe().endswith("; banding of the sensor stays")


def test_noise_of_a_grey_card_is_told_in_levels(untrained):
    made = denoise_mosaic(untrained, noisy_mosaic((0, 0)))
    # Variance of a colour with gain g at the card: slope · 0.18 · g; the slope of sRGB there is 1.195.
    expected = 255 * 1.195 * np.sqrt(SLOPE * 0.18 * GAINS.mean())
    assert made.level == pytest.approx(expected, rel=0.12)


def test_a_mosaic_without_noise_or_flat_places_is_no_obstacle(untrained):
    random = np.random.default_rng(1)
    busy = Mosaic(
        random.integers(0, 16383, (64, 64), dtype=np.uint16), (0, 0), np.zeros(4, np.float32), 16383, COLOURS
    )
    still = Mosaic(np.full((64, 64), 3000, np.uint16), (0, 0), np.zeros(4, np.float32), 16383, COLOURS)
    for mosaic in (busy, still):
        made = denoise_mosaic(untrained, mosaic)
        assert made.picture.pixels.shape == (64, 64, 3)
        assert np.isfinite(made.level)


@pytest.mark.parametrize("phase", PHASES)
def test_noise_that_stays_is_filled_in_alike_everywhere(untrained, monkeypatch, phase):
    monkeypatch.setattr(Restorer, "demosaic", smoothed)
    mosaic = noisy_mosaic(phase)
    made = denoise_mosaic(untrained, mosaic, strength=Strength(0.5, 0.5))
    masks = bayer_masks(*mosaic.samples.shape, [phase], torch.device("cpu"))[0]
    light = torch.from_numpy(mosaic.light()) * (masks * torch.from_numpy(GAINS)[:, None, None]).sum(0)
    expected = 0.25 + 0.5 * demosaic_bilinear((light - 0.25) * masks)
    balanced = torch.from_numpy(made.picture.pixels / 65535 * GAINS).movedim(-1, 0)
    is_clipped = (expected / torch.from_numpy(GAINS)[:, None, None] > 1) | (expected < 0)
    assert (balanced - expected).abs()[~is_clipped].max() < 1e-4


@pytest.mark.parametrize("phase", PHASES)
def test_what_the_sensor_clipped_stays_clipped(untrained, monkeypatch, phase):
    def uneven(self: Restorer, mosaic: torch.Tensor, noise: torch.Tensor, **_: object) -> torch.Tensor:
        random = torch.rand(3, *mosaic.shape, generator=torch.Generator().manual_seed(0))
        return torch.from_numpy(GAINS)[:, None, None] * (0.8 + 0.19 * random)

    monkeypatch.setattr(Restorer, "demosaic", uneven)
    mosaic = noisy_mosaic(phase)
    mosaic.samples[200:400, 100:300] = 512 + WHITE
    made = denoise_mosaic(untrained, mosaic).picture.pixels
    assert (made[202:398, 102:298] == 65535).all()
    assert made[:190].min() < 60000
    assert made[:, :90].max() < 65535
