"""The first bits of a JPEG XL codestream (ISO/IEC 18181-1): size, turn and depth, before any is decoded."""

from __future__ import annotations

from dataclasses import dataclass

MAGIC = b"\xff\x0a"
# Bits and offset of a number, by its first two bits.
_SIZES = ((9, 1), (13, 1), (18, 1), (30, 1))
_PREVIEW_SIZES = ((6, 1), (8, 65), (10, 321), (12, 1345))
_PREVIEW_EIGHTHS = ((0, 16), (0, 32), (5, 1), (9, 33))
_DEPTHS = ((0, 8), (0, 10), (0, 12), (6, 1))
_FLOAT_DEPTHS = ((0, 32), (0, 16), (0, 24), (6, 1))
# Channels beside the colours, their kinds, and what the description of one says.
_EXTRAS, _KINDS = ((0, 0), (0, 1), (4, 2), (12, 1)), ((0, 0), (0, 1), (4, 2), (6, 18))
_SHIFTS, _NAMES = ((0, 0), (0, 3), (0, 4), (3, 1)), ((0, 0), (4, 0), (5, 16), (10, 48))
_ALPHA = 0
_RATIOS = ((1, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


@dataclass(frozen=True)
class JxlHeader:
    """What the first bits say; width and height as stored, orientation as in EXIF."""

    width: int
    height: int
    orientation: int = 1
    is_animated: bool = False
    bits: int = 8
    is_float: bool = False
    extra_channels: int = 0  # beside the colours
    has_alpha: bool = False  # as the first of them
    is_premultiplied: bool = False  # whether the colours were multiplied by alpha


def read_jxl_header(start: bytes) -> JxlHeader:
    """Reads the header from the first bytes of a codestream.

    Raises:
        ValueError: It is no codestream, or ends within the header.
    """
    if not start.startswith(MAGIC):
        raise ValueError("its codestream does not begin as one")
    bits = _Bits(start[len(MAGIC) :])
    width, height = _size(bits)
    if bits.read(1):  # all is as usual
        return JxlHeader(width, height)
    orientation, is_animated = _further(bits) if bits.read(1) else (1, False)
    if is_animated:
        return JxlHeader(width, height, orientation, is_animated)
    depth, is_float = _depth(bits)
    bits.read(1)  # how large values may become while decoding
    count = bits.number(_EXTRAS)
    has_alpha, is_premultiplied = _first_extra(bits) if count else (False, False)
    return JxlHeader(width, height, orientation, False, depth, is_float, count, has_alpha, is_premultiplied)


def _depth(bits: _Bits) -> tuple[int, bool]:
    """Bits of a channel, and whether they are floating point."""
    is_float = bool(bits.read(1))
    depth = bits.number(_FLOAT_DEPTHS if is_float else _DEPTHS)
    if is_float:
        bits.read(4)  # those of the exponent
    return depth, is_float


def _first_extra(bits: _Bits) -> tuple[bool, bool]:
    """Whether the first channel beside the colours is alpha, and whether they were multiplied by it."""
    if bits.read(1):  # all is as usual
        return True, False
    kind = bits.number(_KINDS)
    _depth(bits)
    bits.number(_SHIFTS)
    bits.read(8 * bits.number(_NAMES))
    return kind == _ALPHA, kind == _ALPHA and bool(bits.read(1))


def _further(bits: _Bits) -> tuple[int, bool]:
    """Reads the turn, and whether the file is an animation."""
    orientation = bits.read(3) + 1
    if bits.read(1):
        _size(bits)
    if bits.read(1):
        _preview(bits)
    return orientation, bool(bits.read(1))


def _size(bits: _Bits) -> tuple[int, int]:
    """Width and height of a picture."""
    in_eighths = bits.read(1)

    def side() -> int:
        return 8 * (bits.read(5) + 1) if in_eighths else bits.number(_SIZES)

    height = side()
    ratio = bits.read(3)
    across, down = _RATIOS[ratio]
    return (height * across // down if ratio else side()), height


def _preview(bits: _Bits) -> None:
    """Passes over the size of a preview."""
    kinds = _PREVIEW_EIGHTHS if bits.read(1) else _PREVIEW_SIZES
    bits.number(kinds)
    if not bits.read(3):
        bits.number(kinds)


class _Bits:
    """Bits of bytes, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._left, self._count = int.from_bytes(data, "little"), 8 * len(data)

    def read(self, count: int) -> int:
        if count > self._count:
            raise ValueError("it ends within its header")
        value = self._left & ((1 << count) - 1)
        self._left >>= count
        self._count -= count
        return value

    def number(self, kinds: tuple[tuple[int, int], ...]) -> int:
        count, offset = kinds[self.read(2)]
        return self.read(count) + offset
