"""Gain maps and videos behind a JPEG: kept in JPEG, and promised by no file that lacks them."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, MpoImagePlugin
from test_extras import copied, segment
from test_photo import make_exif

from nsp_cli.errors import InputError
from nsp_cli.photo import photo_size, read_photo, write_photo
from nsp_cli.photo.metadata import jpeg_segments, xmp
from nsp_cli.photo.metadata.jpeg_segments import XMP_PREFIX

WIDTH, HEIGHT = 64, 48
VIDEO = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 4
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
NAMES = (
    'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" xmlns:a="urn:a" '
    'xmlns:Camera="http://ns.google.com/photos/1.0/camera/" '
    'xmlns:Container="http://ns.google.com/photos/1.0/container/" '
    'xmlns:Item="http://ns.google.com/photos/1.0/container/item/"'
)


def packet(body: str, attributes: str = "") -> bytes:
    description = f'<rdf:Description rdf:about="" {NAMES} {attributes}>{body}</rdf:Description>'
    rdf = f'<rdf:RDF xmlns:rdf="{RDF}">{description}</rdf:RDF>'
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{rdf}</x:xmpmeta>'.encode()


def gain_map() -> bytes:
    """Makes a small JPEG that is bright at the top left."""
    values = np.zeros((HEIGHT // 4, WIDTH // 4), np.uint8)
    values[:4, :4] = 250
    file = io.BytesIO()
    Image.fromarray(values).save(file, "JPEG", quality=98)
    own = segment(0xE1, XMP_PREFIX + packet("", 'hdrgm:Version="1.0" hdrgm:GainMapMax="3"'))
    return file.getvalue()[:2] + own + file.getvalue()[2:]


def item(facts: dict[str, object], *, as_elements: bool) -> str:
    if as_elements:
        body = "".join(f"<Item:{name}>{value}</Item:{name}>" for name, value in facts.items())
        return f'<Container:Item rdf:parseType="Resource">{body}</Container:Item>'
    attributes = "".join(f' Item:{name}="{value}"' for name, value in facts.items())
    return f"<Container:Item{attributes}/>"


def promising(*attached: tuple[str, int], padding: int = 0, as_elements: bool = False) -> bytes:
    items = [("Primary", 0), *attached]
    rows = ""
    for name, length in items:
        facts = {"Semantic": name, "Mime": "x", "Length": length}
        own = {"Padding": padding} if name == "Primary" else {}
        rows += f'<rdf:li rdf:parseType="Resource">{item(facts | own, as_elements=as_elements)}</rdf:li>'
    directory = f"<Container:Directory><rdf:Seq>{rows}</rdf:Seq></Container:Directory><a:kept>yes</a:kept>"
    flags = 'hdrgm:Version="1.0" Camera:MotionPhoto="1" Camera:MicroVideoOffset="1044" a:too="1"'
    return packet(directory, flags)


def phone_photo(
    path: Path,
    *,
    has_map: bool = True,
    has_video: bool = True,
    orientation: int = 1,
    padding: int = 0,
    as_elements: bool = False,
    promised: tuple[str, ...] | None = None,
) -> Path:
    made = gain_map()
    lengths = {"GainMap": len(made), "MotionPhoto": len(VIDEO), "Depth": 9}
    names = ("GainMap",) * has_map + ("MotionPhoto",) * has_video if promised is None else promised
    attached = [(name, lengths[name]) for name in names]
    parts = segment(0xE1, XMP_PREFIX + promising(*attached, padding=padding, as_elements=as_elements))
    picture = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(picture, "JPEG", exif=b"Exif\0\0" + make_exif("<", orientation), extra=parts)
    path.write_bytes(picture.getvalue() + bytes(padding) + made * has_map + VIDEO * has_video)
    return path


def second_picture(path: Path) -> bytes:
    """Finds the second picture by the index of the file (CIPA DC-007), as other programs do."""
    data = path.read_bytes()
    found = re.search(rb"\xff\xe2..MPF\0", data, re.DOTALL)
    assert found is not None
    start = found.end()
    assert data[start : start + 4] == b"MM\0*"
    entries = start + struct.unpack_from(">I", data, start + 8 + 2 + 24 + 8)[0]
    (_, own_size, own_place), (_, size, place) = (
        struct.unpack_from(">III", data, entries + 16 * number) for number in range(2)
    )
    assert (own_place, data[own_size - 2 : own_size]) == (0, b"\xff\xd9")
    return data[start + place : start + place + size]


def as_picture(data: bytes) -> Any:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image).astype(int)


@pytest.mark.parametrize("as_elements", [False, True])
@pytest.mark.parametrize("padding", [0, 9])
def test_a_jpeg_keeps_both(tmp_path: Path, padding: int, as_elements: bool) -> None:
    source = phone_photo(tmp_path / "a.jpg", padding=padding, as_elements=as_elements)
    target, written = copied(source, ".jpg")
    assert written.left_out == ()
    assert second_picture(target) == gain_map()
    data = target.read_bytes()
    assert data.endswith(bytes(padding) + gain_map() + VIDEO)
    assert read_photo(target).xmp == read_photo(source).xmp


def test_pillow_finds_the_gain_map(tmp_path: Path) -> None:
    target, _ = copied(phone_photo(tmp_path / "a.jpg", has_video=False), ".jpg")
    with target.open("rb") as file:  # Image.open hides the gain map
        image = MpoImagePlugin.MpoImageFile(file)
        assert image.n_frames == 2
        image.seek(1)
        image.load()
        assert image.size == (WIDTH // 4, HEIGHT // 4)


def test_the_index_says_which_picture_is_the_photo(tmp_path: Path) -> None:
    target, _ = copied(phone_photo(tmp_path / "a.jpg", has_video=False), ".jpg")
    data = target.read_bytes()
    place = data.index(b"MPF\0MM\0*") + 4 + 50
    kinds = [struct.unpack_from(">I", data, place + 16 * number)[0] for number in range(2)]
    assert kinds == [0x030000, 0]  # "baseline MP primary image", and a picture of no stated type


@pytest.mark.parametrize("as_elements", [False, True])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_gain_map_is_turned_with_the_photo(tmp_path: Path, orientation: int, as_elements: bool) -> None:
    source = phone_photo(tmp_path / "a.jpg", orientation=orientation, as_elements=as_elements)
    target, written = copied(source, ".jpg")
    assert written.left_out == ()
    found = second_picture(target)
    wanted = Image.fromarray(as_picture(gain_map()).astype(np.uint8))
    wanted.getexif()[274] = orientation
    assert np.abs(as_picture(found) - np.asarray(ImageOps.exif_transpose(wanted)).astype(int)).max() < 12
    assert b"GainMapMax" in found
    lengths = xmp.properties(read_photo(target).xmp or b"")
    assert str(len(found)) in lengths.values()
    assert len(found) != len(gain_map())
    assert str(len(VIDEO)) in lengths.values()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".avif"])
def test_other_formats_say_so_and_promise_nothing(tmp_path: Path, suffix: str) -> None:
    source = phone_photo(tmp_path / "a.jpg")
    target, written = copied(source, suffix)
    assert written.left_out[0].startswith("gain map, video not kept")
    found = xmp.properties(read_photo(target).xmp or b"")
    assert sorted(found) == ["{urn:a}kept", "{urn:a}too"]
    assert any("gain map" in text for text in written.changed)


def test_a_promise_that_the_photo_itself_breaks_is_removed(tmp_path: Path) -> None:
    """Some program before nsp cut what was attached."""
    source = phone_photo(tmp_path / "a.jpg")
    data = source.read_bytes()
    source.write_bytes(data[: jpeg_segments.picture_end(data)])
    target, _ = copied(source, ".jpg")
    assert sorted(xmp.properties(read_photo(target).xmp or b"")) == ["{urn:a}kept", "{urn:a}too"]


@pytest.mark.parametrize("as_elements", [False, True])
@pytest.mark.parametrize("kept", ["GainMap", "MotionPhoto"])
def test_a_promise_that_is_broken_in_part_is_removed_in_part(
    tmp_path: Path, kept: str, as_elements: bool
) -> None:
    source = phone_photo(
        tmp_path / "a.jpg",
        has_map=kept == "GainMap",
        has_video=kept == "MotionPhoto",
        promised=("Depth", "GainMap", "MotionPhoto"),
        as_elements=as_elements,
    )
    target, _ = copied(source, ".jpg")
    found = xmp.properties(read_photo(target).xmp or b"")
    assert [value for name, value in found.items() if "Semantic" in name] == ["Primary", kept]
    plain = {name.rpartition("}")[2] for name in found if "Directory" not in name}
    video = {"MotionPhoto", "MicroVideoOffset"}
    assert plain == {"kept", "too"} | ({"Version"} if kept == "GainMap" else video)


def test_an_attachment_of_another_kind_is_no_longer_listed(tmp_path: Path) -> None:
    names = ("GainMap", "Depth", "MotionPhoto")
    target, _ = copied(phone_photo(tmp_path / "a.jpg", promised=names), ".jpg")
    found = xmp.properties(read_photo(target).xmp or b"")
    assert [value for name, value in found.items() if "Semantic" in name] == [
        "Primary",
        "GainMap",
        "MotionPhoto",
    ]


def test_previews_are_not_kept(tmp_path: Path) -> None:
    """They show the photo before denoising."""
    first = Image.new("RGB", (8, 8))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[first])
    target, written = copied(tmp_path / "a.jpg", ".jpg")
    assert "a further picture" in written.left_out[0]
    assert b"MPF" not in target.read_bytes()


@pytest.mark.parametrize("text", [b"MPF\0MM\0* and what would be an index", b"MPF\0"])
def test_letters_of_the_index_in_other_blocks_stay(tmp_path: Path, text: bytes) -> None:
    source = phone_photo(tmp_path / "a.jpg")
    data, comment = source.read_bytes(), segment(0xFE, text)
    source.write_bytes(data[:2] + comment + data[2:])
    target, written = copied(source, ".jpg")
    assert written.left_out == ()
    assert second_picture(target) == gain_map()
    assert comment in target.read_bytes()


def test_a_further_gain_map_is_named(tmp_path: Path) -> None:
    source = phone_photo(tmp_path / "a.jpg", has_video=False)
    source.write_bytes(source.read_bytes() + gain_map())
    target, written = copied(source, ".jpg")
    assert written.left_out == ("a further gain map not kept",)
    assert second_picture(target) == gain_map()


def test_a_gain_map_with_too_many_segments(tmp_path: Path) -> None:
    source = phone_photo(tmp_path / "a.jpg", has_map=False, has_video=False)
    source.write_bytes(source.read_bytes() + b"\xff\xd8" + b"\xff\xe5\0\2" * 65_537)
    with pytest.raises(InputError, match="not plausible"):
        read_photo(source)


def test_enlarged_photos_keep_their_gain_map(tmp_path: Path) -> None:
    """It is stretched over its photo, whatever the size of both."""
    photo = read_photo(phone_photo(tmp_path / "a.jpg", has_video=False))
    larger = photo.with_pixels(np.repeat(np.repeat(photo.pixels, 2, 0), 2, 1))
    write_photo(larger, tmp_path / "b.jpg")
    assert photo_size(tmp_path / "b.jpg") == (2 * WIDTH, 2 * HEIGHT)
    assert second_picture(tmp_path / "b.jpg") == gain_map()


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("padding", [0, 9])
def test_an_enlargement_keeps_both(run_nsp: Any, tmp_path: Path, padding: int, orientation: int) -> None:
    """A gain map is stretched over its picture, whatever the sizes of both (ISO 21496-1)."""
    source = phone_photo(tmp_path / "a.jpg", padding=padding, orientation=orientation)
    run = run_nsp("upscale", source, "--x2")
    assert run.code == 0, run.err
    target = tmp_path / "a_x2.jpg"
    before, after = read_photo(source), read_photo(target)
    assert (after.width, after.height) == (2 * before.width, 2 * before.height)
    found = second_picture(target)
    assert found == before.extras[0].content
    assert target.read_bytes().endswith(bytes(padding) + found + VIDEO)
    assert promised_lengths(after.xmp) == promised_lengths(before.xmp) == {0, len(found), len(VIDEO)}
    with Image.open(io.BytesIO(found)) as image, Image.open(target) as whole:
        assert image.width / image.height == whole.width / whole.height


def promised_lengths(packet: bytes | None) -> set[int]:
    found = xmp.properties(packet or b"")
    return {int(str(value)) for name, value in found.items() if "Length" in name}
