"""The formats as Markdown tables, for README and `.github/docs/formats.md`."""

from __future__ import annotations

from collections.abc import Sequence

from nsp_cli.photo.formats.registry import SPECS
from nsp_cli.photo.formats.spec import FormatSpec
from nsp_cli.photo.metadata.blocks import EXIF, ICC, IPTC, XMP

_MOST_SUFFIXES = 4


def tick_table() -> str:
    """Short table for README: which format is read and written, and what a written file holds."""
    head = ("format", "read", "written", "16 bits", "transparency", "EXIF, XMP, ICC profile", "IPTC")
    return _table(head, [_ticks(spec) for spec in SPECS.values()])


def _ticks(spec: FormatSpec) -> Sequence[str]:
    holds = spec.metadata.holds
    written = (16 in spec.depths, spec.has_alpha, {EXIF, XMP, ICC} <= holds, IPTC in holds)
    ticks = (spec.read is not None or spec.name == "dng", spec.is_written)
    return (spec.label, *map(_tick, ticks), *(_tick(spec.is_written and holds_it) for holds_it in written))


def _tick(is_so: bool) -> str:
    return "✓" if is_so else "–"


def detail_table() -> str:
    """Long table: suffixes, what is read and written, and what nsp does not keep."""
    rows = [
        (spec.label, _suffixes(spec), spec.readable, spec.writable, spec.not_kept) for spec in SPECS.values()
    ]
    return _table(("format", "suffixes", "read", "written", "not kept"), rows)


def _suffixes(spec: FormatSpec) -> str:
    named = " ".join(f"`{suffix}`" for suffix in spec.suffixes[:_MOST_SUFFIXES])
    more = len(spec.suffixes) - _MOST_SUFFIXES
    return f"{named} and {more} more" if more > 0 else named


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
