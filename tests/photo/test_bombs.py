"""No small file takes more than 30 seconds, or 2 GB beside its pixels, before it is read or refused."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsp_cli.photo.metadata import xmp
from tests.counting import at_most_calls
from tests.photo.test_attached import packet
from tests.photo.test_heif_items import box

MOST_SECONDS, MOST_MEMORY = 30.0, 2048
PLACE = 0xABCDEF
# Reads a photo; tells what came of it, seconds of the processor, and megabytes beside the pixels at the peak.
READING = """
import json, resource, sys, time
from pathlib import Path
import imagecodecs, numpy, PIL.Image, rawpy, tifffile
from nsp_cli.errors import NspError
from nsp_cli.photo import camera_facts, read_photo
resource.setrlimit(resource.RLIMIT_AS, (12 * 2**30,) * 2)
def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
before, begun, size = peak(), time.process_time(), 0
try:
    photo = read_photo(Path(sys.argv[1]), accept_damaged=True)
    camera_facts(photo)
    size = photo.pixels.nbytes / 2**20
    outcome = "read"
except NspError as error:
    outcome = error.message
print(json.dumps([outcome, time.process_time() - begun, peak() - before - size]))
"""


def endless(megabytes: int = 3072) -> bytes:
    """Deflated zeros, of a thousandth of their size; made quickly, because blocks repeat."""
    packing = zlib.compressobj(9)
    start = packing.compress(bytes(2**20)) + packing.flush(zlib.Z_FULL_FLUSH)
    block = packing.compress(bytes(2**20)) + packing.flush(zlib.Z_FULL_FLUSH)
    return start + block * (megabytes - 1)


def png(*chunks: tuple[bytes, bytes], size: tuple[int, int] = (8, 8), pixels: bytes = b"") -> bytes:
    header = struct.pack(">II5B", *size, 8, 2, 0, 0, 0)
    rows = pixels or zlib.compress(bytes(8 * 25))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", rows), (b"IEND", b"")]
    packed = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def tiff(*rows: tuple[int, int, int, int], values: bytes = b"", **picture: int) -> bytes:
    """A TIFF with further rows: tag, type, count and value, which is `PLACE` for the place of `values`."""
    facts = {"width": 8, "height": 8, "packing": 1, "kind": 2, "strips": 1, "bytes": 192} | picture
    plain = [
        (256, 4, 1, facts["width"]),
        (257, 4, 1, facts["height"]),
        (258, 3, 1, 8),
        (259, 3, 1, facts["packing"]),
        (262, 3, 1, facts["kind"]),
        (273, 4, facts["strips"], PLACE),
        (277, 3, 1, 3),
        (278, 4, 1, facts["height"]),
        (279, 4, facts["strips"], facts["bytes"]),
    ]
    table = sorted({row[0]: row for row in (*plain, *rows)}.values())
    start = 14 + 12 * len(table)
    packed = b"".join(struct.pack("<HHII", *row[:3], start if row[3] == PLACE else row[3]) for row in table)
    return b"II*\0" + struct.pack("<IH", 8, len(table)) + packed + bytes(4) + (values or bytes(4096))


def jpeg(path: Path, size: int = 8, more: bytes = b"") -> bytes:
    """A JPEG of 8×8 pixels that states another size, with further segments."""
    Image.new("RGB", (8, 8)).save(path, "JPEG")
    data = path.read_bytes()
    place = data.index(b"\xff\xc0") + 5
    return data[:2] + more + data[2:place] + struct.pack(">HH", size, size) + data[place + 4 :]


def heif(*parts: bytes) -> bytes:
    main = box(b"pitm", struct.pack(">IH", 0, 5))
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", bytes(4) + main + b"".join(parts))


def described(table: bytes) -> bytes:
    return box(b"iprp", box(b"ipco", box(b"ispe", bytes(12))) + box(b"ipma", table))


DNG = [
    (258, 3, 1, 16),
    (262, 3, 1, 32803),
    (277, 3, 1, 1),
    (33421, 3, 2, 2 | 2 << 16),
    (33422, 1, 4, 0x02010100),
    (50706, 1, 4, 0x401),
    (50708, 2, 4, 0x434241),
    (50717, 4, 1, 16383),
]
NOISE = np.random.default_rng(0).integers(0, 256, 2048, dtype=np.uint8).tobytes()
SENSOR = {"width": 32, "height": 32, "bytes": 2048}
BMP = struct.pack("<2sIHHI", b"BM", 100, 0, 0, 54) + struct.pack(
    "<IiiHHIIiiII", 40, 12000, 12000, 1, 24, 0, 0, 0, 0, 0, 0
)
NAMES = b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
BOMBS: dict[str, Callable[[Path], bytes]] = {
    "zTXt.png": lambda _: png((b"zTXt", b"T\0\0" + endless())),
    "iCCP.png": lambda _: png((b"iCCP", b"T\0\0" + endless())),
    "iTXt.png": lambda _: png((b"iTXt", b"T\0\1\0\0\0" + endless())),
    "hundred.png": lambda _: png(*[(b"zTXt", b"T\0\0" + endless(128))] * 100),
    "nested.png": lambda _: png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + NAMES + b"<a>" * 2**22)),
    "pixels.png": lambda _: png(pixels=endless()),
    "large.png": lambda _: png(size=(2**31 - 1, 2**31 - 1)),
    "strips.tif": lambda _: tiff(strips=2**32 - 1),
    "large.tif": lambda _: tiff(width=2**32 - 1, height=2**32 - 1),
    "packed.tif": lambda _: tiff(width=8000, height=8000, packing=8, bytes=2**21, values=endless()),
    "shared.tif": lambda _: tiff(*[(33000 + n, 7, 2**22, PLACE) for n in range(800)], values=bytes(2**23)),
    "segments.jpg": lambda path: jpeg(path, more=b"\xff\xe1\0\x0cExif\0\0II*\0" * 65_000),
    "sections.jpg": lambda path: jpeg(
        path, more=b"\xff\xe3\x80\0" + bytes(2**15 - 2) + b"\xff\xe3\0\3a" * 60_000
    ),
    "empty.jpg": lambda path: jpeg(path, 8000),
    "large.jpg": lambda path: jpeg(path, 65500),
    "properties.heic": lambda _: heif(
        described(bytes(4) + struct.pack(">I", 2**32 - 1) + b"\0\1\1\1" * 2**22)
    ),
    "places.heic": lambda _: heif(
        described(bytes(4) + struct.pack(">IHBB", 1, 5, 1, 1)),
        box(b"iloc", b"\2\0\0\0\x44\0" + struct.pack(">I", 2**32 - 1) + bytes(2**24)),
    ),
    "meta.heic": lambda _: box(b"ftyp", b"heic\0\0\0\0mif1heic") + struct.pack(">I4s", 2**31, b"meta"),
    "riff.webp": lambda _: b"RIFF\xf0\xff\xff\xffWEBPVP8X\xf0\xff\xff\xff" + bytes(64),
    "empty.bmp": lambda _: BMP + bytes(64),
    "large.pnm": lambda _: b"P6 99999 99999 255 abc",
    "digits.pnm": lambda _: b"P3 1 1 255 " + b"1" * 10**7,
    "values.pnm": lambda _: b"P3 1 1 255 " + b"1 " * 10**7,
    "tags.dng": lambda _: tiff(
        *DNG, *[(tag, 7, 2**31, PLACE) for tag in (37500, 50740, 51008, 51009)], values=NOISE, **SENSOR
    ),
    "below.dng": lambda _: tiff(
        *DNG, (330, 4, 60_000, PLACE), values=struct.pack("<I", 8) * 60_000, **SENSOR
    ),
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc says how much memory was used")
@pytest.mark.parametrize("name", BOMBS)
def test_time_and_memory_stay_small(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name](path))
    assert path.stat().st_size < 40 * 2**20
    command = [sys.executable, "-c", READING, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    outcome, seconds, memory = json.loads(run.stdout)
    assert outcome
    assert seconds < MOST_SECONDS
    assert memory < MOST_MEMORY


@pytest.mark.parametrize("part", ['<a:b a:c="1"/>', "<a:b/>"])
def test_xmp_of_more_parts_than_any_program_writes(part: str) -> None:
    """60 MB of them, which a PNG packs into a sixth of that, took minutes to compare."""
    begin, end = packet("@", "").split(b"@")
    for read in (xmp.properties, lambda text: xmp.split(text, 60_000)):
        with at_most_calls(1000), pytest.raises(ValueError, match="not plausible"):
            read(begin + part.encode() * 2**21 + end)


def test_properties_are_moved_out_of_a_packet_in_one_go() -> None:
    """Copying the packet for each of them took a minute."""
    begin, end = packet("@", "").split(b"@")
    parts = b"".join(b"<a:p%d>1</a:p%d>" % (number, number) for number in range(20_000))
    main, extension = xmp.split(begin + parts + end, 60_000)
    assert len(main) <= 60_000
    assert extension is not None
    found = [
        name for text in (main, extension) for name in xmp.properties(text) if name.startswith("{urn:a}p")
    ]
    assert len(found) == len(set(found)) == 20_000


def test_the_bombs_are_what_they_should_be() -> None:
    unpacking = zlib.decompressobj()
    assert len(unpacking.decompress(endless(64))) == 64 * 2**20
    assert len(endless()) < 4 * 2**20
    assert np.frombuffer(BMP[18:26], "<i4").tolist() == [12000, 12000]
