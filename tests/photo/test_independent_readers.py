"""Metadata of PNG, WebP and AVIF, written and read by others: a mistake of nsp's own reader cannot hide here.

Pillow makes a file, nsp reads it and writes another, and Pillow and exiv2 say what is in that. Where they
forgive what the standards forbid, the bytes are looked at.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from nsp_cli.photo import read_photo, write_photo

SUFFIXES = [".png", ".webp", ".avif"]
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4" xmp:Label="Grün"/>'
    "</rdf:RDF></x:xmpmeta>"
).encode()
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
BASE, INNER, GPS = ExifTags.Base, ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo
# Tags that nsp sets or takes away on purpose.
CHANGED = {BASE.Orientation, BASE.Software, BASE.XResolution, BASE.YResolution, BASE.ResolutionUnit}
CHANGED |= {INNER, GPS}


def camera_exif(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[BASE.Make], exif[BASE.Model], exif[BASE.Orientation] = "Maker", "Model 7", orientation
    exif[BASE.DateTime], exif[BASE.Copyright] = "2026:11:28 12:00:00", "somebody"
    inner = {BASE.ExposureTime: (1, 125), BASE.ISOSpeedRatings: 6400, BASE.LensModel: "50 mm"}
    exif.get_ifd(INNER).update(inner | {BASE.MakerNote: b"note" * 9})
    exif.get_ifd(GPS).update({ExifTags.GPS.GPSLatitudeRef: "N", ExifTags.GPS.GPSLatitude: (47.0, 22.0, 30.5)})
    return exif


def pixels() -> np.ndarray:
    """Reddish to the right and greenish downwards: lossy formats keep that, and every turn shows."""
    rows, columns = np.mgrid[:16, :24]
    return np.stack([10 * columns, 15 * rows, 0 * rows], axis=2).astype(np.uint8)


def foreign_file(path: Path, orientation: int = 1) -> Path:
    """Makes a file with all metadata, by Pillow alone."""
    settings: dict[str, Any] = {"icc_profile": PROFILE, "exif": camera_exif(orientation).tobytes()}
    if path.suffix == ".png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        settings["pnginfo"] = info
    else:
        settings["xmp"] = XMP
    if path.suffix == ".webp":
        settings["lossless"] = True
    Image.fromarray(pixels()).save(path, **settings)
    return path


def by_pillow(path: Path) -> dict[str, Any]:
    """What Pillow reads, apart from what nsp changes on purpose."""
    with Image.open(path) as image:
        exif = image.getexif()
        packet = image.info["xmp"]
        return {
            "profile": image.info["icc_profile"],
            "exif": {tag: value for tag, value in exif.items() if tag not in CHANGED},
            "inner": dict(exif.get_ifd(INNER)),
            "gps": dict(exif.get_ifd(GPS)),
            "orientation": exif.get(BASE.Orientation, 1),
            "xmp": properties(packet if isinstance(packet, bytes) else packet.encode()),
        }


def properties(packet: bytes) -> dict[str, str]:
    """Attributes of a packet's descriptions, without what nsp adds."""
    found = {}
    for element in ElementTree.parse(BytesIO(packet.strip(b"\0 \n"))).iter():
        found |= {name: value for name, value in element.attrib.items() if "ns.adobe.com/xap" in name}
    return found


def written(source: Path, suffix: str) -> Path:
    target = source.with_name(f"result{suffix}")
    write_photo(read_photo(source), target)
    return target


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_pillow_finds_what_it_wrote(tmp_path: Path, source: str, suffix: str) -> None:
    before = foreign_file(tmp_path / f"photo{source}")
    expected = by_pillow(before)
    assert expected["gps"][ExifTags.GPS.GPSLatitudeRef] == "N"
    assert expected["inner"][BASE.ISOSpeedRatings] == 6400
    assert len(expected["xmp"]) == 2
    assert by_pillow(written(before, suffix)) == expected


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_a_turned_photo_is_turned_once(tmp_path: Path, source: str, suffix: str) -> None:
    after = written(foreign_file(tmp_path / f"photo{source}", orientation=6), suffix)
    assert by_pillow(after)["orientation"] == 1
    with Image.open(after) as image:
        found = np.asarray(image.convert("RGB")).astype(int)
    assert found.shape == (24, 16, 3)
    assert np.abs(found - np.rot90(pixels(), -1)).mean() < 10


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_exiv2_finds_what_it_found_before(tmp_path: Path, source: str, suffix: str) -> None:
    pytest.importorskip("exiv2")
    before = foreign_file(tmp_path / f"photo{source}")
    expected = by_exiv2(before)
    assert expected["Exif.Photo.ISOSpeedRatings"] == "6400"
    assert expected["Xmp.xmp.Rating"] == "4"
    assert by_exiv2(written(before, suffix)) == expected


def by_exiv2(path: Path) -> dict[str, Any]:
    """What exiv2 reads, apart from what nsp changes on purpose."""
    import exiv2

    image = exiv2.ImageFactory.open(str(path))
    image.readMetadata()
    values = {datum.key(): datum.toString() for data in (image.exifData(), image.xmpData()) for datum in data}
    changed = ("Resolution", "Orientation", "Software", "ExifTag", "GPSTag", "MakerNote.", "CreatorTool")
    kept = {key: value for key, value in values.items() if not any(part in key for part in changed)}
    return kept | {"profile": bytes(image.iccProfile().data())}


def png_chunks(data: bytes) -> dict[bytes, bytes]:
    chunks, place = {}, 8
    while place < len(data):
        (size,) = struct.unpack_from(">I", data, place)
        chunks[data[place + 4 : place + 8]] = data[place + 8 : place + 8 + size]
        place += size + 12
    return chunks


def test_png_chunks_are_what_the_standard_asks_for(tmp_path: Path) -> None:
    """Pillow would forgive a prefix before EXIF."""
    chunks = png_chunks(written(foreign_file(tmp_path / "photo.webp"), ".png").read_bytes())
    assert chunks[b"eXIf"][:4] in (b"II*\0", b"MM\0*")
    name, _, packed = chunks[b"iCCP"].partition(b"\0")
    assert 1 <= len(name) < 80
    assert packed[0] == 0
    assert zlib.decompress(packed[1:]) == PROFILE
    keyword, _, rest = chunks[b"iTXt"].partition(b"\0")
    assert keyword == b"XML:com.adobe.xmp"
    assert rest[:4] == bytes(4)  # not packed, no language, no translated keyword
    assert properties(rest[4:])
    order = list(chunks)
    assert order.index(b"iCCP") < order.index(b"IDAT")


def test_webp_flags_announce_what_follows(tmp_path: Path) -> None:
    """Readers skip what the first chunk does not announce, however well it is written."""
    data = written(foreign_file(tmp_path / "photo.png"), ".webp").read_bytes()
    assert data[:4] + data[8:16] == b"RIFFWEBPVP8X"
    assert struct.unpack_from("<I", data, 4)[0] + 8 == len(data)
    assert data[20] & 0x2C == 0x2C  # profile, EXIF, XMP
    order, place = [], 12
    while place < len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        order.append(name)
        if name == b"EXIF":
            assert data[place + 8 : place + 12] in (b"II*\0", b"MM\0*")
        place += 8 + size + size % 2
    assert order[1] == b"ICCP"
    assert order[-2:] == [b"EXIF", b"XMP "]
