"""The page of versions: self-contained, within its bound, in the right colours, and true about files."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsp_cli.errors import InputError, OutputError
from nsp_cli.files import file_sha256
from nsp_cli.photo import Photo, Pixels, Provenance, srgb_pixels, with_provenance, write_photo
from nsp_cli.photo.colour import srgb_profile
from nsp_cli.report import NotShown, PhotoComparison, Version, read_versions, write_comparison
from tests.pages import Page

HOSTILE = '</script><img src="https://example.com/x.png">&\'"'


def photo(height: int = 120, width: int = 160, seed: int = 0, **facts: object) -> Photo:
    pixels = np.random.default_rng(seed).normal(120, 12, (height, width, 3)).clip(0, 255)
    return Photo(pixels.astype(np.uint8), format="png", **facts)  # type: ignore[arg-type]


def comparison(name: str = "a.png", **size: int) -> PhotoComparison:
    versions = [
        Version(label, f"{label}-{name}", photo(seed=seed, **size)) for seed, label in enumerate("ab")
    ]
    return PhotoComparison(name, versions)


def written(path: Path, *comparisons: PhotoComparison | NotShown, megabytes: float = 5.0) -> Page:
    write_comparison(path, comparisons, len(comparisons), title="t", most_megabytes=megabytes)
    return Page(path.read_text(encoding="utf-8"))


def test_a_page_is_well_formed_and_needs_nothing_else(tmp_path):
    page = written(tmp_path / "p.html", comparison(HOSTILE), comparison(), NotShown(HOSTILE, HOSTILE))
    assert page.faults == []
    assert page.is_self_contained()
    assert "default-src 'none'" in page.source
    assert [picture["name"] for picture in page.pictures] == [HOSTILE, "a.png"]
    assert page.text.count(HOSTILE) >= 4  # index, heading, file, not shown: as text


def test_the_page_has_its_versions_and_what_was_measured(tmp_path):
    page = written(tmp_path / "p.html", comparison())
    assert page.pictures[0]["versions"] == ["a", "b"]
    for text in ("160×120, 8 bits, png", "chroma (of 255)", "assumed to be sRGB", "a-a.png", "b-a.png"):
        assert text in page.text, text
    curves = re.findall(r"<svg.*?</svg>", page.source, re.DOTALL)
    assert len(curves) == 1
    for text in ("noise level (0–255)", "brightness (0–255)", ">a</text>", ">b</text>"):
        assert text in curves[0], text


@pytest.mark.parametrize("megabytes", [0.3, 1.0, 6.0])
@pytest.mark.parametrize("count", [1, 9])
def test_the_page_keeps_to_its_size(tmp_path, megabytes, count):
    path, size = tmp_path / "p.html", {"height": 400, "width": 500}
    comparisons = [comparison(f"photo number {number}.png", **size) for number in range(count)]
    result = write_comparison(path, iter(comparisons), count, title="t", most_megabytes=megabytes)
    assert path.stat().st_size == result.size <= megabytes * 1e6
    assert len(result.summaries) + len(result.not_shown) == count
    text = Page(path.read_text(encoding="utf-8")).text
    assert all(one.name in text for one in comparisons)


def test_photos_are_read_one_after_the_other(tmp_path):
    pending = []

    def photos():
        for number in range(3):
            pending.append(comparison(f"{number}"))
            yield pending[-1]

    write_comparison(tmp_path / "p.html", photos(), 3, title="t")
    assert len(pending) == 3  # a generator is enough: no one asks for their number or twice


def test_an_enlargement_is_shown_beside_its_photo_at_one_size(tmp_path):
    small = photo(40, 60)
    large = small.with_pixels(small.pixels.repeat(2, 0).repeat(2, 1))
    page = written(
        tmp_path / "p.html",
        PhotoComparison("a", [Version("before", "a", small), Version("after", "b", large)]),
    )
    (picture,) = page.pictures
    assert (picture["width"], picture["height"]) == (120, 80)
    before, after = (opened(tiles[0]) for tiles in picture["levels"][-1]["tiles"])
    assert np.array_equal(before, after)


def opened(file: str) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(file))))


class TestColours:
    @staticmethod
    def swapped_profile() -> bytes:
        """Returns an sRGB profile in which red and blue have changed places."""
        profile = bytearray(srgb_profile())
        (count,) = struct.unpack_from(">I", profile, 128)
        tags = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
        red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
        profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
        return bytes(profile)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_a_profile_is_obeyed(self, dtype):
        pixels = np.zeros((4, 5, 3), dtype)
        pixels[..., 0] = np.iinfo(dtype).max
        converted, how = srgb_pixels(Photo(pixels, icc_profile=self.swapped_profile()))
        assert converted.dtype == np.uint8
        assert np.abs(converted.astype(int) - (0, 0, 255)).max() <= 2
        assert "to sRGB" in how

    def test_srgb_stays_as_it_is(self):
        given = photo(icc_profile=srgb_profile())
        assert np.abs(srgb_pixels(given)[0].astype(int) - given.pixels).max() <= 1

    @pytest.mark.parametrize("profile", [None, b"nonsense", srgb_profile()[:200]])
    def test_without_a_usable_profile_colours_stay_and_that_is_said(self, profile):
        given = photo(icc_profile=profile)
        pixels, how = srgb_pixels(given)
        assert np.array_equal(pixels, given.pixels)
        assert "assumed to be sRGB" in how

    def test_the_page_has_the_converted_colours(self, tmp_path):
        red = np.zeros((40, 50, 3), np.uint8)
        red[..., 0] = 250
        version = Version("a", "a", Photo(red, icc_profile=self.swapped_profile()))
        page = written(
            tmp_path / "p.html", PhotoComparison("a", [version, dataclasses.replace(version, name="b")])
        )
        assert opened(page.pictures[0]["levels"][-1]["tiles"][0][0])[5, 5].argmax() == 2


class TestFiles:
    @pytest.fixture
    def before(self, tmp_path) -> Path:
        write_photo(photo(), tmp_path / "shot.png")
        return tmp_path / "shot.png"

    def result(self, before: Path, name: str, source: str = "") -> Path:
        made = Provenance(
            source or file_sha256(before), "mine", "cd" * 32, json.dumps({"luma": 0.5, "plain": None}), "9.9"
        )
        write_photo(with_provenance(photo(seed=1), made), before.parent / name)
        return before.parent / name

    def test_settings_and_hash_of_a_result_are_shown(self, tmp_path, before):
        versions = read_versions(before, [self.result(before, "clean.png")])
        page = written(tmp_path / "p.html", PhotoComparison("a", versions))
        for text in ("mine", "cd" * 32, "luma 0.5", "nsp 9.9", "yes, by checksum", "clean.png"):
            assert text in page.text, text
        assert "plain" not in page.text

    def test_a_result_of_another_photo_is_told(self, tmp_path, before):
        versions = read_versions(before, [self.result(before, "clean.png", source="ef" * 32)])
        assert "no, of another file" in written(tmp_path / "p.html", PhotoComparison("a", versions)).text

    def test_no_two_versions_share_a_name(self, before):
        (before.parent / "other").mkdir()
        results = [self.result(before, name) for name in ("x.png", "x.tif", "other/x.png", "before.png")]
        names = [version.name for version in read_versions(before, results)]
        assert len(set(names)) == 5
        assert names[0] == "before"

    def test_pictures_of_other_shapes_are_refused(self, tmp_path, before):
        write_photo(photo(120, 150), tmp_path / "other.png")
        with pytest.raises(InputError, match="not versions of one photo"):
            read_versions(before, [tmp_path / "other.png"])
        write_photo(photo(241, 320), tmp_path / "large.png")  # rounding of an odd size is no other shape
        assert len(read_versions(before, [tmp_path / "large.png"])) == 2


class TestCommand:
    @pytest.fixture
    def picture(self, tmp_path) -> Path:
        write_photo(photo(), tmp_path / "shot.png")
        return tmp_path / "shot.png"

    def test_compares_files(self, run_nsp, picture, tiny_weights):
        assert run_nsp("denoise", picture, "-m", tiny_weights).code == 0
        run = run_nsp("compare", picture, picture.with_name("shot_denoised.png"))
        page = picture.with_name("shot_compare.html")
        assert (run.code, run.out.strip()) == (0, str(page)), run.err
        assert "MB; on this page: the whole photo at 100 %" in run.err
        assert Page(page.read_text(encoding="utf-8")).pictures[0]["versions"] == ["before", "after"]

    def test_compares_strengths(self, run_nsp, picture, tiny_weights, tmp_path):
        page = tmp_path / "p.html"
        run = run_nsp("compare", picture, "--strengths", "0,0.5,1", "-m", tiny_weights, "-o", page)
        assert run.code == 0, run.err
        (content,) = Page(page.read_text(encoding="utf-8")).pictures
        assert content["versions"] == ["before", "strength 0", "strength 0.5", "strength 1"]
        before, zero, half, full = (tiles[0] for tiles in content["levels"][-1]["tiles"])
        assert before == zero
        assert len({zero, half, full}) == 3

    @pytest.mark.parametrize("strengths", ["", "1,", "3", "-1", "a", "nan"])
    def test_strengths_that_are_none(self, run_nsp, picture, strengths):
        run = run_nsp("compare", picture, "--strengths", strengths)
        assert run.code == 2
        assert "not a list of numbers from 0 to 2" in run.err

    def test_a_photo_alone_is_asked_about(self, run_nsp, picture):
        run = run_nsp("compare", picture)
        assert run.code == 2
        assert "--strengths" in run.err

    def test_a_photo_is_never_replaced_by_a_page(self, run_nsp, picture):
        before = picture.read_bytes()
        for arguments in (("compare", picture, picture, "-o"), ("denoise", picture, "--report")):
            run = run_nsp(*arguments, picture)
            assert run.code == 1
            assert "Use a name ending in .html" in run.err
        assert picture.read_bytes() == before

    def test_a_page_replaces_an_earlier_page_and_nothing_else(self, run_nsp, picture):
        page = picture.with_name("p.html")
        page.write_text("<html>precious</html>")
        for arguments in (("compare", picture, picture, "-o"), ("denoise", picture, "--report")):
            run = run_nsp(*arguments, page)
            assert run.code == 1
            assert "is not a page of nsp" in run.err
        assert page.read_text() == "<html>precious</html>"
        page.unlink()
        for _ in range(2):
            assert run_nsp("compare", picture, picture, "-o", page).code == 0

    def test_a_folder_that_cannot_be_made(self, run_nsp, picture):
        run = run_nsp("compare", picture, picture, "-o", picture / "p.html")
        assert run.code == 1
        assert "cannot be created" in run.err


class TestRun:
    def test_a_batch_has_a_page_of_all(self, run_nsp, tmp_path, tiny_weights):
        for number in range(2):
            write_photo(photo(seed=number), tmp_path / f"{number}.png")
        (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        page = tmp_path / "new" / "p.html"
        command = ("denoise", tmp_path, "-m", tiny_weights, "--json", "--report", page)
        run = run_nsp(*command)
        assert run.code == 1
        assert [json.loads(line)["status"] for line in run.out.splitlines()].count("done") == 2
        content = Page(page.read_text(encoding="utf-8"))
        assert [picture["name"] for picture in content.pictures] == ["0.png", "1.png"]
        assert "bad.png" in content.text
        assert str(page) in run.err
        page.unlink()
        run_nsp(*command)  # all is done already
        assert [p["name"] for p in Page(page.read_text(encoding="utf-8")).pictures] == ["0.png", "1.png"]

    def test_nothing_done_makes_no_page(self, run_nsp, tmp_path, tiny_weights):
        (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        assert run_nsp("denoise", tmp_path, "-m", tiny_weights, "--report", tmp_path / "p.html").code == 1
        assert not (tmp_path / "p.html").exists()

    def test_an_enlargement_too(self, run_nsp, tmp_path, tiny_weights):
        write_photo(photo(40, 60), tmp_path / "a.png")
        run = run_nsp("upscale", tmp_path / "a.png", "-m", tiny_weights, "--report", tmp_path / "p.html")
        assert run.code == 0, run.err
        (picture,) = Page((tmp_path / "p.html").read_text(encoding="utf-8")).pictures
        assert (picture["width"], picture["height"]) == (120, 80)


def test_a_page_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        written(tmp_path / "absent" / "p.html", comparison())
