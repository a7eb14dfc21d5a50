"""The check that a written file holds all metadata of the photo and of its source file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from nsp_cli.errors import OutputError
from nsp_cli.photo.check import second_opinion
from nsp_cli.photo.check.allowed_changes import WrittenFile, change_reason, has_no_place, is_kept
from nsp_cli.photo.check.blocks import blocks_of_file, blocks_of_photo
from nsp_cli.photo.check.inventory import Key, inventory
from nsp_cli.photo.formats.registry import SPECS, recognised
from nsp_cli.photo.metadata import ifd
from nsp_cli.photo.metadata.blocks import (
    DPI,
    EXIF,
    EXTRA_KINDS,
    GPS,
    IPTC,
    KINDS,
    LEFT,
    MAKER_NOTE,
    RESOURCES,
    Blocks,
)
from nsp_cli.photo.metadata.iptc import RESOURCES_DAMAGED
from nsp_cli.photo.metadata.patching import EXIF_DAMAGED
from nsp_cli.photo.photo import Photo

_EXCUSED = {EXIF_DAMAGED: (EXIF, GPS, MAKER_NOTE, DPI), RESOURCES_DAMAGED: (IPTC, RESOURCES)}
_ERRORS = (*ifd.IFD_ERRORS, LookupError)
_MOST_NAMED = 8
_NOTE_MOVED = "the maker note is kept, but had to move: what it refers to by offsets may be unreadable"


@dataclass(frozen=True)
class Written:
    """What became of a photo's metadata in its file.

    Attributes:
        kept: How many facts (tags, properties, fields, profiles) are in the file as they were.
        changed: What differs or is missing on purpose, or was damaged, in words.
        left_out: What the file's format has no place for, in words. The user must see it.
        by_exiv2: Whether exiv2 compared as well, including the contents of maker notes.
    """

    kept: int = 0
    changed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    by_exiv2: bool = False


@dataclass
class Comparison:
    """The facts of a source, sorted by what became of them."""

    kept: list[Key] = field(default_factory=list)
    changed: dict[Key, str] = field(default_factory=dict)  # and why
    left_out: list[Key] = field(default_factory=list)
    lost: list[Key] = field(default_factory=list)
    damaged: tuple[str, ...] = ()


def compare_metadata(blocks: Blocks, target: WrittenFile, notes: tuple[str, ...] = ()) -> Comparison:
    """Sorts the facts of a source by what became of them.

    Args:
        blocks: Of the source.
        target: The file made of it.
        notes: Notes from reading the source. What they call damaged is not expected in the target.
    """
    result = Comparison(damaged=blocks.damaged)
    excused = {kind for note in notes for kind in _EXCUSED.get(note, ())}
    for key, value in inventory(blocks).items():
        if key.kind in excused:
            continue
        if is_kept(key, value, target):
            result.kept.append(key)
        elif reason := change_reason(key, value, target):
            result.changed[key] = reason
        elif has_no_place(key, value, target):
            result.left_out.append(key)
        else:
            result.lost.append(key)
    return result


def verify_written(photo: Photo, path: Path, file: BinaryIO, file_format: str) -> Written:
    """Compares a file just written with its photo, and with the file that the photo was read from.

    RAW files are not compared: their metadata is newly made, not copied.

    Args:
        photo: What was written.
        path: Where the file will be, for messages.
        file: The complete file, under any name.
        file_format: Its format.

    Raises:
        OutputError: Something is lost.
    """
    written = _read_again(photo, path, file, file_format)
    facts, own, source = inventory(written), blocks_of_photo(photo), source_blocks(photo)
    result = carried = compare_metadata(own, WrittenFile(facts, file_format))
    if source is not None:
        result = compare_metadata(
            source,
            WrittenFile(facts, file_format, is_upright=True, is_transposed=source.is_transposed),
            photo.notes,
        )
    if lost := [*result.lost, *carried.lost]:
        raise _loss(path, photo, [key.label for key in lost])
    is_moved = written.note_place not in (None, (own if source is None else source).note_place)
    left_out = _without_place(result, file_format) + ((_NOTE_MOVED,) if is_moved else ())
    if source is None or source.damaged:  # programs differ in what they read of damaged blocks
        return Written(len(result.kept), _changes(result), left_out)
    by_exiv2, differing = _ask_exiv2(photo, path, Path(file.name), file_format)
    return Written(len(result.kept), _changes(result), left_out + (() if is_moved else differing), by_exiv2)


def _read_again(photo: Photo, path: Path, file: BinaryIO, file_format: str) -> Blocks:
    try:
        return blocks_of_file(file, file_format)
    except _ERRORS as error:
        raise _loss(path, photo, [f"everything, since it cannot be read again ({error})"]) from error


def _ask_exiv2(photo: Photo, path: Path, written: Path, file_format: str) -> tuple[bool, tuple[str, ...]]:
    """Returns whether exiv2 could compare the files, and what it reads differently within a maker note.

    The note's bytes are known to be the same, but some point to what comes after the pixels of their file.

    Raises:
        OutputError: Something is lost.
    """
    assert photo.source is not None
    names = second_opinion.losses(photo.source, written, photo.format, file_format)
    inside = [key for key in names or () if second_opinion.is_inside_note(key)]
    if names and len(names) > len(inside):
        raise _loss(path, photo, [key for key in names if key not in inside])
    text = f"the maker note is kept, but exiv2 reads parts of it differently: {_named(inside)}"
    return names is not None, (text,) if inside else ()


def _changes(result: Comparison) -> tuple[str, ...]:
    changed = [f"{key.label}: {reason}" for key, reason in result.changed.items()]
    return (*changed, *([f"damaged in the source: {_named(result.damaged)}"] if result.damaged else []))


def source_blocks(photo: Photo) -> Blocks | None:
    """Metadata of the source file; None if it is gone or has another format now."""
    if photo.source is None or not photo.source.is_file() or not _is_of_format(photo.source, photo.format):
        return None
    with photo.source.open("rb") as file:
        try:
            return blocks_of_file(file, photo.format)
        except _ERRORS:
            return None


def _is_of_format(path: Path, name: str) -> bool:
    spec = recognised(path)
    return spec is not None and spec.name == name


def _without_place(result: Comparison, file_format: str) -> tuple[str, ...]:
    """Says what the format has no place for, and what nsp cannot carry."""
    names = defaultdict[str, list[str]](list)
    for key in result.left_out:
        names[key.kind].append(key.name)
    left = names.pop(LEFT, [])
    homeless = [kind for kind in KINDS if kind in names]
    homeless += [f"{kind} {_named(names[kind])}".strip() for kind in EXTRA_KINDS if kind in names]
    label = SPECS[file_format].label
    notes = [f"{', '.join(homeless)} not kept: {label} has no place for this"] if homeless else []
    return (*notes, *([f"{_named(left)} not kept"] if left else []))


def _loss(path: Path, photo: Photo, names: Iterable[str]) -> OutputError:
    return OutputError(
        f"{path} was not written: it would lose metadata of {photo.source or 'the photo'}: {_named(names)}.",
        "Try another --format, and please report this fault.",
    )


def _named(names: Iterable[str]) -> str:
    each = list(dict.fromkeys(names))
    more = f" and {len(each) - _MOST_NAMED} more" if len(each) > _MOST_NAMED else ""
    return ", ".join(each[:_MOST_NAMED]) + more
