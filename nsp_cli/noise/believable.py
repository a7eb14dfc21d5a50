"""How much of the luma noise measured in a photo's flattest places is believable: texture passes for noise.

Only blind-spot networks need this: they lose all texture that they are not given back. Networks that see
every pixel are told the noise map, whose estimator has learned what texture looks like.
"""

from __future__ import annotations

import math

from nsp_cli.noise.estimation import NoiseProfile, noise_bands

# Chroma level below which a photo counts as grey, so that chroma says nothing about luma.
_GREY = 0.05 / 255
# Polynomial of the chroma level that gives the highest believable luma level. Cameras and phones stay
# below it, by pictures whose noise is known.
_LUMA_BY_CHROMA = (2.2 / 255, 1.3, 0.025 * 255)
# Slope at which luma above the believable level is texture, and slope at which it is noise. Texture rises
# towards coarse frequencies, noise hardly does. Of 91 photos of cameras and phones, those whose luma
# exceeds the level show noise where the slope is below 2, and leaves, lawn and wood where it is above 2.1.
_TEXTURE, _NOISE = 2.1, 1.7


def most_luma(profile: NoiseProfile) -> float:
    """Highest level of luma noise that the noise in chroma makes believable.

    A lawn fills a photo with texture that looks like noise in everything but colour. Sensors make noise in
    both; cameras smooth chroma more, and the polynomial allows for that.
    """
    is_grey = profile.chroma < _GREY
    believable = sum(k * profile.chroma**n for n, k in enumerate(_LUMA_BY_CHROMA))
    share = (slope_of(profile) - _TEXTURE) / (_NOISE - _TEXTURE)
    return math.inf if is_grey else believable * (1 + min(1.0, max(0.0, share)))


def slope_of(profile: NoiseProfile) -> float:
    """Level of coarse luma over that of middle luma: 1 to 2 for noise, 3 to 6 for texture."""
    coarse, middle = noise_bands(profile.spectrum)[:2]
    return float(coarse / middle.clamp(min=1e-6))
