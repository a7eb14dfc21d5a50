"""What a photo file carries comes back: pixels, depth, colour profile, EXIF, XMP, resolution, alpha."""

from __future__ import annotations

import itertools
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from conftest import SHARED
from PIL import ExifTags, Image, ImageOps

from nsp_cli.errors import OutputError
from nsp_cli.photo import Photo, check_writable, read_photo, to_bit_depth, write_photo
from nsp_cli.photo.colour import srgb_profile
from nsp_cli.photo.formats import tiff_writing
from nsp_cli.photo.metadata import ifd, patching, tiff_directories, xmp
from nsp_cli.photo.metadata.ifd import Directory, Entry

XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:Description tiff:Orientation="%d" exif:PixelXDimension="7" xmp:Rating="3">'
    b"<exif:PixelYDimension>5</exif:PixelYDimension></rdf:Description></x:xmpmeta><?xpacket end='w'?>"
)
NOTE = bytes(range(256)) * 3 + b"maker"
THUMBNAIL = b"\xff\xd8 the noisy thumbnail \xff\xd9"
LOSSLESS = [
    (suffix, bits, is_grey, has_alpha)
    for suffix, bits, is_grey, has_alpha in itertools.product(
        (".png", ".tif", ".webp"), (8, 16), (False, True), (False, True)
    )
    if suffix != ".webp" or bits == 8
]


def make_exif(order: str = "<", orientation: int = 1, *, thumbnail: bool = False) -> bytes:
    """Makes a block as a camera does: maker, model, orientation, Exif with a note, GPS, a thumbnail."""
    short, long = order + "H", order + "I"
    inner = Directory(
        [
            Entry(33434, 5, 1, struct.pack(order + "II", 1, 250)),
            Entry(34855, 3, 1, struct.pack(short, 6400)),
            Entry(ifd.MAKER_NOTE_TAG, 7, len(NOTE), NOTE),
            Entry(40962, 3, 1, struct.pack(short, 7)),
            Entry(40963, 4, 1, struct.pack(long, 5)),
        ]
    )
    gps = Directory([Entry(1, 2, 2, b"N\0"), Entry(2, 5, 3, struct.pack(order + "6I", 52, 1, 31, 1, 12, 1))])
    entries = [
        Entry(271, 2, 8, b"Maker X\0"),
        Entry(272, 2, 4, b"M-1\0"),
        Entry(274, 3, 1, struct.pack(short, orientation)),
    ]
    block = ifd.pack_block(Directory(entries, {ifd.EXIF_IFD: inner, ifd.GPS_IFD: gps}), order)
    return _with_thumbnail(block, order) if thumbnail else block


def _with_thumbnail(block: bytes, order: str) -> bytes:
    count = struct.unpack_from(order + "H", block, 8)[0]
    link = 8 + 2 + 12 * count
    block += bytes(len(block) % 2)
    row = order + "HHII"
    place = len(block) + 2 + 2 * 12 + 4
    rows = struct.pack(row, 513, 4, 1, place) + struct.pack(row, 514, 4, 1, len(THUMBNAIL))
    second = struct.pack(order + "H", 2) + rows + bytes(4) + THUMBNAIL
    return block[:link] + struct.pack(order + "I", len(block)) + block[link + 4 :] + second


def make_photo(bits: int, *, is_grey: bool = False, has_alpha: bool = False, **facts: Any) -> Photo:
    random = np.random.default_rng(bits + is_grey)
    dtype = np.uint8 if bits == 8 else np.uint16
    pixels = random.integers(0, 2**bits, (5, 7, 3), dtype=dtype)
    if is_grey:
        pixels = np.repeat(pixels[:, :, :1], 3, axis=2)
    alpha = random.integers(0, 2**bits, (5, 7), dtype=dtype) if has_alpha else None
    if alpha is not None:
        alpha[:2] = 0  # fully transparent pixels keep their colours
    return Photo(pixels, alpha, is_grey=is_grey, **facts)


