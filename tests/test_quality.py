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
    Case("sample"): (28.042, 0.7474),
    Case("astronaut", LIGHT): (41.919, 0.9729),
    Case("astronaut", MIDDLE): (33.190, 0.9100),
    Case("astronaut", STRONG): (30.912, 0.8791),
    Case("coffee", LIGHT): (50.041, 0.9943),
    Case("coffee", MILD): (42.703, 0.9746),
    Case("coffee", MIDDLE): (35.499, 0.9161),
    Case("coffee", STRONG): (33.206, 0.9019),
    Case("brick", LIGHT): (48.915, 0.9944),
    Case("brick", MILD): (43.959, 0.9904),
    Case("brick", SMOOTHED): (36.298, 0.9740),
    Case("brick", COLOUR): (39.910, 0.9835),
    Case("joints", SMOOTHED): (36.356, 0.9704),
    Case("grass", MILD): (41.370, 0.9955),
    Case("grass", COLOUR): (32.894, 0.9702),
    Case("grass", STRONG): (26.573, 0.8796),
    Case("gravel", STRONG): (28.058, 0.8796),
    Case("rocket", SMOOTHED): (35.504, 0.9635),
    Case("sky", FAINT): (47.971, 0.9923),
    Case("sample", weights="nsp-light"): (25.893, 0.5843),
    Case("astronaut", MILD, "nsp-light"): (34.718, 0.9358),
    Case("astronaut", STRONG, "nsp-light"): (26.660, 0.6104),
    Case("coffee", BETWEEN_MODES, "nsp-light"): (29.618, 0.8673),
    Case("coffee", SMOOTHED, "nsp-light"): (30.856, 0.8532),
    Case("brick", LIGHT, "nsp-light"): (46.906, 0.9943),
    Case("grass", MILD, "nsp-light"): (41.890, 0.9960),
    Case("rocket", COLOUR, "nsp-light"): (33.994, 0.9506),
    Case("coffee", MIDDLE, "nsp-fast-x2"): (29.942, 0.8315),
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
