"""Where a result comes from is in the file, and nothing else of its XMP is touched."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from nsp_cli.errors import OutputError
from nsp_cli.photo import Photo, Provenance, read_photo, read_provenance, with_provenance, write_photo
from nsp_cli.photo.provenance import NAMESPACE

MADE = Provenance("ab" * 32, "mine <&>\"'", "cd" * 32, '{"luma": 1.0, "name": "é"}', "1.2.3")
PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def photo(xmp: bytes | None = None) -> Photo:
    return Photo(np.zeros((8, 9, 3), np.uint8), format="png", xmp=xmp)


def attributes(packet: bytes) -> dict[str, str]:
    root = ElementTree.fromstring(packet.decode().replace("\ufeff", ""))
    return {name: value for element in root.iter() for name, value in element.attrib.items()}


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("xmp", [None, PACKET])
def test_every_format_brings_it_back(tmp_path: Path, suffix: str, xmp: bytes | None) -> None:
    path = tmp_path / f"result{suffix}"
    write_photo(with_provenance(photo(xmp), MADE), path)
    assert read_provenance(path) == MADE
    packet = read_photo(path).xmp
    assert packet is not None
    assert attributes(packet)[f"{{{NAMESPACE}}}version"] == "1.2.3"
    assert ("Rating" in str(attributes(packet))) is (xmp is not None)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("other", [".jpg", ".png"])
def test_a_result_can_be_restored_again_and_says_what_made_it_then(
    tmp_path: Path, suffix: str, other: str
) -> None:
    write_photo(with_provenance(photo(PACKET), MADE), tmp_path / f"first{suffix}")
    again = Provenance("ef" * 32, "others", "01" * 32, "{}", "1.2.4")
    given = read_photo(tmp_path / f"first{suffix}")
    written = write_photo(with_provenance(given, again), tmp_path / f"second{other}")
    assert read_provenance(tmp_path / f"second{other}") == again
    assert any("how this result was made" in change for change in written.changed)


def test_what_made_a_result_is_not_lost_without_another_in_its_place(tmp_path: Path) -> None:
    write_photo(with_provenance(photo(), MADE), tmp_path / "first.png")
    poor = dataclasses.replace(read_photo(tmp_path / "first.png"), xmp=None)
    with pytest.raises(OutputError, match="provenance"):
        write_photo(poor, tmp_path / "second.png")


def test_a_second_run_replaces_the_first() -> None:
    once = with_provenance(photo(PACKET), MADE)
    twice = with_provenance(once, MADE)
    assert twice.xmp == once.xmp


@pytest.mark.parametrize("xmp", [b"not xml", PACKET.decode().encode("utf-16")])
def test_a_strange_packet_stays_and_a_note_says_so(xmp: bytes) -> None:
    result = with_provenance(photo(xmp), MADE)
    assert result.xmp == xmp
    assert "could not be added to its XMP" in result.notes[0]


@pytest.mark.parametrize(
    "content",
    [b"", b"nothing", NAMESPACE.encode(), b'<rdf:Description xmlns:nsp="' + NAMESPACE.encode() + b'"/>'],
)
def test_other_files_have_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert read_provenance(tmp_path / "file") is None
    assert read_provenance(tmp_path / "missing") is None


def test_weights_by_another_name_repeat_a_result_and_other_settings_do_not() -> None:
    def other(**changes: str) -> Provenance:
        return Provenance(**{**MADE.__dict__, **changes})

    assert MADE.is_repeated_by(other(weights="a copy", version="9"))
    assert not MADE.is_repeated_by(other(version="9"), same_version=True)
    for name in ("source", "weights_sha256", "settings"):
        assert not MADE.is_repeated_by(other(**{name: "other"})), name
