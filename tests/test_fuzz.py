"""A short slice of `make fuzz`: damaged files of every kind, the same every time."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.kinds import COUNTS, KINDS, tiny_weights
from fuzz.photo_cases import PHOTO_KINDS, photo_case
from fuzz.photo_seeds import photo_seeds
from fuzz.worker import run_case

from nsp_cli.photo import read_photo


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_answered_in_order(tmp_path: Path, kind: str) -> None:
    weights = tiny_weights(tmp_path)
    outcomes = [run_case(kind, number, weights) for number in range(16)]
    assert {outcome for outcome, _ in outcomes} <= {"read", "refused"}, outcomes


@pytest.mark.parametrize("kind", PHOTO_KINDS)
def test_the_seeds_are_whole_and_the_cases_repeat(tmp_path: Path, kind: str) -> None:
    for number, seed in enumerate(photo_seeds(kind)):
        path = tmp_path / f"{number}{'.dng' if kind == 'dng' else ''}"
        path.write_bytes(seed)
        assert {read_photo(path).width, read_photo(path).height} == {24, 32}
    assert photo_case(kind, 7) == photo_case(kind, 7)
    assert photo_case(kind, 7) != photo_case(kind, 7 + len(photo_seeds(kind)))


def test_a_full_run_is_as_long_as_promised() -> None:
    assert sum(COUNTS[kind] for kind in PHOTO_KINDS) >= 2000
