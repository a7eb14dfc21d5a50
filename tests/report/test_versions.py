"""Versions of a photo at several strengths: colours under full transparency."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from nsp_cli.photo import Photo
from nsp_cli.report import versions
from nsp_cli.report.versions import Version, strength_versions


def test_hidden_colours_stay_as_in_a_result_file(monkeypatch):
    """A page shows what `nsp denoise` writes."""
    pixels = np.random.default_rng(0).integers(1, 255, (16, 16, 3), dtype=np.uint8)
    alpha = np.full((16, 16), 255, np.uint8)
    alpha[:, :8] = 0
    monkeypatch.setattr(
        versions.pipeline,
        "denoise_by_strengths",
        lambda _net, noisy, given, *_, **__: [0 * noisy] * len(given),
    )
    monkeypatch.setattr(versions, "made_with", lambda *_: None)
    restorer = SimpleNamespace(spec=SimpleNamespace(is_blind_spot=False), execution=None)
    before = Version("before", "photo.png", Photo(pixels, alpha), None, "")
    (version,) = strength_versions(restorer, before, [1.0])
    assert (version.photo.pixels[:, :8] == pixels[:, :8]).all()
    assert version.photo.pixels[:, 8:].max() == 0