def camera_facts(exif: bytes) -> dict[str, Any]:
    """Reads a block with Pillow, independently of our own reader; bytes and numbers only."""
    seen = Image.Exif()
    seen.load(b"Exif\0\0" + exif)
    inner = seen.get_ifd(ifd.EXIF_IFD)
    return {
        "maker": seen[271],
        "orientation": seen.get(274),
        "note": inner[ifd.MAKER_NOTE_TAG],
        "iso": inner[34855],
        "exposure": float(inner[33434]),
        "size": (inner[40962], inner[40963]),
        "north": tuple(float(value) for value in seen.get_ifd(ifd.GPS_IFD)[2]),
    }


@pytest.mark.parametrize("kind", LOSSLESS, ids=str)
@pytest.mark.parametrize("order", ["<", ">"])
def test_everything_survives(tmp_path: Path, kind: tuple[str, int, bool, bool], order: str) -> None:
    suffix, bits, is_grey, has_alpha = kind
    photo = make_photo(
        bits,
        is_grey=is_grey,
        has_alpha=has_alpha,
        icc_profile=srgb_profile(),
        exif=make_exif(order),
        xmp=XMP % 1,
        dpi=(300.0, 150.0),
    )
    path = tmp_path / f"photo{suffix}"
    write_photo(photo, path, quality=100)
    back = read_photo(path)

    np.testing.assert_array_equal(back.pixels, photo.pixels)
    assert back.bit_depth == bits
    assert (back.alpha is None) == (not has_alpha)
    if photo.alpha is not None and back.alpha is not None:
        np.testing.assert_array_equal(back.alpha, photo.alpha)
    assert back.is_grey == (is_grey and suffix != ".webp")
    assert back.icc_profile == photo.icc_profile
    assert back.xmp == photo.xmp
    assert back.exif is not None
    assert camera_facts(back.exif) == camera_facts(make_exif(order))
    if suffix != ".webp":
        assert back.dpi == pytest.approx((300.0, 150.0), abs=0.02)  # PNG counts whole dots per metre
    assert back.notes == ()


@pytest.mark.parametrize("is_grey", [False, True])
def test_jpeg_keeps_what_it_can_hold(tmp_path: Path, is_grey: bool) -> None:
    smooth = np.linspace(40, 200, 64 * 48, dtype=np.float32).reshape(48, 64).astype(np.uint8)
    photo = Photo(
        np.repeat(smooth[:, :, None], 3, axis=2),
        is_grey=is_grey,
        icc_profile=b"a profile longer than a segment" * 4000,
        exif=make_exif(),
        xmp=XMP % 1,
        dpi=(300, 300),
    )
    write_photo(photo, tmp_path / "photo.jpg")
    back = read_photo(tmp_path / "photo.jpg")
    assert np.abs(back.pixels.astype(int) - photo.pixels).max() <= 2
    assert (back.is_grey, back.icc_profile, back.dpi) == (is_grey, photo.icc_profile, (300, 300))
    assert back.exif is not None
    assert camera_facts(back.exif) == camera_facts(make_exif()) | {"size": (64, 48)}
    with Image.open(tmp_path / "photo.jpg") as image:
        assert image.mode == "L" or {layer[1:3] for layer in image.layer} == {(1, 1)}  # 4:4:4


def test_resolution_survives_in_webp_without_exif(tmp_path: Path) -> None:
    write_photo(make_photo(8, dpi=(240.0, 240.0)), tmp_path / "photo.webp")
    assert read_photo(tmp_path / "photo.webp").dpi == (240.0, 240.0)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("is_grey", [False, True])
@pytest.mark.parametrize("has_alpha", [False, True])
def test_a_ramp_keeps_its_65536_levels(tmp_path: Path, suffix: str, is_grey: bool, has_alpha: bool) -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    channels = [ramp] * 3 if is_grey else [ramp, ramp[::-1], ramp.T]
    photo = Photo(np.dstack(channels), ramp.copy() if has_alpha else None, is_grey=is_grey)
    write_photo(photo, tmp_path / f"ramp{suffix}")
    back = read_photo(tmp_path / f"ramp{suffix}")
    np.testing.assert_array_equal(back.pixels, photo.pixels)
    assert len(np.unique(back.pixels[:, :, 2])) == 65536
    if has_alpha:
        np.testing.assert_array_equal(back.alpha, ramp)


