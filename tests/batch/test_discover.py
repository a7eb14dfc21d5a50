"""Which photos are meant, and where their results go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nsp_cli.batch import Found, Selection, find_photos, plan_jobs, read_list
from nsp_cli.errors import InputError, OutputError
from tests.counting import calls_of


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def found(*named: Path, leave_out: Path | None = None, **settings: object) -> list[str]:
    photos = find_photos(Selection(named, **settings), leave_out=leave_out)  # type: ignore[arg-type]
    return [(photo.below / photo.path.name).as_posix() for photo in photos]


class TestFindPhotos:
    def test_a_folder_gives_its_photos_and_nothing_else(self, tmp_path):
        touch(tmp_path, "b.JPG", "a.nef", "notes.txt", ".hidden.jpg", "._a.nef", "deep/c.png")
        assert found(tmp_path) == ["a.nef", "b.JPG"]

    def test_recursive_keeps_the_folders(self, tmp_path):
        touch(tmp_path, "b.jpg", "day1/x/c.png", ".trash/d.jpg")
        assert found(tmp_path, recursive=True) == ["b.jpg", "day1/x/c.png"]

    def test_only_folders_below_are_a_reason_for_recursive(self, tmp_path):
        touch(tmp_path, "a.gif", ".trash/d.gif", "clean/b.png")
        with pytest.raises(InputError) as error:
            found(tmp_path, leave_out=tmp_path / "clean")
        assert "--recursive" not in error.value.hint
        touch(tmp_path, "day/c.jpg")
        with pytest.raises(InputError) as error:
            found(tmp_path, leave_out=tmp_path / "clean")
        assert "--recursive" in error.value.hint

    def test_results_below_the_folder_are_left_out(self, tmp_path):
        touch(tmp_path, "a.jpg", "clean/a.jpg")
        assert found(tmp_path, recursive=True, leave_out=tmp_path / "clean") == ["a.jpg"]

    def test_links_in_a_circle_end(self, tmp_path):
        touch(tmp_path, "day/a.jpg")
        (tmp_path / "day" / "again").symlink_to(tmp_path, target_is_directory=True)
        assert found(tmp_path, recursive=True) == ["day/a.jpg"]

    def test_include_and_exclude_match_names_and_paths(self, tmp_path):
        touch(tmp_path, "a.jpg", "b.NEF", "day1/c.nef", "day2/d.nef")
        assert found(tmp_path, recursive=True, include=("*.nef",)) == ["b.NEF", "day1/c.nef", "day2/d.nef"]
        assert found(tmp_path, recursive=True, exclude=("day2/*", "*.jpg")) == ["b.NEF", "day1/c.nef"]

    @pytest.mark.parametrize(
        ("prefer", "expected"),
        [
            ("raw", ["a.NEF", "b.jpg", "c.nef"]),
            ("jpeg", ["A.jpg", "b.jpg", "c.nef"]),
            ("both", ["A.jpg", "a.NEF", "b.jpg", "c.nef"]),
        ],
    )
    def test_of_raw_and_jpeg_pairs_one_can_be_taken(self, tmp_path, prefer, expected):
        touch(tmp_path, "a.NEF", "A.jpg", "b.jpg", "c.nef")
        assert found(tmp_path, prefer=prefer) == expected

    def test_a_pattern_that_the_shell_left_is_expanded(self, tmp_path):
        touch(tmp_path, "b.jpg", "a.jpg", "c.png", "deep/er/d.jpg")
        assert found(tmp_path / "*.jpg") == ["a.jpg", "b.jpg"]
        assert found(tmp_path / "**" / "d.jpg") == ["d.jpg"]

    def test_a_name_with_brackets_is_a_name_first(self, tmp_path):
        touch(tmp_path, "[1].jpg", "1.jpg")
        assert found(tmp_path / "[1].jpg") == ["[1].jpg"]

    def test_each_photo_counts_once(self, tmp_path):
        touch(tmp_path, "a.jpg")
        assert found(tmp_path, tmp_path / "a.jpg", tmp_path / "*.jpg") == ["a.jpg"]

    def test_what_is_missing_is_left_to_be_reported_by_name(self, tmp_path):
        assert found(tmp_path / "no.jpg") == ["no.jpg"]

    @pytest.mark.parametrize("named", ["empty", "*.jpg"])
    def test_nothing_found_is_an_error(self, tmp_path, named):
        (tmp_path / "empty").mkdir()
        with pytest.raises(InputError, match=r"no photo|Nothing matches"):
            found(tmp_path / named)

    def test_nothing_left_is_an_error(self, tmp_path):
        with pytest.raises(InputError, match="No photos match these filters"):
            found(touch(tmp_path, "a.jpg"), include=("*.png",))


@pytest.mark.parametrize("separator", [b"\n", b"\r\n", b"\0"])
def test_lists_have_a_name_a_line_or_end_names_with_nul(tmp_path, separator):
    (tmp_path / "list").write_bytes(separator.join([b"a b.jpg", os.fsencode("ü.jpg"), b""]))
    assert read_list(tmp_path / "list") == [Path("a b.jpg"), Path("ü.jpg")]


def test_a_list_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_list(tmp_path / "list")


def planned(*names: str, output: str | None = None, **settings: object) -> list[str]:
    photos = [Found(Path(name), Path(name).parent, is_named=False) for name in names]
    target = None if output is None else Path(output)
    jobs = plan_jobs(photos, output=target, ending="_denoised", **settings)  # type: ignore[arg-type]
    return [job.target.as_posix() for job in jobs]


class TestPlanJobs:
    def test_beside_the_photo_with_an_ending(self):
        assert planned("a.jpg", "d/b.nef") == ["a_denoised.jpg", "d/b_denoised.tif"]

    def test_elsewhere_in_the_same_folders(self):
        assert planned("a.jpg", "d/b.jpg", output="out") == ["out/a.jpg", "out/d/b.jpg"]

    def test_the_photos_own_folder_gets_the_ending_too(self):
        assert planned("a.jpg", output=".") == ["a_denoised.jpg"]

    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            (["a.jpg", "a.png", "b.png"], ["o/a-jpg.png", "o/a-png.png", "o/b.png"]),
            (["A.jpg", "a.jpg"], ["o/A-jpg.png", "o/a-jpg-2.png"]),
            (["a.jpg", "a.png", "a-png.png"], ["o/a-jpg.png", "o/a-png-2.png", "o/a-png.png"]),
            (["a.nef", "a.jpg"], ["o/a-nef.png", "o/a-jpg.png"]),
        ],
    )
    def test_two_results_never_share_a_name(self, names, expected):
        assert planned(*names, output="o", file_format="png") == expected

    def test_names_stay_within_what_file_systems_allow(self):
        names = ["ü" * 120 + f"{number}.jpg" for number in range(10)]
        targets = planned(*names)
        assert all(len(os.fsencode(Path(target).name)) <= 255 for target in targets)
        assert len(set(targets)) == 10
        assert all(target.endswith("_denoised.jpg") for target in targets)

    def test_results_of_an_earlier_run_are_not_photos(self):
        assert planned("a.jpg", "a_denoised.jpg") == ["a_denoised.jpg"]

    def test_a_named_photo_is_never_a_result(self):
        photos = [Found(Path("a.jpg")), Found(Path("a_denoised.jpg"))]
        with pytest.raises(OutputError, match="one of the photos"):
            plan_jobs(photos, output=None, ending="_denoised")

    def test_one_file_cannot_hold_many_photos(self):
        with pytest.raises(OutputError, match="is a single file, but there are 2 photos"):
            planned("a.jpg", "b.jpg", output="out.jpg")

    def test_time_grows_with_the_number_of_photos_not_with_its_square(self):
        def calls_for(count: int) -> int:
            names = [f"{n}{ending}.jpg" for ending in ("_denoised", "") for n in range(count)]
            return calls_of(lambda: planned(*names))

        assert calls_for(200) < 2.2 * calls_for(100)
