"""Every number in noise measurement and restoration that follows from no arithmetic, in one place.

`python benchmarks/set_constants.py` finds those of recovery again, on simulated noise alone.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class QualityConstants:
    """What was set, not learned.

    Attributes:
        clean: Level below which no noise is visible, in steps of 255: rounding to 8 bits makes 0.29 alone,
            and up to 0.7 on a gradient.
        chroma_visibility: How much less visible colour noise is.
        visible_share: Share of a photo in which noise must be visible, or the photo counts as clean.
        dark: Median brightness below which a photo of more than 8 bits holds linear light. No photo of the
            training set is nearly as dark.
        background: Brightness of such a photo's median in the view in which it is denoised.
        bright: Brightness in that view from which its pixels stay as they are. The view packs stars so
            tightly that a faint change there would be a strong one.
        strong: Level of luma noise, in steps of 255, above which the PD average is a blind-spot network's
            better prediction. Below it the direct pass keeps more detail and shows no chessboard.
        seeing_coarse_luma, seeing_luma, seeing_chroma: Power to take out of the result of a network that sees
            every pixel, in units of the noise power. It leaves a little coarse noise.
    """

    clean: float = 0.7
    chroma_visibility: float = 0.25
    visible_share: float = 0.01
    dark: float = 0.01
    background: float = 0.2
    bright: float = 0.9
    strong: float = 8.0
    seeing_coarse_luma: float = 0.14
    seeing_luma: float = 0.05
    seeing_chroma: float = 0.28


CONSTANTS = QualityConstants()
