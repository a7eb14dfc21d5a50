"""What work on a photo's pixels sees and leaves: colours under full transparency."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nsp_cli.batch.restored import Restored, restore_photo
from nsp_cli.photo import Photo


def random_photo(dtype: type, alpha: object) -> Photo:
    white, random = np.iinfo(dtype).max, np.random.default_rng(0)
    pixels = random.integers(0, white, (12, 16, 3), dtype=dtype, endpoint=True)
    return Photo(pixels, None if alpha is None else (np.asarray(alpha) * white).astype(dtype))


HALF = np.repeat([[0.0] * 8 + [1.0] * 8], 12, axis=0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_hidden_colours_are_not_looked_at_and_stay(dtype):
    photo = random_photo(dtype, HALF)

    def restore(pixels, *_):
        assert torch.equal(pixels[:, :, 8:], torch.from_numpy(photo.pixels[:, 8:].copy()).permute(2, 0, 1))
        mean = photo.pixels[:, 8:].mean((0, 1)).round()
        assert (pixels[:, :, :8].permute(1, 2, 0).numpy() == mean).all()
        return Restored(torch.zeros_like(pixels))

    result, _, is_changed = restore_photo(photo, restore)
    assert is_changed
    assert (result.pixels[:, :8] == photo.pixels[:, :8]).all()
    assert (result.pixels[:, 8:] == 0).all()


@pytest.mark.parametrize("alpha", [None, np.zeros((12, 16)), np.full((12, 16), 0.5)])
def test_other_photos_are_seen_as_they_are(alpha):
    photo, seen = random_photo(np.uint8, alpha), []
    result, _, is_changed = restore_photo(photo, lambda pixels, *_: seen.append(pixels) or Restored(pixels))
    assert (seen[0].permute(1, 2, 0).numpy() == photo.pixels).all()
    assert result is photo
    assert not is_changed


def test_a_photo_that_needs_nothing_stays_the_same_object_with_hidden_colours_too():
    photo = random_photo(np.uint8, HALF)
    result, _, is_changed = restore_photo(photo, lambda pixels, *_: Restored(pixels))
    assert result is photo
    assert not is_changed


def test_an_enlargement_fills_hidden_places():
    photo = random_photo(np.uint8, HALF)

    def enlarge(pixels, *_):
        return Restored(pixels.repeat_interleave(2, 1).repeat_interleave(2, 2))

    result, _, _ = restore_photo(photo, enlarge)
    assert result.pixels.shape == (24, 32, 3)
    assert len(np.unique(result.pixels[:, :16].reshape(-1, 3), axis=0)) == 1
