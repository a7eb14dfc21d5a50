"""nsp evaluate on the paper's data sets: files of their layout in, scores and submissions out."""

from __future__ import annotations

import base64
import csv
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from nsp_cli.cli import console
from nsp_cli.cli.workflows import datasets as dataset_runs
from nsp_cli.evaluation import datasets
from tests.mat_files import write_boxes, write_variable

BLOCKS = (2, 3, 24, 20, 3)
# Another process in the middle of its work.
HOLD = """
from pathlib import Path
from nsp_cli.evaluation.datasets import results_in
with results_in(Path("out"), {}, overwrite=True):
    print("held", flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def _loud(monkeypatch, tmp_path) -> None:
    console.set_quiet(False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def blocks() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, BLOCKS, np.uint8)


@pytest.fixture(params=[False, True], ids=["v5", "v7.3"])
def is_v73(request) -> bool:
    return request.param


@pytest.fixture
def validation(tmp_path, blocks) -> Path:
    """Truth is the noisy blocks, one level brighter in the last."""
    folder = tmp_path / "SIDD"
    clean = blocks // 2
    write_variable(folder / "ValidationNoisyBlocksSrgb.mat", "ValidationNoisyBlocksSrgb", clean, is_v73=False)
    clean[1, 2] += 1
    write_variable(folder / "ValidationGtBlocksSrgb.mat", "ValidationGtBlocksSrgb", clean, is_v73=False)
    return folder


@pytest.fixture
def benchmark(tmp_path, blocks) -> Path:
    folder = tmp_path / "SIDD"
    write_variable(folder / "BenchmarkNoisyBlocksSrgb.mat", "BenchmarkNoisyBlocksSrgb", blocks, is_v73=False)
    return folder


def make_dnd(folder: Path, layout: str) -> list[np.ndarray]:
    """Two photos of different shapes with two and one crop; returns the photos."""
    rng = np.random.default_rng(1)
    photos = [rng.random((30, 40, 3), np.float32), rng.random((26, 24, 3), np.float32)]
    for number, photo in enumerate(photos, 1):
        path = folder / "images_srgb" / f"{number:04d}.mat"
        write_variable(path, "InoisySRGB", photo, is_v73=layout.startswith("v7.3"))
    write_boxes(
        folder / "info.mat",
        [np.array([[1, 1, 16, 20], [11, 21, 30, 40]]), np.array([[3, 5, 26, 24]])],
        layout,
    )
    return photos


def interrupt_after(monkeypatch, count: int) -> None:
    """Lets the next run stop, as by Ctrl-C, before picture number `count`."""
    restore, left = dataset_runs._Run.restore, iter(range(count))

    def restore_some(self, noisy):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return restore(self, noisy)

    monkeypatch.setattr(dataset_runs._Run, "restore", restore_some)


class TestFiles:
    def test_both_versions_give_matlabs_axes(self, tmp_path, blocks, is_v73):
        write_variable(tmp_path / "Name.mat", "Name", blocks, is_v73=is_v73)
        found = datasets.read_blocks(tmp_path, "Name")
        assert len(found) == 6
        assert not found.is_official
        for index in range(6):
            block = found[index].permute(1, 2, 0).numpy()
            assert (block == blocks[index // 3, index % 3]).all()

    @pytest.mark.parametrize(
        "wrong",
        [
            np.zeros((2, 3, 24, 20), np.uint8),
            np.zeros((2, 3, 24, 20, 4), np.uint8),
            np.zeros((2, 3, 24, 10, 3), np.uint8),
            np.zeros(BLOCKS, np.float32),
        ],
        ids=["axes", "colours", "small", "type"],
    )
    def test_another_shape_is_named_beside_the_right_one(self, run_nsp, tmp_path, wrong, is_v73):
        path = tmp_path / "BenchmarkNoisyBlocksSrgb.mat"
        write_variable(path, "BenchmarkNoisyBlocksSrgb", wrong, is_v73=is_v73)
        run = run_nsp("evaluate", "sidd-benchmark", tmp_path)
        assert run.code == 1
        assert f"{'×'.join(map(str, wrong.shape))} {wrong.dtype}" in run.err
        assert "40×32×256×256×3" in run.err

    def test_another_variable_is_not_taken(self, run_nsp, tmp_path, blocks, is_v73):
        write_variable(tmp_path / "BenchmarkNoisyBlocksSrgb.mat", "Other", blocks, is_v73=is_v73)
        run = run_nsp("evaluate", "sidd-benchmark", tmp_path)
        assert run.code == 1
        assert "contains no BenchmarkNoisyBlocksSrgb.\n" in run.err

    @pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
    def test_a_file_cut_short_is_an_error_and_no_traceback(self, run_nsp, tmp_path, blocks, is_v73, share):
        path = tmp_path / "BenchmarkNoisyBlocksSrgb.mat"
        write_variable(path, "BenchmarkNoisyBlocksSrgb", blocks, is_v73=is_v73)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        run = run_nsp("evaluate", "sidd-benchmark", tmp_path)
        assert run.code == 1
        assert path.name in run.err

    @pytest.mark.parametrize("library", ["scipy", "h5py"])
    def test_an_absent_library_is_named_with_the_extra_to_install(
        self, run_nsp, tmp_path, blocks, monkeypatch, library
    ):
        write_variable(
            tmp_path / "BenchmarkNoisyBlocksSrgb.mat",
            "BenchmarkNoisyBlocksSrgb",
            blocks,
            is_v73=library == "h5py",
        )
        for name in [name for name in sys.modules if name.split(".")[0] == library]:
            monkeypatch.setitem(sys.modules, name, None)
        run = run_nsp("evaluate", "sidd-benchmark", tmp_path)
        assert run.code == 1
        assert library in run.err
        assert 'pip install "nsp-cli[evaluate]"' in run.err


class TestValidation:
    def test_scores_are_those_of_the_blocks(self, run_nsp, validation, tiny_weights):
        run = run_nsp(
            "evaluate", "sidd-validation", validation, "-m", tiny_weights, "--strength", 0, "--json"
        )
        assert run.code == 0, run.err
        assert "Do not compare their scores with published ones" in run.err
        scores = json.loads(run.out)["images"]
        assert [score["name"] for score in scores] == list("012345")
        assert all(score["denoised"] == score["noisy"] for score in scores)
        assert all(math.isinf(score["noisy"]["psnr"]) for score in scores[:5])
        assert scores[5]["noisy"]["psnr"] == pytest.approx(20 * math.log10(255))

    def test_people_see_the_mean_and_find_every_block_in_a_table(self, run_nsp, validation, tiny_weights):
        run = run_nsp("evaluate", "sidd-validation", validation, "-m", tiny_weights, "--plain", "-o", "out")
        assert "mean" in run.out
        assert len(run.out.splitlines()) < 8
        with Path("out/scores.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["ID"] for row in rows] == list("012345")
        assert all(float(row["PSNR"]) < 60 for row in rows)

    def test_blocks_can_be_halved_and_enlarged(self, run_nsp, validation, tiny_weights):
        command = ("evaluate", "sidd-validation", validation, "-m", tiny_weights, "--plain", "--json")
        run = run_nsp(*command, "--x2", "--mode", "pd")
        assert run.code == 0, run.err
        # Halving loses what the truth has, so even the blocks that equal their truth are not perfect.
        assert all(score["noisy"]["psnr"] < 40 for score in json.loads(run.out)["images"])

    def test_different_shapes_are_refused(self, run_nsp, validation, tiny_weights, blocks):
        write_variable(
            validation / "ValidationGtBlocksSrgb.mat", "ValidationGtBlocksSrgb", blocks[:1], is_v73=False
        )
        run = run_nsp("evaluate", "sidd-validation", validation, "-m", tiny_weights)
        assert run.code == 1
        assert "differ in shape" in run.err

    def test_an_interrupted_run_goes_on_and_gives_the_same_scores(
        self, run_nsp, validation, tiny_weights, monkeypatch
    ):
        command = ("evaluate", "sidd-validation", validation, "-m", tiny_weights, "--plain", "--json", "-o")
        with monkeypatch.context() as patched:
            interrupt_after(patched, 4)
            assert run_nsp(*command, "broken").code == 130
        assert not Path("broken/scores.csv").exists()
        with Path("broken/scores.csv.partial").open("a") as file:
            file.write("4,12.3")  # the row that a kill cut short
        with monkeypatch.context() as patched:
            interrupt_after(patched, 2)  # the last two blocks are all that is left
            resumed = run_nsp(*command, "broken")
        assert resumed.code == 0, resumed.err
        assert json.loads(resumed.out) == json.loads(run_nsp(*command, "whole").out)

    def test_a_run_killed_in_its_first_line_begins_anew(self, run_nsp, validation, tiny_weights):
        command = ("evaluate", "sidd-validation", validation, "-m", tiny_weights, "-o", "out", "--json")
        whole = run_nsp(*command)
        Path("out/scores.csv").unlink()
        Path("out/scores.csv.partial").write_text("ID,PSNR")
        assert json.loads(run_nsp(*command).out) == json.loads(whole.out)


class TestBenchmark:
    def test_every_block_is_a_row_of_its_bytes(self, run_nsp, benchmark, blocks, tiny_weights):
        run = run_nsp("evaluate", "sidd-benchmark", benchmark, "-m", tiny_weights, "--strength", 0)
        assert run.code == 0, run.err
        table = Path(run.out.strip())
        assert table == Path("sidd-benchmark_tiny/SubmitSrgb.csv")
        lines = table.read_text().splitlines()
        assert lines[0] == "ID,BLOCK"
        assert len(lines) == 7
        for index, line in enumerate(lines[1:]):
            number, content = line.split(",")
            block = np.frombuffer(base64.b64decode(content), np.uint8).reshape(BLOCKS[2:])
            assert int(number) == index
            assert (block == blocks[index // 3, index % 3]).all()

    def test_results_of_other_settings_are_kept_unless_told(self, run_nsp, benchmark, tiny_weights):
        command = ("evaluate", "sidd-benchmark", benchmark, "-m", tiny_weights, "-o", "out")
        run_nsp(*command, "--strength", 0)
        before = Path("out/SubmitSrgb.csv").read_bytes()
        run = run_nsp(*command, "--plain")
        assert run.code == 1
        assert "settings" in run.err
        assert Path("out/SubmitSrgb.csv").read_bytes() == before
        assert run_nsp(*command, "--plain", "--overwrite").code == 0
        assert Path("out/SubmitSrgb.csv").read_bytes() != before

    @pytest.mark.parametrize("more", [(), ("--overwrite",)])
    def test_a_folder_that_another_process_writes_is_refused_until_that_ends(
        self, run_nsp, benchmark, tiny_weights, more
    ):
        command = ("evaluate", "sidd-benchmark", benchmark, "-m", tiny_weights, "--plain", "-o", "out")
        holding = [sys.executable, "-c", HOLD]
        with subprocess.Popen(holding, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout.readline() == b"held\n"
            run = run_nsp(*command, *more)
            other.kill()
        assert run.code == 1
        assert "Another nsp process is writing results to out." in run.err
        assert Path("out/run.json").read_text() == "{}"
        assert run_nsp(*command, "--overwrite").code == 0
        assert sorted(path.name for path in Path("out").iterdir()) == ["SubmitSrgb.csv", "run.json"]

    def test_a_folder_with_something_else_is_left_alone(self, run_nsp, benchmark, tiny_weights):
        Path("out").mkdir()
        Path("out/1.mat").write_text("precious")
        for more in ((), ("--overwrite",)):
            run = run_nsp("evaluate", "sidd-benchmark", benchmark, "-m", tiny_weights, "-o", "out", *more)
            assert run.code == 1
            assert Path("out/1.mat").read_text() == "precious"


@pytest.mark.parametrize("layout", ["v5", "v5-cells", "v7.3", "v7.3-cells"])
class TestDnd:
    def test_crops_are_cut_as_matlab_counts_and_bundled(self, run_nsp, tmp_path, tiny_weights, layout):
        photos = make_dnd(tmp_path / "DND", layout)
        run = run_nsp("evaluate", "dnd", "DND", "-m", tiny_weights, "--strength", 0, "-o", "out", "--json")
        assert run.code == 0, run.err
        assert json.loads(run.out) == {"dataset": "dnd", "count": 3, "submission": "out/bundled"}
        expected = [[photos[0][:16, :20], photos[0][10:30, 20:40]], [photos[1][2:26, 4:24]]]
        assert sorted(path.name for path in Path("out").glob("*.mat")) == [
            "0001_01.mat",
            "0001_02.mat",
            "0002_01.mat",
        ]
        for number, crops in enumerate(expected, 1):
            bundle = scipy.io.loadmat(f"out/bundled/{number:04d}.mat")
            assert bundle["Idenoised"].shape == (1, len(crops))
            assert (bundle["israw"].item(), bundle["eval_version"].item()) == (False, "1.0")
            for k, crop in enumerate(crops):
                single = scipy.io.loadmat(f"out/{number:04d}_{k + 1:02d}.mat")["Idenoised_crop"]
                assert single.dtype == bundle["Idenoised"][0, k].dtype == np.float32
                assert (single == crop).all()
                assert (bundle["Idenoised"][0, k] == crop).all()


class TestDndFaults:
    def test_results_stay_within_the_range(self, run_nsp, tmp_path, tiny_weights):
        make_dnd(tmp_path / "DND", "v5")
        assert run_nsp("evaluate", "dnd", "DND", "-m", tiny_weights, "--plain", "-o", "out").code == 0
        crop = scipy.io.loadmat("out/0001_01.mat")["Idenoised_crop"]
        assert crop.min() >= 0
        assert crop.max() <= 1

    def test_an_interrupted_run_does_not_repeat_crops(self, run_nsp, tmp_path, tiny_weights, monkeypatch):
        make_dnd(tmp_path / "DND", "v7.3")
        command = ("evaluate", "dnd", "DND", "-m", tiny_weights, "--plain", "-o")
        with monkeypatch.context() as patched:
            interrupt_after(patched, 1)
            assert run_nsp(*command, "broken").code == 130
        assert not list(Path("broken/bundled").iterdir())
        with monkeypatch.context() as patched:
            interrupt_after(patched, 2)
            assert run_nsp(*command, "broken").code == 0
        run_nsp(*command, "whole")
        for path in Path("whole/bundled").iterdir():
            whole, resumed = (
                scipy.io.loadmat(folder / path.name)["Idenoised"][0]
                for folder in (Path("whole/bundled"), Path("broken/bundled"))
            )
            assert all((a == b).all() for a, b in zip(whole, resumed, strict=True))

    def test_a_missing_photo_is_found_before_any_work(self, run_nsp, tmp_path, tiny_weights):
        make_dnd(tmp_path / "DND", "v5")
        (tmp_path / "DND/images_srgb/0002.mat").unlink()
        run = run_nsp("evaluate", "dnd", "DND", "-m", tiny_weights, "-o", "out")
        assert run.code == 1
        assert "0002.mat" in run.err
        assert not Path("out").exists()

    def test_a_box_beyond_the_photo_is_an_error(self, run_nsp, tmp_path, tiny_weights):
        make_dnd(tmp_path / "DND", "v5")
        write_boxes(tmp_path / "DND/info.mat", [np.array([[1, 1, 16, 41]])], "v5")
        run = run_nsp("evaluate", "dnd", "DND", "-m", tiny_weights, "-o", "out")
        assert run.code == 1
        assert "smaller than a bounding box" in run.err

    @pytest.mark.parametrize("layout", ["v5", "v7.3"])
    def test_an_info_without_boxes_is_an_error(self, run_nsp, tmp_path, tiny_weights, layout):
        make_dnd(tmp_path / "DND", layout)
        write_variable(tmp_path / "DND/info.mat", "info", np.zeros((3, 3)), is_v73=layout == "v7.3")
        run = run_nsp("evaluate", "dnd", "DND", "-m", tiny_weights, "-o", "out")
        assert run.code == 1
        assert "info.mat" in run.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sidd-benchmark", ".", "--x2"), "--x2"),
        (("noisy", "clean", "-o", "out"), "--output"),
        (("noisy", "clean", "--mode", "pd"), "--mode"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(run_nsp, arguments, said):
    run = run_nsp("evaluate", *arguments)
    assert run.code == 2
    assert said in run.err


def test_a_folder_called_like_a_data_set_can_be_named(run_nsp, tmp_path, tiny_weights):
    run = run_nsp("evaluate", "./dnd", "clean", "-m", tiny_weights)
    assert run.code == 1
    assert "dnd is not a folder." in run.err
