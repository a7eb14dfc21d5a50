"""JPEGs without an end are read as viewers show them, and what is missing of the picture is said."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nsp_cli.errors import InputError
from nsp_cli.photo import read_photo
from nsp_cli.photo.formats import jpeg_damage
from nsp_cli.photo.metadata.jpeg_segments import picture_end


def encoded(**settings: Any) -> tuple[bytes, Any]:
    """Returns a JPEG of soft noise, (64, 80, 3), and its pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", quality=90, **settings)
    with Image.open(file) as image:
        return file.getvalue(), np.asarray(image)


KINDS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "own codes": {"optimize": True},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lost", [1, 2])
def test_without_its_end_mark_a_jpeg_is_whole(tmp_path: Path, kind: str, lost: int) -> None:
    data, pixels = encoded(**KINDS[kind])
    (tmp_path / "a.jpg").write_bytes(data[:-lost])
    photo = read_photo(tmp_path / "a.jpg")
    assert (photo.pixels == pixels).all()
    assert photo.notes == ("the file's end mark is missing; the picture is whole",)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_a_picture_that_is_cut_short_is_read_only_if_asked_for(tmp_path: Path, share: float) -> None:
    data, pixels = encoded()
    (tmp_path / "a.jpg").write_bytes(data[: round(share * len(data))])
    with pytest.raises(InputError, match="--accept-damaged"):
        read_photo(tmp_path / "a.jpg")
    photo = read_photo(tmp_path / "a.jpg", accept_damaged=True)
    (note,) = photo.notes
    count = int(note.split("the last ")[1].split(" ")[0])
    assert (photo.pixels[:-count] == pixels[:-count]).all()
    assert not (photo.pixels[-8:, -8:] == pixels[-8:, -8:]).all()
    assert abs(count / 64 - (1 - share)) < 0.3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grey", [False, True])
def test_a_few_missing_bits_are_noticed(tmp_path: Path, kind: str, grey: bool) -> None:
    """Whatever stands in for them may happen to decode to what is shown."""
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(250, 6, (32, 40, 3)).clip(0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(noise[:, :, 0] if grey else noise).save(file, "JPEG", quality=95, **KINDS[kind])
        whole = np.asarray(Image.open(file)).reshape(32, 40, -1)
        for lost in range(3, 25):
            (tmp_path / "a.jpg").write_bytes(file.getvalue()[:-lost])
            photo = read_photo(tmp_path / "a.jpg", accept_damaged=True)
            is_whole = (photo.pixels == whole).all()
            assert ("cut short" in photo.notes[0]) or is_whole, (seed, lost)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_progressive_one_too(tmp_path: Path, share: float) -> None:
    data, _ = encoded(progressive=True)
    (tmp_path / "a.jpg").write_bytes(data[: round(share * len(data))])
    with pytest.raises(InputError, match="cut short"):
        read_photo(tmp_path / "a.jpg")
    assert "coarse" in read_photo(tmp_path / "a.jpg", accept_damaged=True).notes[0]


def test_passes_that_are_missing_are_noticed(tmp_path: Path) -> None:
    """The file ends between two passes, so that all bytes of those before are there."""
    data, _ = encoded(progressive=True)
    (tmp_path / "a.jpg").write_bytes(data[: data.rindex(b"\xff\xda")])
    with pytest.raises(InputError, match="lacks passes"):
        read_photo(tmp_path / "a.jpg")


def test_sound_ones_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, pixels = encoded()
    assert picture_end(data) == len(data)
    (tmp_path / "a.jpg").write_bytes(data + b"more")
    monkeypatch.setattr(jpeg_damage, "_missing", lambda _: pytest.fail("it is sound"))
    assert (read_photo(tmp_path / "a.jpg").pixels == pixels).all()


@pytest.mark.parametrize("size", [3, 100, 400])
def test_without_any_pixels_there_is_nothing_to_accept(tmp_path: Path, size: int) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded()[0][:size])
    with pytest.raises(InputError):
        read_photo(tmp_path / "a.jpg", accept_damaged=True)


def test_the_command_takes_it(tmp_path: Path, run_nsp: Any, tiny_weights: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded()[0][:-900])
    run = run_nsp("denoise", tmp_path / "a.jpg", "-o", tmp_path / "b.jpg", "-m", tiny_weights)
    assert run.code == 1
    assert "--accept-damaged" in run.err
    run = run_nsp(
        "denoise", tmp_path / "a.jpg", "-o", tmp_path / "b.jpg", "-m", tiny_weights, "--accept-damaged"
    )
    assert run.code == 0
    assert "rows" in run.err
