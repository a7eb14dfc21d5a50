"""What may differ in a written file, and under which conditions: anything else is a loss."""

from __future__ import annotations

from typing import Any

import pytest

from nsp_cli.photo.check.allowed_changes import WrittenFile, change_reason
from nsp_cli.photo.check.inventory import Key
from nsp_cli.photo.metadata.blocks import CHUNK, COLOUR_CHUNKS, GAIN_MAP, XMP
from nsp_cli.photo.metadata.promises import DIRECTORY, LENGTH

MAP = Key(GAIN_MAP, "")
ITEM = f"{DIRECTORY}/{{urn:rdf}}Seq/2/"
SEMANTIC = Key(XMP, ITEM + LENGTH.replace("Length", "Semantic"))
LENGTH_OF_MAP = Key(XMP, ITEM + LENGTH)


def reason(key: Key, facts: dict[Key, Any], **turned: bool) -> str | None:
    return change_reason(key, "before", WrittenFile(facts, "jpeg", **turned))


def test_a_gain_map_may_be_turned_with_the_picture() -> None:
    assert "turned" in (reason(MAP, {MAP: [b"turned"]}, is_upright=True) or "")


def test_a_gain_map_may_not_be_missing_or_change_by_itself() -> None:
    assert reason(MAP, {}, is_upright=True) is None
    assert reason(MAP, {MAP: [b"other"]}) is None


def test_its_length_may_change_where_it_was_turned() -> None:
    """The file lacks the map that it lists, so that the list itself is no reason."""
    facts = {LENGTH_OF_MAP: "9", SEMANTIC: "GainMap"}
    assert "length" in (reason(LENGTH_OF_MAP, facts, is_upright=True) or "")
    assert reason(LENGTH_OF_MAP, facts) is None
    assert reason(LENGTH_OF_MAP, {SEMANTIC: "GainMap"}, is_upright=True) is None
    assert reason(SEMANTIC, facts, is_upright=True) is None


def test_a_list_of_what_is_there_may_be_shorter() -> None:
    assert "lists" in (reason(LENGTH_OF_MAP, {SEMANTIC: "GainMap", MAP: [b""]}) or "")


@pytest.mark.parametrize("name", COLOUR_CHUNKS)
def test_colour_chunks_may_be_missing_only_where_there_is_no_place(name: str) -> None:
    key = Key(CHUNK, name)
    assert change_reason(key, [b""], WrittenFile({}, "png")) is None
    assert "profile" in (change_reason(key, [b""], WrittenFile({}, "tiff")) or "")
    assert change_reason(Key(CHUNK, "tIME"), [b""], WrittenFile({}, "tiff")) is None
