"""Augmentation of pictures before they get noise."""

from __future__ import annotations

import pytest
import torch

from nsp_cli.training.seeded_random import generator_for
from nsp_cli.training.simulation.augmentation import Augmentation, augment, draw_augmentation, draw_tone
from tests.scenes import scene


def augmented(picture: torch.Tensor, augmentation: Augmentation) -> torch.Tensor:
    """Result of `augment` for one picture (3, H, W)."""
    return augment(picture[None], [augmentation], generator_for)[0]


@pytest.fixture
def picture() -> torch.Tensor:
    return 0.25 + 0.5 * scene(60, 70)


def test_the_default_changes_nothing(picture):
    assert torch.equal(augmented(picture, Augmentation()), picture)


def test_gains_scale_each_colour(picture):
    darker = augmented(picture, Augmentation(gains=(0.5, 0.8, 1.0)))
    torch.testing.assert_close(darker, picture * torch.tensor([0.5, 0.8, 1.0])[:, None, None])


def test_results_stay_in_range(picture):
    changed = augmented(picture, Augmentation(gains=(1.5, 1.5, 0.1), blur=1.0))
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_blur_removes_detail_and_keeps_the_mean(picture):
    blurred = augmented(picture, Augmentation(blur=1.0))
    assert blurred.diff().square().mean() < 0.7 * picture.diff().square().mean()
    torch.testing.assert_close(blurred.mean((1, 2)), picture.mean((1, 2)), rtol=0.01, atol=0)


def test_a_tone_gives_all_pixels_one_hue(picture):
    red, green, blue = augmented(picture, Augmentation(tone=(1.0, 0.9, 0.6)))
    torch.testing.assert_close(green, 0.9 * red)
    torch.testing.assert_close(blue, 0.6 * red)
    assert red.std() > 0.02


def test_an_exposure_leaves_linear_light(picture):
    dark = augmented(picture, Augmentation(exposure=0.1))
    assert dark.max() <= 0.1
    # Twice the value is more than twice the light.
    assert dark[1].max() / dark[1].min() > 1.5 * picture[1].max() / picture[1].min()


def test_most_pictures_keep_their_colours():
    tones = [draw_tone(generator_for(number)) for number in range(400)]
    assert 0.05 < sum(tone is not None for tone in tones) / 400 < 0.16
    assert {tone for tone in tones if tone} > {(1.0, 1.0, 1.0)}


def test_each_picture_gets_its_own_augmentation(picture):
    augmentations = [Augmentation(blur=1.0), Augmentation(), Augmentation(blur=0.4)]
    together = augment(picture.repeat(3, 1, 1, 1), augmentations, generator_for)
    for one, augmentation in zip(together, augmentations, strict=True):
        torch.testing.assert_close(one, augmented(picture, augmentation))


def test_draws_differ_and_depend_only_on_their_generator():
    drawn = [draw_augmentation(generator_for(number)) for number in range(200)]
    assert drawn[7] == draw_augmentation(generator_for(7))
    for is_changed in (
        lambda augmentation: augmentation.blur > 0,
        lambda augmentation: augmentation.texture is not None,
        lambda augmentation: augmentation.gains != (1.0, 1.0, 1.0),
    ):
        assert 0.1 < sum(map(is_changed, drawn)) / len(drawn) < 0.8
