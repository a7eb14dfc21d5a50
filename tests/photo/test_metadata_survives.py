"""A file that would lack what its source says never appears; what is kept is the same, wherever it goes."""

from __future__ import annotations

import hashlib
import re
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from conftest import SHARED
from PIL import Image
from test_photo import NOTE, THUMBNAIL, camera_facts, make_exif, make_photo

from nsp_cli.batch import Job, Pipeline, Restored, RunSettings, Worker
from nsp_cli.errors import OutputError
from nsp_cli.photo import WRITABLE_SUFFIXES, Photo, read_photo, write_photo
from nsp_cli.photo.check.verify import Comparison
from nsp_cli.photo.colour import srgb_profile
from nsp_cli.photo.formats.registry import SPECS
from nsp_cli.photo.metadata import ifd, xmp
from nsp_cli.photo.metadata.ifd import Directory, Entry
from nsp_cli.photo.metadata.patching import EXIF_DAMAGED
from nsp_cli.photo.metadata.tiff_layout import read_layout

SUFFIXES = [".jpg", ".png", ".tif", ".webp"]
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
CAPTION = b"A \xc3\xa9 caption"
RECORD = b"".join(
    struct.pack(">BBBH", 0x1C, 2, number, len(value)) + value
    for number, value in ((120, CAPTION), (25, b"one"), (25, b"two"))
)


def packet(**properties: str) -> bytes:
    """Makes a well-formed packet: the first half of the properties as attributes, the others as elements."""
    names = list(properties)
    attributes = "".join(f' a:{name}="{properties[name]}"' for name in names[::2])
    elements = "".join(f"<a:{name}>{properties[name]}</a:{name}>" for name in names[1::2])
    bag = f"<a:bag><rdf:Bag>{''.join(f'<rdf:li>{name}</rdf:li>' for name in names)}</rdf:Bag></a:bag>"
    return (
        f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about="uuid:1" xmlns:a="urn:a"{attributes}>'
        f'{elements}{bag}</rdf:Description></rdf:RDF></x:xmpmeta>{" " * 100}<?xpacket end="w"?>'
    ).encode()


def resources(*, thumbnail: bool = False) -> bytes:
    """Makes image resources: IPTC, a print setting, and the old picture."""
    found = [(0x0404, RECORD), (0x03F3, b"\0" * 9), *([(0x040C, THUMBNAIL)] if thumbnail else [])]
    return b"".join(
        b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)
        for number, data in found
    )


def rich_photo(**changes: Any) -> Photo:
    photo = make_photo(
        8, icc_profile=srgb_profile(), exif=make_exif(), xmp=packet(one="1", two="2"), dpi=(300.0, 300.0)
    )
    return replace(photo, **changes)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def without_iso(exif: bytes | None) -> bytes:
    directory, layout = ifd.read_block(exif or b"")
    inner = directory.children[ifd.EXIF_IFD]
    inner.entries[:] = [entry for entry in inner.entries if entry.tag != 34855]
    return ifd.pack_block(directory, layout.order)


def with_other_note(exif: bytes | None) -> bytes:
    return (exif or b"").replace(NOTE, NOTE[:-1] + b"!")


def without_gps(exif: bytes | None) -> bytes:
    directory, layout = ifd.read_block(exif or b"")
    del directory.children[ifd.GPS_IFD]
    return ifd.pack_block(directory, layout.order)


LOSSES: dict[str, Callable[[Photo], Photo]] = {
    "Exif.Photo.ISOSpeedRatings": lambda photo: replace(photo, exif=without_iso(photo.exif)),
    "Exif.Photo.MakerNote": lambda photo: replace(photo, exif=with_other_note(photo.exif)),
    "Exif.GPSInfo.GPSLatitude": lambda photo: replace(photo, exif=without_gps(photo.exif)),
    "ICC profile": lambda photo: replace(photo, icc_profile=None),
    "{urn:a}two": lambda photo: replace(photo, xmp=packet(one="1")),
    "resolution": lambda photo: replace(photo, dpi=(72.0, 72.0)),
    "Iptc.2.25": lambda photo: replace(photo, resources=None),
}


def with_writer(monkeypatch: pytest.MonkeyPatch, kind: str, writer: Callable[..., None]) -> None:
    """Puts another writer in place of a format's own, which it gets as its first argument."""
    spec = SPECS[kind]
    field = "write" if spec.write is not None else "write_lossy"
    changed: Any = {field: partial(writer, getattr(spec, field))}
    monkeypatch.setitem(SPECS, kind, replace(spec, **changed))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("exists", [False, True])
