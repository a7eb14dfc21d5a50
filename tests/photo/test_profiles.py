"""The colour profiles that nsp brings along say what they should, by another program's reading."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from nsp_cli.photo.colour import display_p3_profile, srgb_profile

D50, D65 = np.array([0.9642, 1, 0.8249]), (0.3127, 0.3290)  # the first as ICC profiles state it
BRADFORD = np.array([(0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)])
PROFILES = {
    "sRGB built-in": (srgb_profile, ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))),
    "Display P3": (display_p3_profile, ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))),
}
SHA256 = {
    "sRGB built-in": "f05e871ae8d9f56127c6d4c5af6e77b7a2980e1fce8c2155188a813b71e323df",
    "Display P3": "18832affb3f4e512b2a9ddad04a9577ac0a7415d770a8542ea4d4f935129a591",
}


def xyz(chromaticity: tuple[float, float]) -> Any:
    x, y = chromaticity
    return np.array([x / y, 1, (1 - x - y) / y])


def colorants(primaries: tuple[tuple[float, float], ...]) -> Any:
    """Red, green and blue as XYZ under D50, from their chromaticities under D65 (ICC.1:2010, annex E)."""
    columns = np.stack([xyz(primary) for primary in primaries], axis=1)
    scaled = columns * np.linalg.solve(columns, xyz(D65))
    gains = np.diag((BRADFORD @ D50) / (BRADFORD @ xyz(D65)))
    return np.linalg.inv(BRADFORD) @ gains @ BRADFORD @ scaled


@pytest.mark.parametrize("name", PROFILES)
def test_primaries_and_white(name: str) -> None:
    make, primaries = PROFILES[name]
    profile = ImageCms.ImageCmsProfile(io.BytesIO(make())).profile
    assert profile.profile_description.strip() == name
    assert profile.copyright == "No copyright, use freely"
    assert (profile.xcolor_space.strip(), profile.connection_space.strip()) == ("RGB", "XYZ")
    np.testing.assert_allclose(profile.media_white_point[0], D50, atol=1e-4)
    found = np.array([profile.red_primary[0], profile.green_primary[0], profile.blue_primary[0]]).T
    np.testing.assert_allclose(found, colorants(primaries), atol=3e-4)
    np.testing.assert_allclose(found.sum(axis=1), D50, atol=2e-4)
    stated = [tuple(primary[:2]) for primary in profile.chromaticity]
    np.testing.assert_allclose(stated, primaries, atol=1e-5)


def test_both_have_the_same_curve_and_white() -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    srgb, p3 = (ImageCms.ImageCmsProfile(io.BytesIO(make())) for make in (srgb_profile, display_p3_profile))
    converted = ImageCms.profileToProfile(
        Image.fromarray(greys), p3, srgb, ImageCms.Intent.RELATIVE_COLORIMETRIC
    )
    assert np.abs(np.asarray(converted).astype(int) - greys).max() <= 1


@pytest.mark.parametrize("name", PROFILES)
def test_the_bytes_are_those_that_results_have_had_so_far(name: str) -> None:
    assert hashlib.sha256(PROFILES[name][0]()).hexdigest() == SHA256[name]


def test_each_profile_is_named_in_the_licence_note() -> None:
    folder = Path(__file__).parents[2] / "nsp_cli" / "photo" / "profiles"
    note = (folder / "README.md").read_text(encoding="utf-8")
    assert "CC0" in note
    assert all(path.name in note for path in folder.glob("*.icc"))
