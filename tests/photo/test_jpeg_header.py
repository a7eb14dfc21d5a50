"""Quantisation tables and subsampling of JPEG files."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from nsp_cli.photo import read_jpeg_tables

LUMA, CHROMA = list(range(2, 66)), list(range(40, 104))


def saved(folder: Path, mode: str = "RGB", name: str = "photo.jpg", **settings: object) -> Path:
    Image.new(mode, (40, 24)).save(folder / name, **settings)
    return folder / name


@pytest.mark.parametrize(("number", "subsampling"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_tables_are_read_row_by_row_with_the_subsampling(tmp_path, number, subsampling):
    tables = read_jpeg_tables(saved(tmp_path, qtables=[LUMA, CHROMA], subsampling=number))
    assert (list(tables.luma), list(tables.chroma), tables.subsampling) == (LUMA, CHROMA, subsampling)


def test_chroma_may_be_halved_along_columns_and_share_the_table_of_luma(tmp_path):
    file = saved(tmp_path, qtables=[LUMA], subsampling=1)
    data = bytearray(file.read_bytes())
    # The sampling factors of luma in the frame header; a decoder is not asked.
    place = data.index(b"\xff\xc0") + 11
    assert data[place] == 0x21
    data[place] = 0x12
    file.write_bytes(data)
    tables = read_jpeg_tables(file)
    assert tables.subsampling == "4:4:0"
    assert tables.chroma == tables.luma


def test_other_files_have_none(tmp_path):
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(saved(tmp_path).read_bytes()[:30])
    others = [
        saved(tmp_path, "L", "grey.jpg"),
        saved(tmp_path, "CMYK", "cmyk.jpg"),
        saved(tmp_path, name="photo.png"),
        damaged,
        tmp_path / "missing.jpg",
    ]
    assert [read_jpeg_tables(file) for file in others] == [None] * 5
