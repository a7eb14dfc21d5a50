"""What a RAW file carries is in its result, or named."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
import rawpy
from raw_files import scene, write_raw
from test_metadata_survives import RECORD
from test_raw_development import EXPECTED, facts, opened, shot

from nsp_cli.photo import Written, read_photo, to_bit_depth, write_photo
from nsp_cli.photo.metadata import ifd, iptc, xmp
from nsp_cli.photo.metadata.raw_facts import read_raw_facts

ADOBE = "http://ns.adobe.com/"
DESCRIPTION = (
    '<rdf:Description rdf:about="" xmlns:xmp="{0}xap/1.0/" xmlns:tiff="{0}tiff/1.0/" '
    'xmlns:crs="{0}camera-raw-settings/1.0/" xmp:Rating="4" tiff:Orientation="6"{1}/>'
)
SETTINGS = ' crs:Exposure2012="+1.5" crs:HasSettings="True"'


def packet(settings: str = SETTINGS) -> bytes:
    rdf = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    body = f"{rdf}{DESCRIPTION.format(ADOBE, settings)}</rdf:RDF>"
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{body}</x:xmpmeta>'.encode()


def write(path: Path, settings: str = SETTINGS, content: bytes | None = None) -> Path:
    content = packet(settings) if content is None else content
    tags = [
        (700, 1, len(content), content, True),
        (33723, 7, len(RECORD), RECORD, True),
        (50740, 1, 9, b"MakerData", True),
    ]
    return write_raw(path, scene(48), exif=ifd.pack_block(shot(), "<"), orientation=6, extra=tags)


def copied(source: Path, suffix: str) -> tuple[Path, Written]:
    photo = read_photo(source)
    target = source.with_name(f"result{suffix}")
    return target, write_photo(to_bit_depth(photo, 8 if suffix == ".jpg" else 16), target)


def rating(found: bytes | None) -> list[str]:
    """What is left of the packet, without the orientation."""
    names = xmp.properties(found or b"")
    assert names.pop(f"{{{ADOBE}tiff/1.0/}}Orientation") == "1"
    return sorted(name.rpartition("}")[2] for name in names)


@pytest.mark.parametrize("suffix", [".tif", ".jpg", ".dng"])
def test_xmp_iptc_and_place_are_kept_and_the_rest_is_named(tmp_path: Path, suffix: str) -> None:
    source = write(tmp_path / "a.dng")
    photo = read_photo(source)
    assert [note for note in photo.notes if "settings" in note]
    target, written = copied(source, suffix)
    assert written.left_out == ("the maker note, the maker's data of a DNG not kept",)
    found = read_photo(target)
    assert rating(found.xmp) == ["Rating"]
    assert iptc.iptc_record(found.resources or b"") == RECORD
    kept = facts(found.exif)
    assert {name: kept[name] for name in EXPECTED} == EXPECTED


def test_without_settings_there_is_no_note(tmp_path: Path) -> None:
    assert read_photo(write(tmp_path / "a.dng", "")).notes == ()


def test_damaged_xmp_stays_as_it_is(tmp_path: Path) -> None:
    content = b"<x:xmpmeta> and no more"
    assert read_photo(write(tmp_path / "a.dng", content=content)).xmp == content


@pytest.mark.parametrize("name", ["a [1].xmp", "a [1].dng.xmp"])
def test_files_of_raw_programs_are_named(tmp_path: Path, name: str) -> None:
    source = write(tmp_path / "a [1].dng", "")
    (tmp_path / "b.xmp").write_bytes(packet())
    (tmp_path / name).write_bytes(packet())
    assert read_photo(source).notes == (f"{name} beside it not read: what it says is not in the result",)


def test_xmp_of_a_cr3(tmp_path: Path) -> None:
    """Behind other boxes of the same kind, as in a camera's file."""

    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", len(body) + 8, kind) + body

    mark = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
    boxes = box(b"ftyp", b"crx \0\0\0\1") + box(b"moov", b"") + box(b"uuid", bytes(16) + b"other")
    path = tmp_path / "a.cr3"
    path.write_bytes(boxes + box(b"uuid", mark + packet()) + box(b"mdat", bytes(9)))
    found = read_raw_facts(path, without_preview())
    assert rating(found.xmp) == ["Rating"]
    assert [extra.name for extra in found.extras] == ["the maker note"]
    path.write_bytes(boxes[:-3])
    assert read_raw_facts(path, without_preview()).xmp is None


def without_preview() -> Any:
    def refuse() -> None:
        raise rawpy.LibRawNoThumbnailError

    raw = opened()
    raw.extract_thumb = refuse
    return raw