def test_a_writer_that_loses_something_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, suffix: str, exists: bool
) -> None:
    if name.startswith("Iptc") and suffix == ".webp":
        return  # it has no place for it
    path, kind = tmp_path / f"photo{suffix}", WRITABLE_SUFFIXES[suffix]
    if exists:
        path.write_text("precious")
    with_writer(monkeypatch, kind, lambda write, photo, *rest: write(LOSSES[name](photo), *rest))
    with pytest.raises(OutputError, match=re.escape(name)) as caught:
        write_photo(rich_photo(resources=resources()), path, overwrite=exists)
    assert caught.value.hint
    assert names(tmp_path) == ([path.name] if exists else [])
    assert not exists or path.read_text() == "precious"


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "resolution"])
def test_a_loss_at_reading_is_caught_by_the_source(tmp_path: Path, name: str) -> None:
    write_photo(rich_photo(resources=resources()), tmp_path / "a.jpg")
    photo = read_photo(tmp_path / "a.jpg")
    poor = LOSSES[name](photo)
    with pytest.raises(OutputError, match=re.escape(name)):
        write_photo(poor, tmp_path / "b.tif")
    write_photo(replace(poor, source=None), tmp_path / "b.tif")  # then it is meant


def test_what_changes_on_purpose_is_listed(tmp_path: Path) -> None:
    exif = b"Exif\0\0" + make_exif("<", 6, thumbnail=True)
    Image.new("RGB", (7, 5)).save(tmp_path / "a.jpg", exif=exif)
    written = write_photo(read_photo(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    changed = {text.split(":")[0] for text in written.changed}
    assert changed == {
        "Exif.Image.Orientation",
        "Exif.Photo.ExifImageWidth",
        "Exif.Photo.ExifImageHeight",
        "Thumbnail",
    }
    assert written.kept == 2 + 3 + 2  # maker, model; exposure, ISO, note; two of GPS
    assert written.left_out == ()


def test_an_orientation_that_was_not_reset_is_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (7, 5)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + make_exif("<", 6))
    photo = replace(read_photo(tmp_path / "a.jpg"), exif=make_exif("<", 6))
    with pytest.raises(OutputError, match="Orientation"):
        write_photo(photo, tmp_path / "b.jpg")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_xmp_may_be_added_to(tmp_path: Path, suffix: str) -> None:
    write_photo(rich_photo(), tmp_path / "a.jpg")
    photo = read_photo(tmp_path / "a.jpg")
    more = b'<rdf:Description rdf:about="uuid:1" xmlns:n="urn:n" n:by="nsp"/></rdf:RDF>'
    added = (photo.xmp or b"").replace(b"</rdf:RDF>", more)
    write_photo(replace(photo, xmp=added), tmp_path / f"b{suffix}")
    assert xmp.properties(read_photo(tmp_path / f"b{suffix}").xmp or b"")["{urn:n}by"] == "nsp"


def test_a_writer_that_loses_what_was_added_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photo(rich_photo(), tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    with_writer(monkeypatch, "png", lambda write, added, file: write(replace(added, xmp=photo.xmp), file))
    with pytest.raises(OutputError, match="three"):
        write_photo(replace(photo, xmp=packet(one="1", two="2", three="3")), tmp_path / "b.png")


def test_iptc_survives_from_jpeg_to_jpeg_and_tiff_and_back(tmp_path: Path) -> None:
    block = resources(thumbnail=True)
    head = b"\xff\xed" + struct.pack(">H", len(block) + 16) + b"Photoshop 3.0\0"
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", extra=head + block)
    for before, after in (("a.jpg", "b.jpg"), ("b.jpg", "c.tif"), ("c.tif", "d.tif"), ("d.tif", "e.jpg")):
        photo = read_photo(tmp_path / before)
        assert photo.notes == ()
        assert write_photo(photo, tmp_path / after).left_out == ()
        assert THUMBNAIL not in (tmp_path / after).read_bytes()
    for name in ("b.jpg", "e.jpg"):
        with Image.open(tmp_path / name) as image:
            assert image.info["photoshop"] == {0x0404: RECORD, 0x03F3: b"\0" * 9}
    with tifffile.TiffFile(tmp_path / "c.tif") as file:
        assert bytes(file.pages[0].tags[33723].value) == RECORD


@pytest.mark.parametrize("suffix", [".webp", ".avif"])
def test_iptc_without_a_place_is_said_so(tmp_path: Path, suffix: str) -> None:
    write_photo(rich_photo(resources=resources()), tmp_path / "a.jpg")

    def restore(pixels: Any, *_: object) -> Restored:
        return Restored(pixels ^ 1)

    job = Job(tmp_path / "a.jpg", tmp_path / f"b{suffix}")
    pipeline = Pipeline(
        RunSettings("net", "", ""), [Worker(restore)], lambda _index, _job: lambda _done, _total: None
    )
    (outcome,) = pipeline.run([job])
    assert any("IPTC" in note and "not kept" in note for note in outcome.notes)


def test_iptc_in_a_tag_of_its_own_alone_survives(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    tag = (33723, 7, len(RECORD), RECORD, True)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", metadata=None, extratags=[tag])
    write_photo(read_photo(tmp_path / "a.tif"), tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.info["photoshop"][0x0404] == RECORD


def test_damaged_image_resources_are_left_out_and_said_so(tmp_path: Path) -> None:
    block = resources()[:-4]
    head = b"\xff\xed" + struct.pack(">H", len(block) + 16) + b"Photoshop 3.0\0"
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", extra=head + block)
    photo = read_photo(tmp_path / "a.jpg")
    assert "IPTC" in photo.notes[0]
    write_photo(photo, tmp_path / "b.jpg")


def extended_jpeg(path: Path, *, guid: bytes = b"", drop: int = -1) -> tuple[bytes, bytes]:
    """Writes a JPEG with extended XMP in three portions, the middle one last; returns both packets."""
    extension = packet(large="x" * 150_000, rest="r").split(b"?>", 1)[1].split(b" " * 100)[0]
    real = hashlib.md5(extension).hexdigest().upper().encode()
    names = b'rdf:about="" xmlns:xmpNote="http://ns.adobe.com/xmp/note/"'
    note = b"<rdf:Description " + names + b' xmpNote:HasExtendedXMP="' + (guid or real) + b'"/>'
    main = packet(one="1", two="2").replace(b"</rdf:RDF>", note + b"</rdf:RDF>")
    main = main.replace(b"a:bag", b"a:otherBag")
    segments = [b"http://ns.adobe.com/xap/1.0/\0" + main]
    for index, place in enumerate((0, 120_000, 60_000)):
        if index != drop:
            portion = extension[place : place + 60_000]
            head = b"http://ns.adobe.com/xmp/extension/\0" + real + struct.pack(">II", len(extension), place)
            segments.append(head + portion)
    extra = b"".join(b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data for data in segments)
    Image.new("RGB", (8, 8)).save(path, extra=extra)
    return main, extension


def xmp_parts(path: Path) -> tuple[bytes, bytes]:
    """Reads the main and the extended packet of a JPEG as its specification says, with Pillow alone."""
    with Image.open(path) as image:
        contents = [data for name, data in image.applist if name == "APP1"]
    main = next(data for data in contents if data.startswith(b"http://ns.adobe.com/xap/1.0/\0"))
    prefix = b"http://ns.adobe.com/xmp/extension/\0"
    portions = [data.removeprefix(prefix) for data in contents if data.startswith(prefix)]
    guid = re.search(rb'HasExtendedXMP="(\w{32})"', main)
    assert guid is not None
    assert all(portion[:32] == guid[1] for portion in portions)
    whole = b"".join(portion[40:] for portion in sorted(portions, key=lambda data: data[36:40]))
    assert hashlib.md5(whole).hexdigest().upper().encode() == guid[1]
    assert {struct.unpack(">I", portion[32:36])[0] for portion in portions} == {len(whole)}
    return main.split(b"\0", 1)[1], whole


def listed(*packets: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in packets:
        found |= xmp.properties(each)
    found.pop("{http://ns.adobe.com/xmp/note/}HasExtendedXMP", None)
    return found


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_extended_xmp_goes_from_jpeg_to_any_format_and_back(tmp_path: Path, suffix: str) -> None:
    wanted = listed(*extended_jpeg(tmp_path / "a.jpg"))
    assert len(wanted["{urn:a}large"]) == 150_000
    write_photo(read_photo(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    assert listed(*xmp_parts(tmp_path / "b.jpg")) == wanted
    write_photo(read_photo(tmp_path / "b.jpg"), tmp_path / f"c{suffix}")
    assert listed(read_photo(tmp_path / f"c{suffix}").xmp or b"") == wanted
    write_photo(read_photo(tmp_path / f"c{suffix}"), tmp_path / "d.jpg")
    assert listed(*xmp_parts(tmp_path / "d.jpg")) == wanted


@pytest.mark.parametrize("damage", [{"guid": b"0" * 32}, {"drop": 1}], ids=str)
def test_incomplete_extended_xmp_is_left_out_and_said_so(tmp_path: Path, damage: dict[str, Any]) -> None:
    main, _ = extended_jpeg(tmp_path / "a.jpg", **damage)
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.xmp == main
    assert photo.notes == ("extended XMP is damaged and not kept",)
    assert "damaged in the source: extended XMP" in write_photo(photo, tmp_path / "b.jpg").changed


@pytest.mark.parametrize("seed", range(20))
def test_a_packet_cut_in_two_holds_all_properties(seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = random.integers(0, 900, 12)
    whole = packet(**{f"p{index}": f"é&lt;{index}" * size for index, size in enumerate(sizes)})
    limit = int(random.integers(2500, len(whole)))
    main, extension = xmp.split(whole, limit)
    assert len(main) <= limit
    assert extension is not None
    assert listed(main, extension) == listed(whole)
    portions = xmp.portions(extension, 1000)
    assert max(map(len, portions)) <= 1000
    back, is_whole = xmp.joined(main, portions[::-1])
    assert is_whole
    assert listed(back or b"") == listed(whole)


def test_entities_are_never_expanded() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]>' + packet(one="&a;" * 10)
    for parse in (xmp.properties, lambda data: xmp.split(data, 200)):
        with pytest.raises(ValueError, match="document type"):
            parse(bomb)


def pointing_exif(order: str) -> bytes:
    """Makes a block whose note says where in the block a word within the note and one beyond it stand."""
    note = bytes(8) + b"inside" + bytes(50)
    inner = Directory(
        [Entry(34855, 3, 1, struct.pack(order + "H", 400)), Entry(ifd.MAKER_NOTE_TAG, 7, 64, note)]
    )
    children = {ifd.EXIF_IFD: inner, ifd.GPS_IFD: Directory([])}  # phones without a fix write it empty
    block = ifd.pack_block(Directory([Entry(271, 2, 6, b"Maker\0")], children), order)
    block += b"outside"
    offsets = struct.pack(order + "II", block.index(b"inside"), block.index(b"outside"))
    return block.replace(note, offsets + note[8:])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("through", [*SUFFIXES, (".tif", ".jpg"), (".tif", ".tif", ".webp")], ids=str)
def test_offsets_in_a_makers_note_keep_their_meaning(
    tmp_path: Path, order: str, through: str | tuple[str, ...]
) -> None:
    exif = pointing_exif(order)
    photo = make_photo(8, exif=exif)
    note = ifd.read_block(exif)[0].children[ifd.EXIF_IFD].entries[-1].value
    for index, suffix in enumerate((through,) if isinstance(through, str) else through):
        path = tmp_path / f"{index}{suffix}"
        assert write_photo(photo, path).left_out == ()
        photo = read_photo(path)
    with Image.open(path) as image:
        seen = image.getexif()
        assert (seen[271], seen.get_ifd(ifd.EXIF_IFD)[ifd.MAKER_NOTE_TAG]) == ("Maker", note)
    # Offsets count from the TIFF header: the file's beginning in a TIFF, else the block's.
    data = path.read_bytes() if path.suffix == ".tif" else photo.exif or b""
    inside, outside = struct.unpack_from(order + "II", note)
    assert data[inside : inside + 6] == b"inside"
    assert data[outside : outside + 7] == b"outside"


def test_a_note_that_has_to_move_is_kept_and_said_so(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", metadata=None)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with (tmp_path / "a.tif").open("rb") as file:
        layout, offset = read_layout(file.read(16))
        directory = ifd.read_directory(file, layout, offset)
    directory.children[ifd.EXIF_IFD] = ifd.read_block(make_exif())[0].children[ifd.EXIF_IFD]
    struct.pack_into("<I", data, 4, len(data))
    (tmp_path / "a.tif").write_bytes(bytes(data) + ifd.pack_directory(directory, layout, len(data)))
    written = write_photo(read_photo(tmp_path / "a.tif"), tmp_path / "b.jpg")
    assert any("maker note" in text for text in written.left_out)
    exif = read_photo(tmp_path / "b.jpg").exif or b""
    assert NOTE in exif


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_exif_is_a_note_and_no_error(tmp_path: Path, suffix: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.notes == (EXIF_DAMAGED,)
    assert "damaged in the source: EXIF" in write_photo(photo, tmp_path / f"b{suffix}").changed


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_damaged_tag_costs_only_itself(tmp_path: Path, suffix: str) -> None:
    exif = bytearray(make_exif())
    row = exif.index(struct.pack("<HHI", 33434, 5, 1)) + 8
    struct.pack_into("<I", exif, row, 10**6)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + exif)
    written = write_photo(read_photo(tmp_path / "a.jpg"), tmp_path / f"b{suffix}")
    assert "damaged in the source: EXIF tag 33434" in written.changed
    back = ifd.read_block(read_photo(tmp_path / f"b{suffix}").exif or b"")[0]
    inner = {entry.tag: entry.value for entry in back.children[ifd.EXIF_IFD].entries}
    assert (inner[34855], inner[ifd.MAKER_NOTE_TAG]) == (struct.pack("<H", 6400), NOTE)


@pytest.mark.parametrize("place", [0, 10, "thumbnail"])
def test_a_value_that_points_into_what_changes_is_damaged_and_not_lost(
    tmp_path: Path, place: int | str
) -> None:
    exif = bytearray(make_exif(thumbnail=True))
    row = exif.index(struct.pack("<HHI", 33434, 5, 1)) + 8
    struct.pack_into("<I", exif, row, exif.index(THUMBNAIL) if isinstance(place, str) else place)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + exif)
    written = write_photo(read_photo(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    assert "damaged in the source: EXIF tag 33434" in written.changed


@pytest.mark.parametrize("tag", [50341, 269, 33550])
def test_any_tag_about_the_shot_survives_in_a_tiff(tmp_path: Path, tag: int) -> None:
    extra = (tag, 7, 12, b"twelve bytes", True)
    pixels = np.zeros((8, 8, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", metadata=None, extratags=[extra])
    for before, after in (("a.tif", "b.jpg"), ("b.jpg", "c.tif")):
        write_photo(read_photo(tmp_path / before), tmp_path / after)
    with tifffile.TiffFile(tmp_path / "c.tif") as file:
        assert bytes(file.pages[0].tags[tag].value) == b"twelve bytes"


@pytest.mark.parametrize("dpi", [(0.01, 0.01), (127_000.0, 127_000.0), (5e6, 5e6), (299.72, 299.72)])
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("exif", [None, make_exif(">")], ids=["bare", "exif"])
def test_any_resolution_survives(
    tmp_path: Path, suffix: str, dpi: tuple[float, float], exif: bytes | None
) -> None:
    write_photo(make_photo(8, dpi=dpi, exif=exif), tmp_path / f"a{suffix}")
    back = read_photo(tmp_path / f"a{suffix}")
    assert back.dpi == pytest.approx(dpi, abs=0.51 if min(dpi) > 1 else 1e-3, rel=1e-5)
    if exif is not None:
        assert camera_facts(back.exif or b"") == camera_facts(exif)


def test_exiv2_compares_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("exiv2")
    write_photo(rich_photo(), tmp_path / "a.jpg")
    photo = read_photo(tmp_path / "a.jpg")
    assert write_photo(photo, tmp_path / "b.tif").by_exiv2
    monkeypatch.setattr(
        "nsp_cli.photo.check.verify.compare_metadata", lambda *_: Comparison()
    )  # ours is blind
    poor = replace(photo, exif=without_iso(photo.exif))
    with pytest.raises(OutputError, match=r"Exif\.Photo\.ISOSpeedRatings"):
        write_photo(poor, tmp_path / "c.tif")
    assert names(tmp_path) == ["a.jpg", "b.tif"]


def test_without_exiv2_nothing_is_missed_but_its_opinion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photo(rich_photo(), tmp_path / "a.jpg")
    monkeypatch.setitem(sys.modules, "exiv2", None)
    written = write_photo(read_photo(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    assert not written.by_exiv2
    assert written.kept > 10


@pytest.mark.shared
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_camera_photos_lose_nothing(tmp_path: Path, suffix: str) -> None:
    for path in sorted((SHARED / "data/train/cameras").glob("*.jpg"))[::6]:
        photo = read_photo(path)
        photo = photo.with_pixels(np.ascontiguousarray(photo.pixels[:16, :16]))
        written = write_photo(photo, tmp_path / f"{path.stem}{suffix}")
        assert written.kept > 20
        assert not any("maker" in text for text in written.left_out)
