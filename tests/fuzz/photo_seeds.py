"""Small whole photos of every kind that nsp reads, of our own making: what the mutations start from."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from nsp_cli.photo import Photo, write_photo
from nsp_cli.photo.colour import srgb_profile
from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.metadata.ifd import Directory, Entry

HEIGHT, WIDTH = 24, 32
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" exif:PixelXDimension="32">'
    b"<exif:PixelYDimension>24</exif:PixelYDimension></rdf:Description></x:xmpmeta>"
)
_NOTE = bytes(range(256)) + b"maker"
_THUMBNAIL = b"\xff\xd8 a thumbnail \xff\xd9"


@cache
def photo_seeds(kind: str) -> tuple[bytes, ...]:
    """Returns the whole files of a kind, such as "jpeg"."""
    seeds = {
        "jpeg": _jpegs,
        "png": _pngs,
        "tiff": _tiffs,
        "webp": _webps,
        "dng": _dngs,
        "bmp": _bmps,
        "pnm": _pnms,
        "avif": _avifs,
    }
    return tuple(seeds[kind]())


def _pixels(bits: int = 8, channels: int = 3) -> Any:
    noise = np.random.default_rng(bits + channels).normal(0, 0.03, (HEIGHT, WIDTH, channels))
    slope = np.linspace(0.1, 0.9, WIDTH)[None, :, None]
    top = 2**bits - 1
    return np.rint(np.clip(slope + noise, 0, 1) * top).astype(np.uint8 if bits == 8 else np.uint16)


def _exif(order: str, orientation: int) -> bytes:
    def short(value: int) -> bytes:
        return struct.pack(order + "H", value)

    shot = [
        Entry(33434, 5, 1, struct.pack(order + "II", 1, 250)),
        Entry(34855, 3, 1, short(6400)),
        Entry(ifd.MAKER_NOTE_TAG, 7, len(_NOTE), _NOTE),
        Entry(40962, 3, 1, short(WIDTH)),
        Entry(40963, 3, 1, short(HEIGHT)),
    ]
    gps = [Entry(1, 2, 2, b"N\0"), Entry(2, 5, 3, struct.pack(order + "6I", 52, 1, 31, 1, 12, 1))]
    first = [
        Entry(271, 2, 8, b"Maker X\0"),
        Entry(274, 3, 1, short(orientation)),
        Entry(282, 5, 1, struct.pack(order + "II", 300, 1)),
        Entry(283, 5, 1, struct.pack(order + "II", 300, 1)),
        Entry(296, 3, 1, short(2)),
    ]
    children = {ifd.EXIF_IFD: Directory(shot), ifd.GPS_IFD: Directory(gps)}
    return _with_thumbnail(ifd.pack_block(Directory(first, children), order), order, 7)


def _with_thumbnail(block: bytes, order: str, rows: int) -> bytes:
    link = 8 + 2 + 12 * rows
    start = len(block) + len(block) % 2
    place = start + 2 + 2 * 12 + 4
    second = struct.pack(order + "H", 2) + struct.pack(order + "HHII", 513, 4, 1, place)
    second += struct.pack(order + "HHII", 514, 4, 1, len(_THUMBNAIL)) + bytes(4) + _THUMBNAIL
    return (block[:link] + struct.pack(order + "I", start) + block[link + 4 :]).ljust(start, b"\0") + second


def _facts(order: str = "<", orientation: int = 6) -> dict[str, Any]:
    return {"icc_profile": srgb_profile(), "exif": _exif(order, orientation), "xmp": XMP}


def _written(photo: Photo, name: str, quality: int = 90) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        write_photo(photo, path, quality=quality)
        return path.read_bytes()


def _saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def _tagged(order: str, orientation: int = 6) -> dict[str, Any]:
    return {"exif": b"Exif\0\0" + _exif(order, orientation), "icc_profile": srgb_profile(), "xmp": XMP}


def _jpegs() -> list[bytes]:
    image = Image.fromarray(_pixels())
    return [
        _saved(image, "JPEG", quality=90, **_tagged("<")),
        _saved(image, "JPEG", quality=80, progressive=True, dpi=(300, 300), **_tagged(">", 8)),
        _saved(image.convert("L"), "JPEG", quality=90, restart_marker_blocks=2),
        _saved(image.convert("CMYK"), "JPEG", quality=90, icc_profile=b"\0" * 16 + b"CMYK" + b"\0" * 200),
        _with_attachments(image),
    ]


def _with_attachments(image: Image.Image) -> bytes:
    """Makes a photo of a phone: segments of applications, each thing twice, a gain map and a video."""
    packet = b"http://ns.adobe.com/xap/1.0/\0" + XMP
    note = b"8BIM\4\4\0\0\0\0\0\x08\x1c\2\x78\0\3abc"
    parts = [(0xFE, b"words"), (0xE3, b"Meta\0\0k"), (0xEB, b"JP\0\1c2pa"), (0xED, b"Photoshop 3.0\0" + note)]
    parts += [(0xE1, packet), (0xE1, packet)]
    extra = b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in 2 * parts)
    gain_map = _saved(image.convert("L").reduce(4), "JPEG", xmp=b"http://ns.adobe.com/hdr-gain-map/1.0/")
    video = struct.pack(">I8s", 16, b"ftypmp42") + bytes(40)
    return _saved(image, "JPEG", quality=90, extra=extra) + gain_map + video


def _pngs() -> list[bytes]:
    image = Image.fromarray(_pixels())
    key = {"transparency": 3}
    return [
        _written(Photo(_pixels(), dpi=(300.0, 300.0), **_facts()), "a.png"),
        _written(Photo(_pixels(16), _pixels(16, 1)[:, :, 0], **_facts(">", 3)), "a.png"),
        _saved(image.quantize(16), "PNG", **key, **_tagged("<")),
        _saved(image.convert("1"), "PNG"),
        _saved(image.convert("LA"), "PNG"),
        _with_chunks(_written(Photo(_pixels()), "a.png")),
        _interlaced(),
    ]


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _with_chunks(data: bytes) -> bytes:
    """Adds colours in numbers, texts, and profiles hidden in texts."""
    colours = [(b"gAMA", struct.pack(">I", 100_000)), (b"cICP", bytes([9, 1, 0, 1]))]
    points = (31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
    texts = [(b"tEXt", b"Title\0Caf\xe9"), (b"iTXt", b"Author\0\0\0fr\0\0\xe5\x86\x99")]
    for kind, content in (
        ("exif", b"Exif\0\0" + _exif("<", 6)),
        ("iptc", b"\x1c\2\x78\0\3abc"),
        ("xmp", XMP),
    ):
        text = f"\n{kind}\n{len(content):8}\n{content.hex()}\n".encode()
        texts.append((b"zTXt", f"Raw profile type {kind}".encode() + b"\0\0" + zlib.compress(text)))
    chunks = [*colours, (b"cHRM", struct.pack(">8I", *points)), *texts, *texts[:1], (b"tIME", bytes(7))]
    return data[:33] + b"".join(_chunk(*each) for each in chunks) + data[33:]


def _interlaced() -> bytes:
    """Makes an interlaced picture without filtering."""
    pixels, rows = _pixels(), b""
    passes = (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    )
    for left, top, across, down in passes:
        rows += b"".join(b"\0" + row.tobytes() for row in pixels[top::down, left::across])
    header = _chunk(b"IHDR", struct.pack(">II5B", WIDTH, HEIGHT, 8, 2, 0, 0, 1))
    return b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _avifs() -> list[bytes]:
    image, alpha = Image.fromarray(_pixels()), Image.fromarray(_pixels(8, 4))
    return [
        _saved(image, "AVIF", quality=90, **_tagged("<", 1)),
        _saved(alpha, "AVIF", quality=90, **_tagged(">", 3)),
        _saved(image.convert("L"), "AVIF", quality=90),
    ]


def _tiffs() -> list[bytes]:
    image = Image.fromarray(_pixels())
    return [
        _written(Photo(_pixels(), dpi=(300.0, 300.0), **_facts()), "a.tif"),
        _written(Photo(_pixels(16), _pixels(16, 1)[:, :, 0], **_facts(">", 3)), "a.tif"),
        _tiff(_pixels(), photometric="rgb", tile=(16, 16), compression="lzw", predictor=True),
        _tiff(_pixels(16), photometric="rgb", bigtiff=True, rowsperstrip=4),
        _tiff(_pixels(8, 4), photometric="separated", byteorder=">"),
        _tiff(np.moveaxis(_pixels(), -1, 0).copy(), photometric="rgb", planarconfig="separate"),
        _tiff(_pixels(), photometric="ycbcr", compression="jpeg", subsampling=(2, 2), tile=(16, 16)),
        _saved(image.quantize(16), "TIFF", compression="packbits"),
        _saved(image.convert("1"), "TIFF"),
        _several_pages(),
    ]


def _several_pages() -> bytes:
    """Makes a photo with a thumbnail, a mask and chromaticities."""
    file = io.BytesIO()
    points = (64, 100, 33, 100, 30, 100, 60, 100, 15, 100, 6, 100)
    tags = [(318, 5, 2, (3127, 10000, 329, 1000), True), (319, 5, 6, points, True)]
    with tifffile.TiffWriter(file) as tiff:
        tiff.write(_pixels(), photometric="rgb", metadata=None, extratags=tags)
        tiff.write(_pixels()[::4, ::4], photometric="rgb", subfiletype=1, metadata=None)
        tiff.write(_pixels()[:, :, 0] > 99, photometric="minisblack", subfiletype=4, metadata=None)
    return file.getvalue()


def _tiff(pixels: Any, **settings: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, metadata=None, **settings)
    return file.getvalue()


def _webps() -> list[bytes]:
    image = Image.fromarray(_pixels())
    alpha = Image.fromarray(_pixels(8, 4))
    return [
        _saved(image, "WEBP", quality=90, **_tagged("<")),
        _saved(alpha, "WEBP", quality=90, **_tagged(">", 5)),
        _saved(alpha, "WEBP", lossless=True, exact=True),
        _saved(image, "WEBP", quality=50),
    ]


def _bmps() -> list[bytes]:
    image = Image.fromarray(_pixels())
    return [
        _written(Photo(_pixels(), dpi=(300.0, 300.0)), "a.bmp"),
        _saved(image.quantize(16), "BMP"),
        _saved(image.convert("L"), "BMP"),
        _saved(image.convert("1"), "BMP"),
    ]


def _pnms() -> list[bytes]:
    numbers = " ".join(map(str, _pixels().ravel())).encode()
    return [
        _written(Photo(_pixels()), "a.ppm"),
        _written(Photo(_pixels(16)), "a.ppm"),
        _written(Photo(_pixels(), is_grey=True), "a.pgm"),
        b"P3 # plain\n%d %d 255\n" % (WIDTH, HEIGHT) + numbers,
    ]


def _dngs() -> list[bytes]:
    mosaic = _pixels(16, 1)[:, :, 0] // 4
    pattern = [(33421, 3, 2, (2, 2), False), (33422, 1, 4, bytes([0, 1, 1, 2]), False)]
    linear = _pixels(16) // 4
    return [
        _dng(mosaic, 32803, pattern),
        _dng(mosaic, 32803, pattern, byteorder=">"),
        _dng(linear, 34892, [(277, 3, 1, 3, True)]),
        _dng(mosaic, 32803, pattern, tile=(16, 16)),
    ]


def _dng(pixels: Any, photometric: int, extra: list[Any], **settings: Any) -> bytes:
    tags = [
        (271, 2, 0, "Maker X", True),
        (272, 2, 0, "M-1", True),
        (50706, 1, 4, bytes([1, 4, 0, 0]), True),
        (50707, 1, 4, bytes([1, 1, 0, 0]), True),
        (50708, 2, 0, "Maker X M-1", True),
        (50717, 4, 1, 16383, True),
        (50721, 10, 9, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1), True),
        (50728, 5, 3, (1, 2, 1, 1, 2, 3), True),
        (50778, 3, 1, 21, True),
    ]
    tags += [tag for tag in extra if tag[0] != 277]
    return _tiff(pixels, photometric=photometric, extratags=tags, software=False, **settings)
