"""The quality of the bundled weights' results, pinned, so that nobody changes it without knowing.

If you changed it on purpose, `python -m benchmarks.mutated_constants --pin` prints the new values.
"""

from __future__ import annotations

import pytest

from nsp_cli.restoration.inference import Restorer
from tests.quality import (
    BETWEEN_MODES,
    COLOUR,
    FAINT,
    LIGHT,
    MIDDLE,
    MILD,
    SMOOTHED,
    STRONG,
    Case,
    load,
    score,
)

# Other processors and versions of torch round differently, which costs far less than this.
PSNR_TOLERANCE, SSIM_TOLERANCE = 0.03, 0.001
# PSNR in dB and SSIM of each case.
PINNED = {
    Case("sample"): (27.842, 0.7253),
    Case("astronaut", LIGHT): (40.644, 0.9676),
    Case("astronaut", MIDDLE): (33.141, 0.9111),
    Case("astronaut", STRONG): (31.056, 0.8841),
    Case("coffee", LIGHT): (41.412, 0.9651),
    Case("coffee", MILD): (38.354, 0.9439),
    Case("coffee", MIDDLE): (34.914, 0.9100),
    Case("coffee", STRONG): (33.053, 0.8963),
    Case("brick", LIGHT): (49.267, 0.9947),
    Case("brick", MILD): (42.687, 0.9888),
    Case("brick", SMOOTHED): (36.427, 0.9756),
    Case("brick", COLOUR): (40.176, 0.9850),
    Case("joints", SMOOTHED): (32.900, 0.8910),
    Case("grass", MILD): (41.917, 0.9960),
    Case("grass", COLOUR): (37.163, 0.9884),
    Case("grass", STRONG): (26.165, 0.8692),
    Case("gravel", STRONG): (27.046, 0.8531),
    Case("rocket", SMOOTHED): (35.329, 0.9458),
    Case("sky", FAINT): (49.867, 0.9932),
    Case("sample", weights="nsp-light"): (25.893, 0.5843),
    Case("astronaut", MILD, "nsp-light"): (34.718, 0.9358),
    Case("astronaut", STRONG, "nsp-light"): (26.660, 0.6104),
    Case("coffee", BETWEEN_MODES, "nsp-light"): (29.618, 0.8673),
    Case("coffee", SMOOTHED, "nsp-light"): (30.856, 0.8532),
    Case("brick", LIGHT, "nsp-light"): (46.906, 0.9943),
    Case("grass", MILD, "nsp-light"): (41.890, 0.9960),
    Case("rocket", COLOUR, "nsp-light"): (33.994, 0.9506),
    Case("coffee", MIDDLE, "nsp-fast-x2"): (29.918, 0.8511),
}


@pytest.fixture(scope="session")
def restorers() -> dict[str, Restorer]:
    return {name: load(name) for name in {case.weights for case in PINNED}}


@pytest.mark.parametrize("case", PINNED, ids=str)
def test_quality_is_what_it_was(case: Case, restorers: dict[str, Restorer]) -> None:
    psnr, ssim = score(case, restorers[case.weights])
    expected_psnr, expected_ssim = PINNED[case]
    assert psnr == pytest.approx(expected_psnr, abs=PSNR_TOLERANCE)
    assert ssim == pytest.approx(expected_ssim, abs=SSIM_TOLERANCE)
