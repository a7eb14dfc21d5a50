"""The exponent of a profile's tone curve, whatever the profile is made of."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import pytest

from nsp_cli.photo import tone_gamma
from nsp_cli.photo.built_profile import Primaries, built_profile
from nsp_cli.photo.colour import display_p3_profile, srgb_profile
from nsp_cli.photo.stated_colours import adobe_rgb_profile

SRGB = Primaries((0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
WIDE = Primaries((0.708, 0.292), (0.17, 0.797), (0.131, 0.046))


def with_table(values: Sequence[int]) -> bytes:
    """A grey profile whose curve is a table, as scanners' profiles have it."""
    made = built_profile("a table", SRGB, 2.0, is_grey=True)
    place = made.index(b"kTRC") + 4
    curve = struct.pack(">4s4xI", b"curv", len(values)) + struct.pack(f">{len(values)}H", *values)
    made = made[:place] + struct.pack(">II", len(made), len(curve)) + made[place + 8 :] + curve
    made += bytes(-len(made) % 4)
    return struct.pack(">I", len(made)) + made[4:]


@pytest.mark.parametrize("is_grey", [False, True])
@pytest.mark.parametrize("exponent", [1.0, 1.2, 1.8, 2.2])
def test_the_exponent_of_a_curve(exponent: float, is_grey: bool) -> None:
    for primaries in (SRGB, WIDE):
        made = built_profile("a test", primaries, exponent, is_grey=is_grey)
        assert tone_gamma(made) == exponent


def test_usual_profiles() -> None:
    assert {tone_gamma(one) for one in (srgb_profile(), display_p3_profile(), adobe_rgb_profile())} == {2.2}


def test_a_table() -> None:
    steps = np.linspace(0, 1, 64)
    assert tone_gamma(with_table([round(65535 * step) for step in steps])) == 1.0
    assert tone_gamma(with_table([round(65535 * step**1.8) for step in steps])) == 1.8


def test_no_profile_or_one_that_cannot_be_used() -> None:
    damaged = srgb_profile()[:200]
    for profile in (None, b"", damaged, srgb_profile()[:16] + b"CMYK" + srgb_profile()[20:]):
        assert tone_gamma(profile) is None
