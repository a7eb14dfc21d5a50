"""Pairs of two folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsp_cli.errors import InputError
from nsp_cli.evaluation.folders import find_pairs, match_folders


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two pairs, one of them with different suffixes, a noisy photo alone and a clean one alone."""
    for name in ("noisy/a.png", "noisy/b.jpg", "noisy/c.png", "clean/a.png", "clean/b.png", "clean/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path / "noisy", tmp_path / "clean"


def test_photos_are_matched_by_name_without_suffix(folders):
    noisy, clean = folders
    pairs, alone = match_folders(noisy, clean)
    assert pairs == [(noisy / "a.png", clean / "a.png"), (noisy / "b.jpg", clean / "b.png")]
    assert alone == [noisy / "c.png"]


def test_where_all_must_have_a_counterpart_one_without_is_an_error(folders):
    noisy, clean = folders
    with pytest.raises(InputError, match="has no clean counterpart"):
        find_pairs(noisy, clean)
    (noisy / "c.png").unlink()
    assert find_pairs(noisy, clean) == match_folders(noisy, clean)[0]
