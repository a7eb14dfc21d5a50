"""Ways to damage a file: blind ones, and ones that know the container and keep its checksums right."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable

from numpy.random import Generator

_EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
_TIFF_KINDS = (1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 16, 17, 0, 99)
# Tags that say how large the picture is, how it is packed and where it lies; a DNG's too.
_TIFF_TAGS = """
    254 256 257 258 259 262 266 273 274 277 278 279 282 284 296 317 320 322 323 324 325 330 338 339 347
    530 531 700 33421 33422 33723 34665 34675 34853 37724 40965 50706 50708 50714 50717 50721 50728 51009
"""
_KNOWN_TAGS = [int(tag) for tag in _TIFF_TAGS.split()]

_BOXES = re.compile(
    rb"meta|pitm|iloc|iinf|infe|iref|auxl|cdsc|iprp|ipco|ipma|ispe|pixi|colr|av1C|auxC|irot|imir|idat|mdat"
)

Mutation = Callable[[bytes, Generator], bytes]
Chunk = tuple[bytes, bytes]


def mutated(seed: bytes, other: bytes, random: Generator) -> bytes:
    """Returns a damaged copy of `seed`: one to three mutations, or a splice with `other`."""
    if random.random() < 0.06:
        return _spliced(seed, other, random)
    data = seed
    ways = BLIND if random.random() < 0.4 else _for_container(seed)
    for _ in range(int(random.integers(1, 4))):
        data = ways[random.integers(len(ways))](data, random)
    return data


def _for_container(data: bytes) -> tuple[Mutation, ...]:
    if data.startswith(b"\x89PNG"):
        return (png_chunks, png_chunk_content, png_chunk_content)
    if data.startswith(b"\xff\xd8"):
        return (jpeg_segments, jpeg_segment_content, jpeg_segment_content)
    if data.startswith(b"RIFF"):
        return (riff_chunks, riff_chunk_content)
    if data[:2] in (b"II", b"MM"):
        return (tiff_entry, tiff_entry, tiff_link)
    if data[4:8] == b"ftyp":
        return (box_size, box_name, box_content)
    return BLIND


def _spliced(first: bytes, second: bytes, random: Generator) -> bytes:
    return first[: _place(first, random)] + second[_place(second, random) :]


def _place(data: bytes, random: Generator) -> int:
    """Draws a position, half of them in the first 512 bytes, where the headers are."""
    end = len(data) if random.random() < 0.5 else min(len(data), 512)
    return int(random.integers(0, end + 1))


def flip_bits(data: bytes, random: Generator) -> bytes:
    """Flips one to eight bits."""
    result = bytearray(data)
    for _ in range(int(random.integers(1, 9)) if data else 0):
        result[min(_place(data, random), len(data) - 1)] ^= 1 << int(random.integers(8))
    return bytes(result)


def overwrite_run(data: bytes, random: Generator) -> bytes:
    """Puts a run of zeros, of 255 or of random bytes somewhere."""
    place, size = _place(data, random), int(random.integers(1, 65))
    fill = (bytes(size), b"\xff" * size, random.bytes(size))[random.integers(3)]
    return (data[:place] + fill + data[place + size :])[: len(data)]


def truncate(data: bytes, random: Generator) -> bytes:
    """Cuts the end off."""
    return data[: _place(data, random)]


def remove_run(data: bytes, random: Generator) -> bytes:
    """Takes some bytes out of the middle."""
    place = _place(data, random)
    return data[:place] + data[place + int(random.integers(1, 65)) :]


def repeat_run(data: bytes, random: Generator) -> bytes:
    """Says something twice."""
    place, size = _place(data, random), int(random.integers(1, 257))
    return data[: place + size] + data[place:]


def insert_bytes(data: bytes, random: Generator) -> bytes:
    """Puts random bytes in between."""
    place = _place(data, random)
    return data[:place] + random.bytes(int(random.integers(1, 65))) + data[place:]


def extreme_number(data: bytes, random: Generator) -> bytes:
    """Writes an extreme number over whatever stands there: lengths, counts, offsets, sizes."""
    value, order = _EXTREMES[random.integers(len(_EXTREMES))], "<>"[random.integers(2)]
    code, top = (("H", 0xFFFF), ("I", 0xFFFFFFFF), ("Q", 2**64 - 1))[random.integers(3)]
    packed = struct.pack(order + code, top if value == 0xFFFFFFFF else value & top)
    place = _place(data, random)
    return (data[:place] + packed + data[place + len(packed) :])[: max(len(data), place)]


BLIND: tuple[Mutation, ...] = (
    flip_bits,
    overwrite_run,
    truncate,
    remove_run,
    repeat_run,
    insert_bytes,
    extreme_number,
)
_INSIDE: tuple[Mutation, ...] = tuple(way for way in BLIND if way is not truncate)


def _rearranged(chunks: list[Chunk], foreign: bytes, random: Generator) -> list[Chunk]:
    """Swaps, repeats, removes or adds a chunk."""
    chunks = list(chunks)
    first, second = (int(random.integers(len(chunks))) for _ in range(2))
    way = random.integers(4)
    if way == 0:
        chunks[first], chunks[second] = chunks[second], chunks[first]
    elif way == 1:
        chunks.insert(second, chunks[first])
    elif way == 2:
        del chunks[first]
    else:
        names = [name for name, _ in chunks] + [foreign]
        content = random.bytes(int(random.integers(0, 300)))
        chunks.insert(second, (names[random.integers(len(names))], content))
    return chunks


def _damaged(chunks: list[Chunk], random: Generator) -> list[Chunk]:
    """Damages the content of one chunk; unpacks and repacks it where it is packed, half of the times."""
    index = int(random.integers(len(chunks)))
    name, body = chunks[index]
    way = _INSIDE[random.integers(len(_INSIDE))]
    head, separator, packed = body.partition(b"\0\0") if name == b"iCCP" else (b"", b"", body)
    if name in (b"iCCP", b"IDAT") and random.random() < 0.5:
        try:
            body = head + separator + zlib.compress(way(zlib.decompress(packed), random))
        except zlib.error:
            body = way(body, random)
    else:
        body = way(body, random)
    return [*chunks[:index], (name, body), *chunks[index + 1 :]]


def _png_parts(data: bytes) -> list[Chunk]:
    chunks, place = [], 8
    while place + 12 <= len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        chunks.append((name, data[place + 8 : place + 8 + size]))
        place += 12 + size
    return chunks or [(b"IHDR", b"")]


def _png(chunks: list[Chunk], random: Generator) -> bytes:
    """Joins chunks; nine times in ten with right checksums, so that what is behind them is reached."""
    wrong = int(random.random() < 0.1)
    packed = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body) ^ wrong)
        for name, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def png_chunks(data: bytes, random: Generator) -> bytes:
    """Swaps, repeats, removes or adds PNG chunks."""
    return _png(_rearranged(_png_parts(data), b"acTL", random), random)


def png_chunk_content(data: bytes, random: Generator) -> bytes:
    """Damages the content of a PNG chunk."""
    return _png(_damaged(_png_parts(data), random), random)


def _jpeg_parts(data: bytes) -> tuple[list[Chunk], bytes]:
    """Returns the segments before the scan, and the rest."""
    segments, place = [], 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        size = struct.unpack_from(">H", data, place + 2)[0]
        segments.append((data[place : place + 2], data[place + 4 : place + 2 + size]))
        place += 2 + size
    return segments or [(b"\xff\xe1", b"Exif\0\0")], data[place:]


def _jpeg(segments: list[Chunk], rest: bytes, random: Generator) -> bytes:
    right = random.random() < 0.9
    packed = b""
    for marker, body in segments:
        size = len(body) + 2 if right else int(random.choice([0, 1, 2, len(body) + 3, 0xFFFF]))
        packed += marker + struct.pack(">H", min(size, 0xFFFF)) + body[:65533]
    return b"\xff\xd8" + packed + rest


def jpeg_segments(data: bytes, random: Generator) -> bytes:
    """Swaps, repeats, removes or adds JPEG segments."""
    segments, rest = _jpeg_parts(data)
    return _jpeg(_rearranged(segments, b"\xff\xe2", random), rest, random)


def jpeg_segment_content(data: bytes, random: Generator) -> bytes:
    """Damages the content of a JPEG segment; its length stays right most times."""
    segments, rest = _jpeg_parts(data)
    return _jpeg(_damaged(segments, random), rest, random)


def _riff_parts(data: bytes) -> list[Chunk]:
    chunks, place = [], 12
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        chunks.append((name, data[place + 8 : place + 8 + size]))
        place += 8 + size + size % 2
    return chunks or [(b"VP8 ", b"")]


def _riff(chunks: list[Chunk], random: Generator) -> bytes:
    packed = b"".join(
        name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2) for name, body in chunks
    )
    size = len(packed) + 4 if random.random() < 0.9 else int(random.integers(0, 2**32))
    return b"RIFF" + struct.pack("<I", size) + b"WEBP" + packed


def riff_chunks(data: bytes, random: Generator) -> bytes:
    """Swaps, repeats, removes or adds WebP chunks."""
    return _riff(_rearranged(_riff_parts(data), b"ANIM", random), random)


def riff_chunk_content(data: bytes, random: Generator) -> bytes:
    """Damages the content of a WebP chunk."""
    return _riff(_damaged(_riff_parts(data), random), random)


def tiff_entry(data: bytes, random: Generator) -> bytes:
    """Changes one field of one directory entry: tag, type, count or value, to something known or extreme."""
    if len(data) < 16 or data[:2] not in (b"II", b"MM"):
        return flip_bits(data, random)
    order = "<" if data[:2] == b"II" else ">"
    is_big = struct.unpack_from(order + "H", data, 2)[0] == 43
    wide, first, size = ("Q", 8, 20) if is_big else ("I", 4, 12)
    start = struct.unpack_from(order + wide, data, 8 if is_big else 4)[0]
    head = 8 if is_big else 2
    if start + head > len(data):
        return flip_bits(data, random)
    count = struct.unpack_from(order + ("Q" if is_big else "H"), data, start)[0]
    row = start + head + size * int(random.integers(max(1, min(count, 200))))
    if row + size > len(data):
        return flip_bits(data, random)
    result = bytearray(data)
    _change_field(result, row, order, wide, first, random)
    return bytes(result)


def tiff_link(data: bytes, random: Generator) -> bytes:
    """Lets a pointer lead to a directory, so that directories contain or follow themselves."""
    if len(data) < 16 or data[:2] not in (b"II", b"MM"):
        return flip_bits(data, random)
    order = "<" if data[:2] == b"II" else ">"
    start = struct.unpack_from(order + "I", data, 4)[0]
    if start + 2 > len(data):
        return flip_bits(data, random)
    end = start + 2 + 12 * int(struct.unpack_from(order + "H", data, start)[0])
    # The link to the next directory, or the value of a row.
    places = [end, *range(start + 10, end, 12)]
    place = end if random.random() < 0.5 else places[random.integers(len(places))]
    if place + 4 > len(data):
        return flip_bits(data, random)
    targets = (start, max(start - 12, 0), start + 12)
    packed = struct.pack(order + "I", targets[random.integers(len(targets))])
    return data[:place] + packed + data[place + 4 :]


def _box(data: bytes, random: Generator) -> int:
    """Draws a box by the place of its length."""
    places = [found.start() - 4 for found in _BOXES.finditer(data) if found.start() >= 4]
    return places[random.integers(len(places))] if places else 0


def box_size(data: bytes, random: Generator) -> bytes:
    """Gives a box another length: a small or an extreme one, or one that is nearly right."""
    place = _box(data, random)
    size = int.from_bytes(data[place : place + 4], "big")
    sizes = (0, 1, 7, 8, 9, size - 1, size + 1, size + 8, *_EXTREMES)
    return data[:place] + struct.pack(">I", sizes[random.integers(len(sizes))] % 2**32) + data[place + 4 :]


def box_name(data: bytes, random: Generator) -> bytes:
    """Calls a box what another one is called, or repeats it."""
    first, second = _box(data, random), _box(data, random)
    if random.random() < 0.5:
        return data[: first + 4] + data[second + 4 : second + 8] + data[first + 8 :]
    size = int.from_bytes(data[second : second + 4], "big") % 2**12
    return data[:first] + data[second : second + size] + data[first:]


def box_content(data: bytes, random: Generator) -> bytes:
    """Writes an extreme number near the beginning of a box."""
    place = _box(data, random) + 8 + int(random.integers(24))
    width = int(random.integers(1, 5))
    value = _EXTREMES[random.integers(len(_EXTREMES))] % 256**width
    return data[:place] + value.to_bytes(width, "big") + data[place + width :]


def _change_field(data: bytearray, row: int, order: str, wide: str, width: int, random: Generator) -> None:
    way = random.integers(5)
    if way == 0:
        struct.pack_into(order + "H", data, row, int(random.choice(_KNOWN_TAGS)))
    elif way == 1:
        struct.pack_into(order + "H", data, row + 2, int(random.choice(_TIFF_KINDS)))
    elif way == 2:
        number = _EXTREMES[random.integers(len(_EXTREMES))]
        struct.pack_into(order + wide, data, row + 4, number)
    elif way == 3:
        number = _EXTREMES[random.integers(len(_EXTREMES))]
        struct.pack_into(order + wide, data, row + 4 + width, number)
    else:
        # A small number, or a place in the file: another compression, orientation, or a loop.
        struct.pack_into(order + wide, data, row + 4 + width, int(random.integers(0, len(data))))
        if random.random() < 0.5:
            struct.pack_into(order + "H", data, row + 4 + width, int(random.integers(0, 40)))
