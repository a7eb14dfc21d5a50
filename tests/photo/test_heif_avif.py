"""HEIC and AVIF: turned once and by the boxes, in their own colours and depth, high dynamic range refused."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps
from test_photo import NOTE, XMP, camera_facts, make_exif

from nsp_cli.errors import InputError, OutputError
from nsp_cli.photo import Photo, check_writable, photo_size, read_photo, result_suffix, write_photo
from nsp_cli.photo.colour import display_p3_profile, srgb_profile
from nsp_cli.photo.formats import heif
from nsp_cli.photo.metadata.heif_boxes import read_picture_facts, stored_depth
from nsp_cli.photo.photo import widened

DATA = Path(__file__).parents[1] / "data"


def patches(bits: int = 8) -> Any:
    """Returns the picture in the HEIC files, (48, 64, 4) of flat squares (tests/data/make_heic.py)."""
    values = np.random.default_rng(0).integers(0, 256, (3, 4, 4), dtype=np.uint8)
    squares = np.kron(values, np.ones((16, 16, 1), np.uint8))
    return squares if bits == 8 else squares.astype(np.uint16) * 257


def changed(name: str, path: Path, old: bytes, new: bytes) -> Path:
    """Copies a HEIC with some bytes of its boxes replaced."""
    data = (DATA / name).read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    return path


def nclx(primaries: int, transfer: int) -> bytes:
    return b"nclx" + struct.pack(">HH", primaries, transfer)


@pytest.mark.parametrize(("name", "orientation"), [("turned", 6), ("mirrored", 7)])
def test_a_heic_is_turned_once(tmp_path: Path, name: str, orientation: int) -> None:
    """Its EXIF says the same as its boxes."""
    plain = Image.fromarray(patches()[:, :, :3].copy())
    plain.getexif()[ExifTags.Base.Orientation] = orientation
    photo = read_photo(DATA / f"{name}.heic")
    np.testing.assert_allclose(photo.pixels, np.asarray(ImageOps.exif_transpose(plain)), atol=2)
    assert b'tiff:Orientation="1"' in (photo.xmp or b"")
    write_photo(photo, tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as image:
        assert (image.size, image.getexif()[274], image.getexif()[271]) == ((48, 64), 1, "Maker X")


@pytest.mark.parametrize("turns", range(4))
def test_the_boxes_of_a_heic_decide(tmp_path: Path, turns: int) -> None:
    path = changed("turned.heic", tmp_path / "a.heic", b"irot\3", b"irot" + bytes([turns]))
    wanted = np.rot90(patches()[:, :, :3], turns)
    np.testing.assert_allclose(read_photo(path).pixels, wanted, atol=2)


def test_kinds_of_heic() -> None:
    deep = read_photo(DATA / "deep.heic")
    assert (deep.format, deep.bit_depth, deep.icc_profile, deep.notes) == ("heif", 16, None, ())
    assert deep.alpha is not None
    wanted = patches()
    wanted[:16, :16] = 255
    np.testing.assert_allclose(deep.pixels / 65535, wanted[:, :, :3] / 255, atol=2 / 1023)
    np.testing.assert_allclose(deep.alpha / 65535, wanted[:, :, 3] / 255, atol=1 / 1023)
    assert deep.pixels[:16, :16].min() == deep.alpha[:16, :16].min() == 65535  # of 10 bits
    grey = read_photo(DATA / "grey.heic")
    assert (grey.is_grey, grey.bit_depth) == (True, 8)
    in_grey = Image.fromarray(patches()[:, :, :3].copy()).convert("L")
    np.testing.assert_allclose(grey.pixels[:, :, 0], np.asarray(in_grey), atol=1)


def test_further_pictures_of_a_heic_are_named(tmp_path: Path) -> None:
    assert write_photo(read_photo(DATA / "two.heic"), tmp_path / "a.png").left_out == (
        "a further picture not kept",
    )
    assert write_photo(read_photo(DATA / "turned.heic"), tmp_path / "b.png").left_out == ()


def test_heic_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(InputError, match="pi-heif") as caught:
        read_photo(DATA / "turned.heic")
    assert "pip install pi-heif" in caught.value.hint


def test_a_crash_of_the_decoder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """libheif crashes on some damaged files; the process that crashes is not ours."""
    (tmp_path / "pi_heif.py").write_text("import os; os.abort()")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="decoder crashed"):
        read_photo(DATA / "turned.heic")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("suffix", [".heic", ".avif"])
def test_damage_is_an_error(tmp_path: Path, suffix: str, share: float) -> None:
    path = sample(tmp_path, suffix)
    data = path.read_bytes()
    path.write_bytes(data[: max(16, int(len(data) * share))])
    with pytest.raises(InputError, match="cannot be read as"):
        read_photo(path)


@pytest.mark.parametrize("suffix", [".heic", ".avif"])
def test_damaged_bytes_never_escape_as_foreign_errors(tmp_path: Path, suffix: str) -> None:
    path, random = sample(tmp_path, suffix), np.random.default_rng(3)
    data = path.read_bytes()
    for _ in range(12 if suffix == ".heic" else 80):  # each HEIC takes a process
        damaged = bytearray(data)
        for _ in range(3):
            damaged[random.integers(16, min(700, len(data)))] = random.integers(256)
        path.write_bytes(damaged)
        stored_depth(path)
        try:
            read_photo(path)
        except InputError:
            continue


def sample(folder: Path, suffix: str) -> Path:
    path = folder / f"a{suffix}"
    if suffix == ".heic":
        path.write_bytes((DATA / "turned.heic").read_bytes())
    else:
        write_photo(Photo(patches()[:, :, :3], exif=make_exif(), xmp=XMP % 1), path)
    return path


@pytest.mark.parametrize("suffix", [".heic", ".avif"])
def test_large_photos_are_refused(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match=r"the limit is 0\.001"):
        read_photo(sample(tmp_path, suffix), max_megapixels=0.001)


def coded(path: Path, primaries: int, transfer: int) -> Path:
    """Writes patches with these numbers of H.273, in the format of the suffix."""
    if path.suffix == ".heic":
        return changed("turned.heic", path, nclx(1, 13), nclx(primaries, transfer))
    encoded = imagecodecs.avif_encode(
        patches()[:, :, :3].copy(), level=95, primaries=primaries, transfer=transfer, matrix=1
    )
    path.write_bytes(encoded)
    return path


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0", "4:0:0"])
def test_the_narrow_range_of_video_is_stretched_in_avif(tmp_path: Path, subsampling: str) -> None:
    grey = np.repeat(patches()[:, :, :1], 3, 2)
    photos = []
    for name in ("full", "limited"):
        path = tmp_path / f"{name}.avif"
        Image.fromarray(grey).save(path, quality=100, range=name, subsampling=subsampling)
        photos.append(read_photo(path).pixels.astype(int))
    assert np.abs(photos[0] - photos[1]).max() <= 2
    assert np.abs(photos[0] - grey).max() <= 2


@pytest.mark.parametrize("name", ["grey", "turned"])
def test_and_in_heic(tmp_path: Path, name: str) -> None:
    """Here the file is changed to say that its values, which are of full range, are of narrow range."""
    stated = nclx(1, 13) + struct.pack(">H", 6)
    path = changed(f"{name}.heic", tmp_path / "a.heic", stated + b"\x80", stated + b"\0")
    plain = read_photo(DATA / f"{name}.heic").pixels.astype(float)
    luma = np.clip((plain.mean(2) - 16) * 255 / 219, 0, 255)
    inside = (plain.min(2) > 60) & (plain.max(2) < 190)
    found = read_photo(path).pixels
    np.testing.assert_allclose(found.mean(2)[inside], luma[inside], atol=4 if name == "turned" else 0.6)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_grey_of_narrow_range_is_exact(bits: int) -> None:
    levels = np.array([0, 16, 17, 125, 234, 235, 255], np.uint16) << (bits - 8)
    values = levels.astype(np.uint8) if bits == 8 else widened(levels, bits)
    top = np.iinfo(values.dtype).max
    wanted = np.clip((levels / 2.0 ** (bits - 8) - 16) / 219, 0, 1)
    np.testing.assert_allclose(heif._full_range(values, bits) / top, wanted, atol=0.51 / top + 1e-5)


@pytest.mark.parametrize("suffix", [".heic", ".avif"])
def test_colours_without_a_profile(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    assert read_photo(coded(path, 1, 13)).icc_profile is None
    assert read_photo(coded(path, 12, 13)).icc_profile == display_p3_profile()
    for transfer, name in ((16, "PQ"), (18, "HLG")):
        with pytest.raises(InputError, match=rf"high dynamic range \({name}\)"):
            read_photo(coded(path, 9, transfer))
    assert b"B\0T\0.\0002\0000\0002\0000" in (read_photo(coded(path, 9, 1)).icc_profile or b"")
    with pytest.raises(InputError, match="primaries 22"):
        read_photo(coded(path, 22, 1))


def test_display_p3_is_what_it_says() -> None:
    """Pure red of sRGB is (234, 51, 35) in Display P3."""
    profiles = [ImageCms.ImageCmsProfile(io.BytesIO(data)) for data in (srgb_profile(), display_p3_profile())]
    assert ImageCms.getProfileDescription(profiles[1]).strip() == "Display P3"
    red = ImageCms.profileToProfile(Image.new("RGB", (1, 1), (255, 0, 0)), *profiles)
    assert red is not None
    np.testing.assert_allclose(red.getpixel((0, 0)), (234, 51, 35), atol=1)


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_kinds_of_avif(tmp_path: Path, bits: int, channels: int) -> None:
    stored = patches(16)[:, :, :channels].squeeze() >> (16 - bits)
    stored = stored.astype(np.uint8) if bits == 8 else stored
    encoded = imagecodecs.avif_encode(stored.copy(), level=100, bitspersample=bits)
    (tmp_path / "a.avif").write_bytes(encoded)
    photo = read_photo(tmp_path / "a.avif")
    assert (photo.format, photo.bit_depth, photo.is_grey) == ("avif", 8 if bits == 8 else 16, channels == 1)
    wanted = stored / (2**bits - 1)
    top = 2**photo.bit_depth - 1
    np.testing.assert_allclose(
        photo.pixels / top, np.broadcast_to(np.atleast_3d(wanted)[:, :, :3], (48, 64, 3)), atol=1e-4
    )
    assert (photo.alpha is not None) == (channels == 4)
    if photo.alpha is not None:
        np.testing.assert_allclose(photo.alpha / top, wanted[:, :, 3], atol=1e-4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_turned_once(tmp_path: Path, orientation: int) -> None:
    """Pillow writes the turn into the boxes and leaves EXIF saying it as well."""
    image = Image.fromarray(patches()[:, :, :3].copy())
    image.save(tmp_path / "a.avif", quality=95, subsampling="4:4:4", exif=make_exif("<", orientation))
    with Image.open(tmp_path / "a.avif") as saved:
        shown = np.asarray(ImageOps.exif_transpose(saved))
    photo = read_photo(tmp_path / "a.avif")
    np.testing.assert_allclose(photo.pixels, shown, atol=2)
    write_photo(photo, tmp_path / "b.avif")
    with Image.open(tmp_path / "b.avif") as saved:
        assert saved.getexif().get(274, 1) == 1
    assert read_photo(tmp_path / "b.avif").height == photo.height


@pytest.mark.parametrize("has_alpha", [False, True])
def test_an_avif_keeps_what_it_can_hold(tmp_path: Path, has_alpha: bool) -> None:
    photo = Photo(
        patches()[:, :, :3],
        patches()[:, :, 3].copy() if has_alpha else None,
        icc_profile=srgb_profile(),
        exif=make_exif(">"),
        xmp=XMP % 1,
    )
    write_photo(photo, tmp_path / "a.avif")
    back = read_photo(tmp_path / "a.avif")
    np.testing.assert_allclose(back.pixels, photo.pixels, atol=6)
    assert (back.icc_profile, back.alpha is not None, back.notes) == (srgb_profile(), has_alpha, ())
    assert back.exif is not None
    # Without an orientation, which is the boxes' to state; the note stays where its offsets are right.
    changes = {"size": (64, 48), "orientation": None}
    assert camera_facts(back.exif) == camera_facts(make_exif(">")) | changes
    assert back.exif.index(NOTE) == make_exif(">").index(NOTE)
    assert b'xmp:Rating="3"' in (back.xmp or b"")


def test_resolution_survives_in_avif_without_exif(tmp_path: Path) -> None:
    write_photo(Photo(patches()[:, :, :3], dpi=(240.0, 240.0)), tmp_path / "a.avif")
    assert read_photo(tmp_path / "a.avif").dpi == (240.0, 240.0)


def test_what_an_avif_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="16 bits"):
        write_photo(Photo(patches(16)[:, :, :3]), tmp_path / "a.avif")
    with pytest.raises(OutputError, match="16384"):
        check_writable(Photo(patches()[:, :, :3]), tmp_path / "a.avif", scale=1000)
    frames = [Image.fromarray(patches()[::step, :, :3].copy()) for step in (1, -1)]
    frames[0].save(tmp_path / "b.avif", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="animation"):
        read_photo(tmp_path / "b.avif")


def test_the_boxes_say_what_libheif_says() -> None:
    import pi_heif

    for path in DATA.glob("*.heic"):
        facts, info = read_picture_facts(path), pi_heif.open_heif(path).info
        stated = (info["exif"] or b"").removeprefix(b"Exif\0\0") or None
        assert (facts.bit_depth, facts.exif, facts.xmp) == (info["bit_depth"], stated, info.get("xmp"))


def test_sizes_come_from_the_boxes(tmp_path: Path) -> None:
    assert photo_size(sample(tmp_path, ".avif")) == (64, 48)
    assert photo_size(DATA / "turned.heic") == (64, 64)  # as coded, before the crop


def test_results_go_where_the_depth_survives(tmp_path: Path) -> None:
    assert result_suffix(DATA / "turned.heic") == ".jpg"
    assert result_suffix(DATA / "deep.heic") == ".tif"
    assert result_suffix(tmp_path / "absent.heic") == ".jpg"
    for bits, suffix in ((8, ".avif"), (10, ".tif")):
        values = patches()[:, :, :3].astype(np.uint8 if bits == 8 else np.uint16)
        (tmp_path / "a.avif").write_bytes(imagecodecs.avif_encode(values, bitspersample=bits))
        assert result_suffix(tmp_path / "a.avif") == suffix


def test_the_command_takes_them(tmp_path: Path, run_nsp: Any, tiny_weights: Path) -> None:
    for name in ("turned", "grey"):
        (tmp_path / f"{name}.heic").write_bytes((DATA / f"{name}.heic").read_bytes())
        assert run_nsp("denoise", tmp_path / f"{name}.heic", "-m", tiny_weights).code == 0
        assert read_photo(tmp_path / f"{name}_denoised.jpg").format == "jpeg"
    run = run_nsp("denoise", tmp_path / "grey.heic", "-m", tiny_weights, "--format", "avif")
    assert run.code == 0, run.err
    assert read_photo(tmp_path / "grey_denoised.avif").format == "avif"
    again = run_nsp("denoise", tmp_path / "grey.heic", "-m", tiny_weights, "--format", "avif")
    assert "done before" in again.err


def test_a_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(struct.pack(">I", 24) + b"ftypisom\0\0\2\0isommp42" + bytes(40))
    with pytest.raises(InputError, match="a video"):
        read_photo(tmp_path / "a.mp4")


def test_heic_reading_is_silent() -> None:
    script = "import sys, pathlib, nsp_cli.photo as p; p.read_photo(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", script, str(DATA / "turned.heic")]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("", "")


@pytest.mark.parametrize("quality", [1, 60, 100])
def test_an_avif_keeps_transparency_exactly(tmp_path: Path, quality: int) -> None:
    alpha = np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint8)
    write_photo(Photo(patches()[:, :, :3].copy(), alpha), tmp_path / "a.avif", quality=quality)
    assert (read_photo(tmp_path / "a.avif").alpha == alpha).all()
