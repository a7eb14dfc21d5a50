"""Bayer mosaics: folding changes nothing, and what is known stays."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from nsp_cli.ops.bayer import SITES, bayer_masks, demosaic_bilinear, demosaic_folded, folded_kernel

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [(2, 2), (6, 10), (32, 16)])
def test_folded_demosaicing_is_demosaicing(size):
    mosaic = torch.rand(2, 1, *size)
    plain = demosaic_bilinear(mosaic * bayer_masks(*size, [(0, 0)], CPU))
    folded = demosaic_folded(functional.pixel_unshuffle(mosaic, 2), folded_kernel())
    torch.testing.assert_close(functional.pixel_shuffle(folded, 2), plain)


def test_sites_are_the_colours_that_the_masks_say():
    masks = bayer_masks(2, 2, [(0, 0)], CPU)[0]
    assert masks.argmax(0).flatten().tolist() == list(SITES)


def test_demosaicing_keeps_what_the_sensor_saw():
    picture, masks = torch.rand(1, 3, 12, 8), bayer_masks(12, 8, [(1, 0)], CPU)
    torch.testing.assert_close(demosaic_bilinear(picture * masks) * masks, picture * masks)
