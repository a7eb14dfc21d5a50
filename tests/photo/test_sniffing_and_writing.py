"""Bad files end in one clear error, and a failing write leaves nothing behind."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from nsp_cli.errors import InputError, OutputError
from nsp_cli.files import replacing
from nsp_cli.photo import Photo, read_photo, write_photo
from nsp_cli.photo.formats.registry import SPECS


def make_photo(**facts: Any) -> Photo:
    random = np.random.default_rng(0)
    return Photo(random.integers(0, 256, (40, 50, 3), dtype=np.uint8), **facts)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".dng"])
def test_missing_empty_folder_and_text(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo{suffix}"
    with pytest.raises(InputError, match="does not exist"):
        read_photo(path)
    path.touch()
    with pytest.raises(InputError, match="empty"):
        read_photo(path)
    path.write_text("this is not a photo at all, only some text")
    with pytest.raises(InputError) as caught:
        read_photo(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="is a folder"):
        read_photo(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.99])
def test_truncated_files_are_errors(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"photo{suffix}"
    write_photo(make_photo(), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match="cannot be read as"):
        read_photo(path)


def test_a_tiff_that_ends_inside_its_pixels_is_an_error(tmp_path: Path) -> None:
    """Its directory is in front, so that only the check of the parts can see it."""
    path = tmp_path / "photo.tif"
    tifffile.imwrite(path, make_photo().pixels, photometric="rgb", metadata=None)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="ends after"):
        read_photo(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_damaged_bytes_never_escape_as_foreign_errors(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo{suffix}"
    write_photo(make_photo(dpi=(72, 72), xmp=b"<x/>", icc_profile=b"0" * 200), path)
    data, random = path.read_bytes(), np.random.default_rng(3)
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(4):
            damaged[random.integers(8, len(data))] = random.integers(256)
            damaged[random.integers(8, min(200, len(data)))] = random.integers(256)
        path.write_bytes(damaged)
        with suppress(InputError):
            read_photo(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_large_photos_are_refused_with_a_way_out(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo{suffix}"
    write_photo(Photo(np.zeros((1000, 1500, 3), np.uint8)), path)
    with pytest.raises(InputError, match=r"1.5 megapixels \(1500 x 1000\)") as caught:
        read_photo(path, max_megapixels=1)
    assert "--max-megapixels 2" in caught.value.hint
    assert read_photo(path, max_megapixels=1.5).width == 1500


def test_the_declared_size_is_checked_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    write_photo(make_photo(), path)
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 20000, 20000)
    path.write_bytes(data)
    with pytest.raises(InputError, match="400 megapixels"):
        read_photo(path)
    write_photo(make_photo(), tmp_path / "huge.jpg")
    data = bytearray((tmp_path / "huge.jpg").read_bytes())
    frame = data.index(b"\xff\xc0") + 5
    data[frame : frame + 4] = struct.pack(">HH", 20000, 20000)
    (tmp_path / "huge.jpg").write_bytes(data)
    with pytest.raises(InputError, match="400 megapixels"):
        read_photo(tmp_path / "huge.jpg")


@pytest.mark.slow
def test_200_megapixels_pass_without_a_warning(tmp_path: Path) -> None:
    Image.new("L", (16000, 12500)).save(tmp_path / "large.jpg")
    assert read_photo(tmp_path / "large.jpg").width == 16000


def frames(path: Path) -> None:
    pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_several_pictures_are_refused(tmp_path: Path, suffix: str) -> None:
    frames(tmp_path / f"a{suffix}")
    with pytest.raises(InputError, match=r"only (its|the) first"):
        read_photo(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(
    ("pixels", "settings", "what"),
    [
        (np.full((4, 4, 3), 90, np.float32), {"photometric": "rgb"}, "32-bit floating point up to 90"),
        (np.zeros((4, 4, 4), np.float32), {"photometric": "separated"}, "32-bit floating-point CMYK"),
        (np.zeros((4, 4), np.int16), {"photometric": "minisblack"}, "16-bit signed"),
        (np.zeros((4, 4), np.uint32), {"photometric": "minisblack"}, "32-bit unsigned"),
        (np.zeros((4, 4, 3), np.uint16), {"photometric": "icclab"}, "16-bit unsigned Lab"),
    ],
    ids=["float above 1", "float inks", "signed", "32-bit", "Lab"],
)
def test_unsupported_pixels_are_refused(
    tmp_path: Path, pixels: np.ndarray[Any, Any], settings: dict[str, Any], what: str
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels, metadata=None, **settings)
    with pytest.raises(InputError, match=what):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize(("suffix", "kind"), [(".gif", "a GIF"), (".pdf", "a PDF")])
def test_foreign_formats_are_named(tmp_path: Path, suffix: str, kind: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / f"a{suffix}")
    with pytest.raises(InputError, match=kind):
        read_photo(tmp_path / f"a{suffix}")


def test_an_existing_file_stays_unless_allowed(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_text("precious")
    with pytest.raises(OutputError, match="already exists") as caught:
        write_photo(make_photo(), path)
    assert "--overwrite" in caught.value.hint
    assert path.read_text() == "precious"
    write_photo(make_photo(), path, overwrite=True)
    assert read_photo(path).width == 50
    assert names(tmp_path) == ["photo.png"]


def test_a_file_that_appears_while_writing_stays(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    with pytest.raises(OutputError, match="exists"), replacing(path, overwrite=False):
        path.write_text("somebody else's")
    assert path.read_text() == "somebody else's"
    assert names(tmp_path) == ["photo.png"]


def test_without_hard_links_the_file_still_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "photo.png"
    write_photo(make_photo(), path)
    assert names(tmp_path) == ["photo.png"]
    with pytest.raises(OutputError, match="exists"), replacing(tmp_path / "b", overwrite=False):
        (tmp_path / "b").write_text("somebody else's")
    assert (tmp_path / "b").read_text() == "somebody else's"


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_the_input_is_never_written(tmp_path: Path, link: Callable[[Path, Path], None]) -> None:
    source, alias = tmp_path / "photo.png", tmp_path / "alias.png"
    write_photo(make_photo(), source)
    before = source.read_bytes()
    link(source, alias)
    photo = read_photo(source)
    for path in (source, alias, tmp_path / ".." / tmp_path.name / "photo.png"):
        with pytest.raises(OutputError, match="input itself"):
            write_photo(photo, path, overwrite=True)
    with pytest.raises(OutputError, match="input itself"):
        write_photo(read_photo(alias), source, overwrite=True)
    assert source.read_bytes() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError(28, "No space left on device")])
@pytest.mark.parametrize("exists", [False, True])
def test_a_failing_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, exists: bool
) -> None:
    path = tmp_path / "photo.png"
    if exists:
        path.write_text("precious")

    def fail(photo: Photo, file: Any) -> None:
        file.write(b"half a pic")
        assert len(names(tmp_path)) == 1 + exists  # the temporary file is there now
        assert names(tmp_path)[0].startswith(".")
        raise error

    monkeypatch.setitem(SPECS, "png", replace(SPECS["png"], write=fail))
    with pytest.raises(OutputError if isinstance(error, OSError) else error):  # type: ignore[arg-type]
        write_photo(make_photo(), path, overwrite=exists)
    assert names(tmp_path) == (["photo.png"] if exists else [])
    assert not exists or path.read_text() == "precious"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"folder .* does not exist"):
        write_photo(make_photo(), tmp_path / "absent" / "photo.png")
    (tmp_path / "photo.png").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        write_photo(make_photo(), tmp_path / "photo.png", overwrite=True)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_new_file_has_ordinary_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_photo(make_photo(), tmp_path / "photo.png")
    finally:
        os.umask(before)
    assert (tmp_path / "photo.png").stat().st_mode & 0o777 == 0o640


def test_long_names_leave_room_for_the_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 250 + ".png")
    write_photo(make_photo(), path)
    assert names(tmp_path) == [path.name]