def test_other_programs_read_the_tiff_alike(tmp_path: Path) -> None:
    photo = make_photo(8, exif=make_exif(">"), icc_profile=srgb_profile(), xmp=XMP % 1, dpi=(300.0, 300.0))
    write_photo(photo, tmp_path / "photo.tif")
    with Image.open(tmp_path / "photo.tif") as image:
        np.testing.assert_array_equal(np.asarray(image), photo.pixels)
        seen = image.getexif()
        assert (seen[271], image.info["icc_profile"], image.info["xmp"]) == (
            "Maker X",
            srgb_profile(),
            XMP % 1,
        )
        assert image.info["dpi"] == (300, 300)
        assert seen.get_ifd(ifd.EXIF_IFD)[ifd.MAKER_NOTE_TAG] == NOTE
        assert seen.get_ifd(ifd.GPS_IFD)[1] == "N"


def test_big_tiff_takes_the_same_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_writing, "MOST_IN_CLASSIC", 0)
    photo = make_photo(16, exif=make_exif(), icc_profile=srgb_profile())
    write_photo(photo, tmp_path / "photo.tif")
    assert (tmp_path / "photo.tif").read_bytes()[:4] == b"II+\0"
    with tifffile.TiffFile(tmp_path / "photo.tif") as written:
        assert written.pages[0].tags[ifd.EXIF_IFD].dtype == tifffile.DATATYPE.LONG8
    back = read_photo(tmp_path / "photo.tif")
    assert back.exif is not None
    assert back.icc_profile == srgb_profile()
    assert camera_facts(back.exif) == camera_facts(make_exif())
    np.testing.assert_array_equal(back.pixels, photo.pixels)


