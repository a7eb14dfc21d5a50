"""The formats as Markdown tables, for README and `.github/docs/formats.md`."""

from __future__ import annotations

from collections.abc import Sequence

from nsp_cli.photo.formats.registry import RAW_SUFFIXES, SPECS
from nsp_cli.photo.formats.spec import FormatSpec

_MOST_SUFFIXES = 4


def tick_table() -> str:
    """Short table for README: what is read and written."""
    return _table(("format", "read", "write", "write 16 bits"), [_ticks(spec) for spec in _ordered()])


def _ordered() -> list[FormatSpec]:
    """Formats that are read and written first."""
    return sorted(SPECS.values(), key=lambda spec: not (spec.is_written and spec.read is not None))


def _ticks(spec: FormatSpec) -> Sequence[str]:
    written = f"from {SPECS[spec.only_from].label}" if spec.only_from else _tick(spec.is_written)
    is_read = spec.read is not None or spec.suffixes[0] in RAW_SUFFIXES
    return spec.label, _tick(is_read), written, _tick(spec.is_written and 16 in spec.depths)


def _tick(is_so: bool) -> str:
    return "✓" if is_so else "–"


def detail_table() -> str:
    """Long table: suffixes, what is read and written, and what nsp does not keep."""
    rows = [(spec.label, _suffixes(spec), spec.readable, spec.writable, spec.not_kept) for spec in _ordered()]
    return _table(("format", "suffixes", "read", "written", "not kept"), rows)


def _suffixes(spec: FormatSpec) -> str:
    named = " ".join(f"`{suffix}`" for suffix in spec.all_suffixes[:_MOST_SUFFIXES])
    more = len(spec.all_suffixes) - _MOST_SUFFIXES
    return f"{named} and {more} more" if more > 0 else named


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |\n" for cells in (head, *rows)]
    return lines[0] + "|---" * len(head) + "|\n" + "".join(lines[1:])
