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
    Case("sample"): (27.451, 0.7222),
    Case("astronaut", LIGHT): (38.505, 0.9592),
    Case("astronaut", MIDDLE): (32.526, 0.8972),
    Case("astronaut", STRONG): (30.891, 0.8783),
    Case("coffee", LIGHT): (38.556, 0.9507),
    Case("coffee", MILD): (35.640, 0.9196),
    Case("coffee", MIDDLE): (33.702, 0.8916),
    Case("coffee", STRONG): (32.510, 0.8730),
    Case("brick", LIGHT): (49.059, 0.9948),
    Case("brick", MILD): (42.487, 0.9887),
    Case("brick", SMOOTHED): (35.965, 0.9718),
    Case("brick", COLOUR): (40.243, 0.9850),
    Case("joints", SMOOTHED): (33.736, 0.9244),
    Case("grass", MILD): (40.795, 0.9951),
    Case("grass", COLOUR): (36.534, 0.9869),
    Case("grass", STRONG): (26.259, 0.8703),
    Case("gravel", STRONG): (26.871, 0.8481),
    Case("rocket", SMOOTHED): (33.173, 0.9278),
    Case("sky", FAINT): (37.788, 0.9540),
    Case("sample", weights="nsp-light"): (25.893, 0.5843),
    Case("astronaut", MILD, "nsp-light"): (34.718, 0.9358),
    Case("astronaut", STRONG, "nsp-light"): (26.660, 0.6104),
    Case("coffee", BETWEEN_MODES, "nsp-light"): (29.618, 0.8673),
    Case("coffee", SMOOTHED, "nsp-light"): (30.856, 0.8532),
    Case("brick", LIGHT, "nsp-light"): (46.906, 0.9943),
    Case("grass", MILD, "nsp-light"): (41.890, 0.9960),
    Case("rocket", COLOUR, "nsp-light"): (33.994, 0.9506),
    Case("coffee", MIDDLE, "nsp-fast-x2"): (29.633, 0.8457),
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