@pytest.mark.skipif(sys.platform == "win32", reason="files have no holes")
def test_big_tiff_beyond_4_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hole stands for the pixels that would make it so large; the directory lies behind it."""
    monkeypatch.setattr(tiff_writing, "MOST_IN_CLASSIC", 0)
    photo = make_photo(16, exif=make_exif(), icc_profile=srgb_profile())
    path = tmp_path / "photo.tif"
    write_photo(photo, path)
    with path.open("r+b") as file:
        file.truncate(5 * 2**30)
        tiff_directories.append_facts(photo, file, is_reserved=False)
    back = read_photo(path)
    np.testing.assert_array_equal(back.pixels, photo.pixels)
    assert back.icc_profile == srgb_profile()
    assert camera_facts(back.exif or b"") == camera_facts(make_exif())


@pytest.mark.parametrize("bits", [16, 32, 64])
@pytest.mark.parametrize("is_grey", [False, True])
def test_floating_point_is_read_as_16_bits(tmp_path: Path, bits: int, is_grey: bool) -> None:
    values = np.linspace(0, 1, 35 * 3).reshape(5, 7, 3)[:, :, : 1 if is_grey else 3].squeeze()
    settings = {"photometric": "minisblack" if is_grey else "rgb"}
    stored = values.astype(f"f{bits // 8}")
    path = tiff(tmp_path / "a.tif", stored, compression="zlib", predictor=True, **settings)
    photo = read_photo(path)
    assert (photo.bit_depth, photo.is_grey) == (16, is_grey)
    wanted = values[:, :, None] if is_grey else values
    np.testing.assert_allclose(photo.pixels / 65535, np.broadcast_to(wanted, (5, 7, 3)), atol=2.5e-4)
    assert photo.notes == (f"{bits}-bit floating point read as 16 bits",)


def test_floating_point_is_clipped_and_said_so(tmp_path: Path) -> None:
    values = np.full((10, 10, 4), 0.5, np.float32)
    values[0, 0] = (1.5, np.inf, np.nan, 1)
    values[0, 1, :3] = -0.1
    path = tiff(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["unassalpha"])
    photo = read_photo(path)
    assert photo.pixels[0, :2].tolist() == [[65535, 65535, 0], [0, 0, 0]]
    assert photo.pixels[5, 5].tolist() == [32768] * 3
    assert photo.alpha is not None
    assert (photo.alpha[0, 0], photo.alpha[5, 5]) == (65535, 32768)
    assert photo.notes[1:] == (
        "values above 1 clipped: 0.50% of them",
        "values that are not a number set to black",
    )


def write_oriented(path: Path, orientation: int) -> Image.Image:
    """Writes a tiny picture with the tag through Pillow; returns it as Pillow would show it."""
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    exif = b"Exif\0\0" + make_exif("<", orientation, thumbnail=True)
    if path.suffix == ".tif":
        image.save(path, tiffinfo={274: orientation})
    else:
        image.save(path, exif=exif, lossless=True, quality=100, xmp=XMP % orientation)
    with Image.open(path) as saved:
        return ImageOps.exif_transpose(saved).convert("RGB")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_orientation_is_applied_once(tmp_path: Path, orientation: int, suffix: str) -> None:
    path, second, third = (tmp_path / f"{name}{suffix}" for name in ("a", "b", "c"))
    shown = np.asarray(write_oriented(path, orientation))
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.pixels, shown)

    write_photo(photo, second, quality=100)
    with Image.open(second) as image:
        assert image.getexif().get(274, 1) == 1
        np.testing.assert_array_equal(
            np.asarray(ImageOps.exif_transpose(image).convert("RGB")).shape, shown.shape
        )
    again = read_photo(second)
    assert (again.height, again.width) == shown.shape[:2]
    if suffix != ".jpg":
        np.testing.assert_array_equal(again.pixels, shown)
    write_photo(again, third, quality=100)
    assert read_photo(third).exif == again.exif
    if suffix in (".jpg", ".webp"):
        assert b'tiff:Orientation="1"' in (again.xmp or b"")


@pytest.mark.parametrize("orientation", [1, 6])
def test_alpha_turns_with_the_pixels(tmp_path: Path, orientation: int) -> None:
    alpha = np.arange(35, dtype=np.uint8).reshape(5, 7)
    image = Image.fromarray(np.dstack([alpha] * 4))
    image.save(tmp_path / "a.png", exif=b"Exif\0\0" + make_exif("<", orientation))
    photo = read_photo(tmp_path / "a.png")
    np.testing.assert_array_equal(photo.alpha, photo.pixels[:, :, 0])


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_thumbnail_goes_and_the_size_follows(tmp_path: Path, order: str) -> None:
    exif, is_readable = patching.clean_exif(b"Exif\0\0" + make_exif(order, 6, thumbnail=True))
    assert is_readable
    assert exif is not None
    assert THUMBNAIL[:8] not in exif
    seen = Image.Exif()
    seen.load(b"Exif\0\0" + exif)
    assert not seen.get_ifd(ExifTags.IFD.IFD1)
    photo = make_photo(8, exif=exif, xmp=XMP % 1)
    doubled = photo.with_pixels(np.zeros((10, 14, 3), np.uint8))
    write_photo(doubled, tmp_path / "a.png")
    back = read_photo(tmp_path / "a.png")
    assert back.exif is not None
    assert camera_facts(back.exif) == camera_facts(make_exif(order)) | {"size": (14, 10)}
    assert b'exif:PixelXDimension="14"' in (back.xmp or b"")
    assert b"<exif:PixelYDimension>10<" in (back.xmp or b"")


def test_a_padded_thumbnail_goes_and_what_follows_it_stays() -> None:
    block = make_exif(thumbnail=True)
    padded, _ = patching.clean_exif(block + bytes(100))
    followed, _ = patching.clean_exif(block + b"a note's far end")
    assert padded is not None
    assert followed is not None
    assert len(padded) < len(block)
    assert THUMBNAIL not in followed
    assert len(followed) == len(block) + 16
    assert followed.endswith(b"a note's far end")


def test_damaged_exif_is_left_out_and_said_so(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.exif is None
    assert photo.notes == ("EXIF is damaged and not kept",)


def test_depth_conversion_rounds_and_comes_back() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    photo = Photo(np.dstack([every] * 3), every)
    wide = to_bit_depth(photo, 16)
    assert (wide.pixels.min(), wide.pixels.max()) == (0, 65535)
    np.testing.assert_array_equal(to_bit_depth(wide, 8).pixels, photo.pixels)
    np.testing.assert_array_equal(to_bit_depth(wide, 8).alpha, every)
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    narrow = to_bit_depth(Photo(np.dstack([levels] * 3)), 8).pixels[:, :, 0]
    np.testing.assert_array_equal(narrow, np.rint(levels / 257))


def test_a_new_size_needs_a_new_alpha() -> None:
    photo = make_photo(8, has_alpha=True)
    larger = np.zeros((10, 14, 3), np.uint8)
    with pytest.raises(ValueError, match="does not fit"):
        photo.with_pixels(larger)
    assert photo.with_pixels(larger, None).alpha is None
    assert photo.with_pixels(larger, np.zeros((10, 14), np.uint8)).width == 14


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_kinds_of_pixels(tmp_path: Path, mode: str, suffix: str) -> None:
    random = np.random.default_rng(1)
    image = Image.fromarray(random.integers(0, 256, (6, 8, 4), dtype=np.uint8)).convert("RGB").convert(mode)
    image.save(tmp_path / f"a{suffix}")
    photo = read_photo(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(photo.pixels, np.asarray(image.convert("RGB")))
    assert photo.is_grey == (mode in ("1", "L", "LA"))
    assert (photo.alpha is not None) == mode.endswith("A")
    assert photo.notes == (("palette converted to RGB",) if mode == "P" else ())


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("is_grey", [False, True])
def test_a_transparent_colour_becomes_alpha(tmp_path: Path, bits: int, is_grey: bool) -> None:
    photo = make_photo(bits, is_grey=is_grey)
    write_photo(photo, tmp_path / "a.png")
    key = [int(value) for value in photo.pixels[2, 3]][: 1 if is_grey else 3]
    body = b"tRNS" + struct.pack(f">{len(key)}H", *key)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    alpha = read_photo(tmp_path / "a.png").alpha
    assert alpha is not None
    assert alpha[2, 3] == 0
    assert alpha.max() == 2**bits - 1


def tiff(path: Path, image: Any, **settings: Any) -> Path:
    tifffile.imwrite(path, image, metadata=None, **settings)
    return path


@pytest.mark.parametrize(
    "settings",
    [
        {"compression": "lzw", "predictor": True},
        {"compression": "zlib"},
        {"tile": (16, 16)},
        {"byteorder": ">"},
        {"byteorder": ">", "compression": "zlib", "predictor": True, "tile": (16, 16)},
        {"planarconfig": "separate"},
        {"bigtiff": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_layouts(tmp_path: Path, settings: dict[str, Any], dtype: Any) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (40, 50, 3), dtype=dtype) * dtype(1)
    stored = np.moveaxis(pixels, -1, 0).copy() if "planarconfig" in settings else pixels
    path = tiff(tmp_path / "a.tif", stored, photometric="rgb", **settings)
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.pixels, pixels)
    assert photo.pixels.dtype == dtype
    assert photo.pixels.dtype.isnative


def test_tiff_twelve_bits_white_is_zero_and_premultiplied(tmp_path: Path) -> None:
    twelve = tiff(tmp_path / "12.tif", np.full((4, 4), 4095, np.uint16), bitspersample=12)
    assert read_photo(twelve).pixels.min() == 65535
    inverted = tiff(tmp_path / "white.tif", np.full((4, 4), 10, np.uint8), photometric="miniswhite")
    assert read_photo(inverted).pixels.max() == 245
    half = np.full((4, 4, 4), 100, np.uint8)
    path = tiff(tmp_path / "pre.tif", half, photometric="rgb", extrasamples=["assocalpha"])
    photo = read_photo(path)
    assert photo.pixels.min() == 255
    assert photo.notes == ("premultiplied alpha converted to plain alpha",)


def test_a_thumbnail_page_is_no_second_picture(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(np.full((8, 8, 3), 7, np.uint8), photometric="rgb", metadata=None)
        writer.write(np.zeros((2, 2, 3), np.uint8), photometric="rgb", subfiletype=1, metadata=None)
    assert read_photo(tmp_path / "a.tif").height == 8


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_becomes_srgb_and_says_so(tmp_path: Path, suffix: str) -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    image.save(tmp_path / f"a{suffix}")
    photo = read_photo(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(photo.pixels[0, 0], (255, 0, 0), atol=3)
    assert photo.icc_profile is None
    assert "CMYK" in photo.notes[0]


def test_a_grey_profile_goes_with_grey_and_is_resolved_for_webp(tmp_path: Path) -> None:
    grey = bytearray(srgb_profile())
    grey[16:20] = b"GRAY"
    photo = make_photo(8, is_grey=True, icc_profile=bytes(grey))
    write_photo(photo, tmp_path / "a.png")
    assert read_photo(tmp_path / "a.png").icc_profile == bytes(grey)
    write_photo(photo, tmp_path / "a.webp", quality=100)
    profile = read_photo(tmp_path / "a.webp").icc_profile
    assert profile is None or profile[16:20] == b"RGB "


def test_content_decides_and_not_the_suffix(tmp_path: Path) -> None:
    write_photo(make_photo(16), tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert (read_photo(tmp_path / "a.jpg").format, read_photo(tmp_path / "a.jpg").bit_depth) == ("png", 16)


def test_what_a_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="16 bits"):
        write_photo(make_photo(16), tmp_path / "a.jpg")
    with pytest.raises(OutputError, match="transparency"):
        write_photo(make_photo(8, has_alpha=True), tmp_path / "a.jpg")
    with pytest.raises(OutputError, match="16383"):
        check_writable(make_photo(8), tmp_path / "a.webp", scale=10000)
    with pytest.raises(OutputError, match="The XMP"):
        write_photo(make_photo(8, xmp=b" " * 70000), tmp_path / "a.jpg")
    with pytest.raises(OutputError, match="suffix"):
        write_photo(make_photo(8), tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []


def test_white_space_of_an_xmp_is_read_once() -> None:
    """A megabyte took hours when the end of white space was sought from every place in it; now this ends."""
    padding = b" " * 2**20
    packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + padding + b"</x:xmpmeta>"
    with pytest.raises(ValueError, match="holds no"):
        xmp.split(packet, 65000)


@pytest.mark.shared
def test_camera_photos_keep_every_exif_value(tmp_path: Path) -> None:
    photos = sorted((SHARED / "data/train/cameras").glob("*.jpg"))[::4]
    for path in photos:
        photo = read_photo(path)
        write_photo(photo, tmp_path / path.name)
        back = read_photo(tmp_path / path.name)
        assert back.icc_profile == photo.icc_profile
        assert (back.xmp is None) == (photo.xmp is None)
        if photo.exif is None:
            continue
        before, after = (ifd.read_block(block)[0] for block in (photo.exif, back.exif or b""))
        kept = {entry.tag: entry for entry in before.children.get(ifd.EXIF_IFD, Directory([])).entries}
        new = {entry.tag: entry for entry in after.children.get(ifd.EXIF_IFD, Directory([])).entries}
        assert kept.keys() == new.keys()
        assert all(kept[tag] == new[tag] for tag in kept if tag not in (40962, 40963)), path


def test_a_damaged_png_chunk_costs_only_itself(tmp_path: Path) -> None:
    photo = make_photo(16, icc_profile=srgb_profile(), xmp=XMP % 1, dpi=(300.0, 300.0))
    write_photo(photo, tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[data.index(b"iCCP") + 30] ^= 0xFF
    data[data.index(b"pHYs") + 5] ^= 0xFF
    (tmp_path / "a.png").write_bytes(data)
    back = read_photo(tmp_path / "a.png")
    np.testing.assert_array_equal(back.pixels, photo.pixels)
    assert (back.icc_profile, back.dpi, back.xmp) == (None, None, photo.xmp)
    assert back.notes == ("damaged PNG chunks not kept: iCCP, pHYs",)
    # libpng prints into C's buffer, which shows when the process ends.
    script = "import sys, pathlib, nsp_cli.photo as p; p.read_photo(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", script, str(tmp_path / "a.png")]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("", "")


def test_values_start_at_even_bytes() -> None:
    odd = [Entry(tag, 7, 9, b"nine byte") for tag in (1000, 1001)]
    block = ifd.pack_block(Directory(odd), "<")
    assert [struct.unpack_from("<I", block, 10 + 12 * row + 8)[0] % 2 for row in range(2)] == [0, 0]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_are_widened(tmp_path: Path, bits: int) -> None:
    """A hand-made grey PNG: libpng widens it so that white stays white."""
    rows = b"".join(b"\0" + bytes([255] * bits) for _ in range(8))  # 8 pixels a row, all white
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 8, 8, bits, 0, 0, 0, 0)), (b"IDAT", zlib.compress(rows))]
    packed = (
        struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b))
        for n, b in [*chunks, (b"IEND", b"")]
    )
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    photo = read_photo(tmp_path / "a.png")
    assert (photo.pixels.min(), photo.is_grey, photo.bit_depth) == (255, True, 8)
