"""The commands as a user meets them: through main(), on real files, with a tiny network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsp_cli import __version__, load_weights
from nsp_cli.cli import console
from nsp_cli.cli.workflows import photos
from nsp_cli.evaluation.folders import enlarging_trial
from nsp_cli.evaluation.metrics import psnr
from nsp_cli.ops.pixels import pixels_to_tensor, tensor_to_pixels
from nsp_cli.photo import read_photo
from nsp_cli.weights.file import save_weights
from tests.scenes import scene, to_8_bits, white_noise

SAMPLE = Path(__file__).parents[1] / "data" / "sample_noisy.jpg"


@pytest.fixture(autouse=True)
def _loud() -> None:
    console.set_quiet(False)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return save(tmp_path / "photo.png")


def save(path: Path, height: int = 40, width: int = 30, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).convert(mode).save(path)
    return path


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".safetensors"}


class TestDenoise:
    def test_writes_beside_the_photo_and_leaves_it_alone(self, run_nsp, picture, tiny_weights):
        before = picture.read_bytes()
        run = run_nsp("denoise", picture, "-m", tiny_weights)
        assert run.code == 0, run.err
        assert run.out.strip() == str(picture.with_name("photo_denoised.png"))
        assert opened(picture.with_name("photo_denoised.png")).size == (30, 40)
        assert picture.read_bytes() == before

    def test_last_line_says_size_device_precision_time_and_speed(self, run_nsp, picture, tiny_weights):
        run = run_nsp("denoise", picture, "-m", tiny_weights, "--device", "cpu", "--precision", "float32")
        for fact in ("30×40", "cpu", "float32", " s ", "MP/s"):
            assert fact in run.err.splitlines()[-1]

    def test_piped_output_has_no_control_characters(self, run_nsp, picture, tiny_weights):
        run = run_nsp("denoise", picture, "-m", tiny_weights)
        assert not any(ord(letter) < 32 and letter != "\n" for letter in run.out + run.err)

    def test_quiet_leaves_only_the_result(self, run_nsp, picture, tiny_weights):
        run = run_nsp("--quiet", "denoise", picture, "-m", tiny_weights)
        assert (run.code, run.err) == (0, "")
        assert run.out

    def test_quiet_still_shows_errors(self, run_nsp, tmp_path, tiny_weights):
        assert "does not exist" in run_nsp("--quiet", "denoise", tmp_path / "no.png", "-m", tiny_weights).err

    def test_existing_result_is_kept_unless_overwrite_is_given(self, run_nsp, picture, tiny_weights):
        result = picture.with_name("photo_denoised.png")
        result.write_bytes(b"precious")
        run = run_nsp("denoise", picture, "-m", tiny_weights)
        assert run.code == 1
        assert "--overwrite" in run.err
        assert result.read_bytes() == b"precious"
        assert run_nsp("denoise", picture, "-m", tiny_weights, "--overwrite").code == 0
        assert opened(result).size == (30, 40)

    def test_the_photo_itself_is_never_written(self, run_nsp, picture, tiny_weights):
        before = picture.read_bytes()
        run = run_nsp("denoise", picture, "-m", tiny_weights, "-o", picture, "--overwrite")
        assert run.code == 1
        assert picture.read_bytes() == before

    def test_a_folder_gets_the_photos_own_names(self, run_nsp, tmp_path, tiny_weights):
        photos = [save(tmp_path / "in" / name) for name in ("a.png", "b.jpg")]
        run = run_nsp("denoise", *photos, "-o", tmp_path / "out", "-m", tiny_weights)
        assert run.code == 0, run.err
        assert files(tmp_path / "out") == {"a.png", "b.jpg"}

    def test_one_bad_photo_does_not_stop_the_others(self, run_nsp, tmp_path, tiny_weights):
        (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        good = save(tmp_path / "good.png")
        run = run_nsp("denoise", tmp_path / "bad.png", good, "-m", tiny_weights)
        assert run.code == 1
        assert "bad.png" in run.err
        assert "1 of 2 photos failed" in run.err
        assert files(tmp_path) == {"bad.png", "good.png", "good_denoised.png"}

    def test_two_photos_never_share_a_result(self, run_nsp, tmp_path, tiny_weights):
        photos = [save(tmp_path / folder / "Photo.png") for folder in ("one", "two")]
        run = run_nsp("denoise", *photos, "-o", tmp_path / "out", "-m", tiny_weights)
        assert run.code == 0, run.err
        assert files(tmp_path / "out") == {"Photo-png.png", "Photo-png-2.png"}

    def test_format_and_depth_can_be_chosen(self, run_nsp, picture, tiny_weights):
        run = run_nsp("denoise", picture, "-m", tiny_weights, "--format", "tiff", "--bit-depth", "16")
        assert run.code == 0, run.err
        result = read_photo(picture.with_name("photo_denoised.tif"))
        assert result.bit_depth == 16
        # The network's answer is rounded to 16 bits, not to 8 and then stretched.
        assert (result.pixels % 257 != 0).any()

    def test_sixteen_bits_do_not_go_into_a_jpeg(self, run_nsp, picture, tiny_weights):
        run = run_nsp("denoise", picture, "-m", tiny_weights, "--format", "jpeg", "--bit-depth", "16")
        assert run.code == 1
        assert "JPEG cannot hold 16 bits" in run.err

    def test_transparency_is_kept(self, run_nsp, tmp_path, tiny_weights):
        picture = save(tmp_path / "photo.png", mode="RGBA")
        alpha = np.linspace(0, 255, 30 * 40).astype(np.uint8).reshape(40, 30)
        photo = opened(picture)
        photo.putalpha(Image.fromarray(alpha))
        photo.save(picture)
        assert run_nsp("denoise", picture, "-m", tiny_weights).code == 0
        assert np.array_equal(np.asarray(opened(tmp_path / "photo_denoised.png"))[..., 3], alpha)

    def test_grey_stays_grey(self, run_nsp, tmp_path, tiny_weights):
        picture = save(tmp_path / "photo.png", mode="L")
        assert run_nsp("denoise", picture, "-m", tiny_weights).code == 0
        assert opened(tmp_path / "photo_denoised.png").mode == "L"

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda _: None, "does not exist"),
            (lambda path: path.write_bytes(b""), "is empty"),
            (lambda path: path.mkdir(), "contains no photos"),
            (lambda path: path.write_bytes(b"hello, I am a text"), "is not a photo"),
            (lambda path: path.write_bytes(SAMPLE.read_bytes()[:9000]), "cannot be read"),
        ],
    )
    def test_bad_input_gives_one_clear_line_and_a_hint(self, run_nsp, tmp_path, tiny_weights, make, message):
        make(tmp_path / "photo.jpg")
        run = run_nsp("denoise", tmp_path / "photo.jpg", "-m", tiny_weights)
        assert run.code == 1
        assert message in run.err.splitlines()[0]
        assert len(run.err.splitlines()) == 2
        assert files(tmp_path) <= {"photo.jpg"}

    @pytest.mark.parametrize("content", [None, b"", b"hello, I am a text"])
    def test_a_file_that_is_no_photo_waits_for_no_network(self, run_nsp, tmp_path, monkeypatch, content):
        monkeypatch.setattr(photos, "load_restorers", pytest.fail)
        if content is not None:
            (tmp_path / "photo.jpg").write_bytes(content)
        run = run_nsp("denoise", tmp_path / "photo.jpg")
        assert run.code == 1
        assert run.err.startswith("Error: ")

    def test_huge_photos_are_refused_by_a_limit_that_can_be_raised(self, run_nsp, picture, tiny_weights):
        run = run_nsp("denoise", picture, "-m", tiny_weights, "--max-megapixels", "0.001")
        assert run.code == 1
        assert "--max-megapixels" in run.err

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--device", "cuda:99"], "not available"),
            (["--precision", "float8"], "The precision 'float8' is unknown."),
            (["-m", "no-such-model"], "no weights named no-such-model"),
            (["-m", "nothing.safetensors"], "nothing.safetensors does not exist"),
            (["-o", "photo.xyz"], "is not a format that nsp writes"),
        ],
    )
    def test_bad_settings_are_explained(self, run_nsp, picture, tiny_weights, options, message):
        run = run_nsp("denoise", picture, "-m", tiny_weights, *options)
        assert run.code == 1
        assert message in run.err
        assert files(picture.parent) == {"photo.png"}

    def test_wrong_usage_exits_with_2(self, run_nsp, picture):
        assert run_nsp("denoise").code == 2
        assert run_nsp("denoise", picture, "--bit-depth", "12").code == 2
        assert run_nsp("denoise", picture, "--quality", "0").code == 2


class TestUpscale:
    @pytest.mark.parametrize("mode", ["pd", "direct"])
    def test_doubles_both_sides_and_the_transparency(self, run_nsp, tmp_path, tiny_weights, mode):
        picture = save(tmp_path / "photo.png", mode="RGBA")
        run = run_nsp("upscale", picture, "--x2", "--mode", mode, "-m", tiny_weights)
        assert run.code == 0, run.err
        result = opened(tmp_path / "photo_x2.png")
        assert (result.size, result.mode) == ((60, 80), "RGBA")


class TestWatch:
    @pytest.fixture(autouse=True)
    def _once(self, monkeypatch) -> None:
        """Looks into the folder once, and ends."""

        def arrived(plan):
            yield from plan()
            raise KeyboardInterrupt

        monkeypatch.setattr("nsp_cli.batch.arriving_jobs", arrived)

    def test_writes_results_as_denoise_does_with_the_same_options(self, run_nsp, picture, tiny_weights):
        options = ("-m", tiny_weights, "--format", "tiff", "--bit-depth", 16, "--plain", "--tile", 16)
        watched, denoised = picture.with_name("watched"), picture.with_name("denoised")
        assert run_nsp("watch", picture.parent, "-o", watched, *options).code == 0
        assert run_nsp("denoise", picture, "-o", denoised / "photo.tif", *options).code == 0
        first, second = (read_photo(folder / "photo.tif") for folder in (watched, denoised))
        assert first.bit_depth == 16
        assert (first.pixels == second.pixels).all()

    def test_replaces_results_only_when_asked(self, run_nsp, picture, tiny_weights):
        result = picture.with_name("photo_denoised.png")
        result.write_bytes(b"precious")
        assert "--overwrite" in run_nsp("watch", picture.parent, "-m", tiny_weights).err
        assert result.read_bytes() == b"precious"
        run_nsp("watch", picture.parent, "-m", tiny_weights, "--overwrite")
        assert opened(result).size == (30, 40)


class TestEvaluate:
    def test_json_has_every_picture_and_the_mean(self, run_nsp, tmp_path, tiny_weights):
        for name in ("a", "b"):
            save(tmp_path / "noisy" / f"{name}.png")
            save(tmp_path / "clean" / f"{name}.jpg")
        run = run_nsp("evaluate", tmp_path / "noisy", tmp_path / "clean", "-m", tiny_weights, "--json")
        scores = json.loads(run.out)
        assert [image["name"] for image in scores["images"]] == ["a.png", "b.png"]
        mean = sum(image["denoised"]["psnr"] for image in scores["images"]) / 2
        assert scores["mean"]["denoised"]["psnr"] == pytest.approx(mean)

    def test_x2_halves_the_noisy_picture_as_other_programs_do(self):
        picture = read_photo(SAMPLE.with_name("sample_clean.png")).pixels[:61, :80]
        noisy = pixels_to_tensor(picture)
        trial = enlarging_trial(noisy, noisy)
        assert (trial.truth == noisy[:, :60]).all()
        assert trial.untouched.shape == trial.truth.shape
        expected = Image.fromarray(picture[:60]).resize((40, 30), Image.Resampling.BICUBIC)
        difference = tensor_to_pixels(trial.given).astype(int) - np.asarray(expected, int)
        assert abs(difference)[2:-2, 2:-2].max() <= 1  # at the borders programs differ

    def test_x2_scores_enlargements(self, run_nsp, tiny_weights):
        clean = SAMPLE.with_name("sample_clean.png")
        command = ("evaluate", SAMPLE, clean, "-m", tiny_weights, "--plain", "--precision", "float32")
        run = run_nsp(*command, "--x2", "--mode", "pd", "--json")
        assert run.code == 0, run.err
        noisy, truth = (pixels_to_tensor(read_photo(path).pixels) for path in (SAMPLE, clean))
        trial = enlarging_trial(noisy, truth)
        enlarged = load_weights(str(tiny_weights), precision="float32").upscale(trial.given, mode="pd")
        found = json.loads(run.out)["images"][0]
        assert found["denoised"]["psnr"] == pytest.approx(psnr(enlarged, trial.truth))
        assert found["noisy"]["psnr"] == pytest.approx(psnr(trial.untouched, trial.truth))

    @pytest.mark.parametrize("mode", ["pd", "direct"])
    def test_x2_takes_the_papers_network_for_the_papers_modes(self, run_nsp, mode):
        clean = SAMPLE.with_name("sample_clean.png")
        assert "nsp-light" in run_nsp("evaluate", SAMPLE, clean, "--x2", "--mode", mode).err

    def test_x2_of_a_picture_too_small_is_an_error(self, run_nsp, tmp_path, tiny_weights):
        photo = save(tmp_path / "photo.png", height=11)
        run = run_nsp("evaluate", photo, photo, "-m", tiny_weights, "--x2")
        assert run.code == 1
        assert "12 pixels" in run.err

    def test_a_noisy_photo_without_a_clean_one_is_named(self, run_nsp, tmp_path, tiny_weights):
        save(tmp_path / "noisy" / "a.png")
        save(tmp_path / "clean" / "b.png")
        run = run_nsp("evaluate", tmp_path / "noisy", tmp_path / "clean", "-m", tiny_weights)
        assert run.code == 1
        assert "a.png" in run.err

    def test_a_pair_that_fails_does_not_stop_the_others(self, run_nsp, tmp_path, tiny_weights):
        for name in ("a", "b", "c"):
            save(tmp_path / "noisy" / f"{name}.png")
            save(tmp_path / "clean" / f"{name}.png", height=41 if name == "a" else 40)
        (tmp_path / "clean" / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        run = run_nsp("evaluate", tmp_path / "noisy", tmp_path / "clean", "-m", tiny_weights, "--json")
        assert run.code == 1
        assert [image["name"] for image in json.loads(run.out)["images"]] == ["c.png"]
        assert "differ in size" in run.err
        assert "b.png" in run.err
        assert "2 of 3 pairs failed" in run.err


def smooth(path: Path) -> Path:
    """A picture without noise."""
    ramp = np.linspace(60, 90, 96).round().astype(np.uint8)
    Image.fromarray(np.broadcast_to(ramp[None, :, None], (80, 96, 3)).copy()).save(path, quality=90)
    return path


class TestNoiseAware:
    def test_a_clean_photo_is_copied_byte_for_byte_and_nsp_says_so(self, run_nsp, tmp_path, tiny_weights):
        photo = smooth(tmp_path / "photo.jpg")
        run = run_nsp("denoise", photo, "-m", tiny_weights)
        assert run.code == 0, run.err
        assert "passed through unchanged" in run.err
        assert (tmp_path / "photo_denoised.jpg").read_bytes() == photo.read_bytes()

    def test_strength_nought_copies_too_and_another_format_keeps_the_pixels(
        self, run_nsp, picture, tiny_weights
    ):
        assert run_nsp("denoise", picture, "-m", tiny_weights, "--strength", 0).code == 0
        assert picture.with_name("photo_denoised.png").read_bytes() == picture.read_bytes()
        run_nsp("denoise", picture, "-m", tiny_weights, "--strength", 0, "--format", "tiff")
        converted = read_photo(picture.with_name("photo_denoised.tif"))
        assert (converted.pixels == read_photo(picture).pixels).all()

    def test_a_clean_photo_never_replaces_a_result_unasked(self, run_nsp, tmp_path, tiny_weights):
        photo = smooth(tmp_path / "photo.jpg")
        (tmp_path / "photo_denoised.jpg").write_bytes(b"precious")
        assert run_nsp("denoise", photo, "-m", tiny_weights).code == 1
        assert (tmp_path / "photo_denoised.jpg").read_bytes() == b"precious"

    def test_says_what_was_measured(self, run_nsp, tiny_weights, tmp_path):
        run = run_nsp("denoise", SAMPLE, "-m", tiny_weights, "-o", tmp_path)
        assert "luma" in run.err
        assert "chroma" in run.err

    def test_plain_is_the_papers_average_and_differs_from_the_default(self, run_nsp, tiny_weights, tmp_path):
        for name, flag in (("plain.png", ["--plain"]), ("default.png", [])):
            run_nsp("denoise", SAMPLE, "-m", tiny_weights, "-o", tmp_path / name, *flag)
        plain, default = (read_photo(tmp_path / name).pixels for name in ("plain.png", "default.png"))
        assert (plain != default).mean() > 0.5

    @pytest.mark.parametrize("command", ["denoise", "upscale"])
    def test_plain_has_no_strength(self, run_nsp, picture, tiny_weights, command):
        run = run_nsp(command, picture, "-m", tiny_weights, "--plain", "--luma", 0.5)
        assert run.code == 2
        assert "--plain" in run.err

    @pytest.mark.parametrize("wrong", [-1, 2.5, "much"])
    def test_strength_out_of_range_is_wrong_usage(self, run_nsp, picture, wrong):
        assert run_nsp("denoise", picture, "--strength", wrong).code == 2

    def test_evaluate_takes_the_same_options(self, run_nsp, tiny_weights):
        clean = SAMPLE.with_name("sample_clean.png")
        run = run_nsp("evaluate", SAMPLE, clean, "-m", tiny_weights, "--json", "--strength", 0)
        mean = json.loads(run.out)["mean"]
        assert mean["denoised"] == mean["noisy"]


@pytest.mark.parametrize("command", ["denoise", "preview", "evaluate"])
def test_weights_that_only_measure_noise_are_refused(run_nsp, picture, command):
    photos = [SAMPLE, SAMPLE.with_name("sample_clean.png")] if command == "evaluate" else [picture]
    run = run_nsp(command, *photos, "--model", "nsp-noise")
    assert run.code == 1
    assert "nsp-noise measures noise and does not remove it." in run.err


class TestInspect:
    def test_table_tells_noise_and_plan(self, run_nsp, tmp_path):
        run = run_nsp("inspect", SAMPLE, smooth(tmp_path / "smooth.png"))
        assert run.code == 0, run.err
        for fact in (SAMPLE.name, "nsp-fast", "smooth.png", "clean"):
            assert fact in run.out

    def test_json_has_levels_of_255(self, run_nsp):
        (entry,) = json.loads(run_nsp("inspect", SAMPLE, "--json").out)
        assert entry["photo"] == str(SAMPLE)
        assert 10 < entry["luma"] < 40
        assert len(entry["brightness"]) == len(entry["levels"]["green"])
        assert (entry["mode"], entry["clean"], entry["pd_factor"]) == ("direct", False, 5)

    def test_it_finds_noise_in_one_part_as_denoise_does(self, run_nsp, tmp_path):
        light = scene(600, 800)
        light[..., 400:] += white_noise((3, 600, 400), 12)
        Image.fromarray(tensor_to_pixels(to_8_bits(light))).save(tmp_path / "half.png")
        (entry,) = json.loads(run_nsp("inspect", tmp_path / "half.png", "--json").out)
        assert not entry["clean"]
        assert entry["quietest_tenth"] < 1 < entry["noisiest_tenth"]

    def test_plot_is_a_picture(self, run_nsp, tmp_path):
        assert run_nsp("inspect", SAMPLE, "--plot", tmp_path / "noise.png").code == 0
        assert opened(tmp_path / "noise.png").width > 500

    def test_a_plot_without_matplotlib_is_refused_before_anything_is_measured(
        self, run_nsp, tmp_path, monkeypatch
    ):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        run = run_nsp("inspect", SAMPLE, "--plot", tmp_path / "noise.png")
        assert run.code == 1
        assert run.out == ""
        assert 'pip install "nsp-cli[plots]"' in run.err
        assert not (tmp_path / "noise.png").exists()
        assert run_nsp("inspect", SAMPLE).code == 0

    def test_a_broken_photo_does_not_stop_the_others(self, run_nsp, tmp_path):
        (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 no")
        run = run_nsp("inspect", tmp_path / "broken.jpg", SAMPLE)
        assert run.code == 1
        assert SAMPLE.name in run.out
        assert "broken.jpg" in run.err

    def test_a_folder_gives_its_photos(self, run_nsp, picture):
        save(picture.with_name("second.png"))
        run = run_nsp("inspect", picture.parent, "--json")
        assert [Path(photo["photo"]).name for photo in json.loads(run.out)] == ["photo.png", "second.png"]

    def test_a_plot_never_replaces_a_photo(self, run_nsp, picture):
        before = picture.read_bytes()
        assert run_nsp("inspect", picture, "--plot", picture).code == 1
        assert picture.read_bytes() == before
        run = run_nsp("inspect", SAMPLE, "--plot", picture.with_name("noise.jpg"))
        assert run.code == 1
        assert "Use a name ending in .png." in run.err


@pytest.mark.parametrize(("command", "ending"), [("denoise", "_denoised"), ("upscale", "_x2")])
@pytest.mark.parametrize(("recommended", "notes"), [("no", 1), ("yes", 0), ("unknown", 0)])
def test_weights_that_were_not_found_better_say_so(
    run_nsp, picture, tiny_config, tmp_path, command, ending, recommended, notes
):
    weights, metadata = tmp_path / "mine.safetensors", {"recommended": recommended}
    save_weights(weights, tiny_config.build(), network_name="dbsn", config=tiny_config, metadata=metadata)
    run = run_nsp(command, picture, "-m", weights)
    assert run.out.strip() == str(picture.with_name(f"photo{ending}.png"))
    lines = [line for line in run.err.splitlines() if "better than those it compared them with" in line]
    assert len(lines) == notes


def test_version(run_nsp):
    assert run_nsp("--version").out == f"nsp {__version__}\n"


def test_interruption_exits_with_130(run_nsp, picture, tiny_weights, monkeypatch):
    def interrupt(*arguments: object, **settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nsp_cli.batch.pipeline.wait_for", interrupt)
    run = run_nsp("denoise", picture, "-m", tiny_weights)
    assert run.code == 130
    assert "Interrupted" in run.err


def test_bundled_weights_denoise_the_sample_offline(run_nsp, tmp_path):
    run = run_nsp("denoise", SAMPLE, "-o", tmp_path / "sample.jpg")
    assert run.code == 0, run.err
    assert opened(tmp_path / "sample.jpg").size == opened(SAMPLE).size


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX pipe")
def test_completion_can_be_shown(run_nsp, monkeypatch):
    # Tests need not be started by a shell that Typer could detect.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    assert "_NSP_COMPLETE" in run_nsp("--show-completion", "bash").out


class TestTerminal:
    @pytest.mark.parametrize("is_terminal", [False, True])
    def test_control_characters_reach_a_pipe_but_no_terminal(self, capsys, is_terminal):
        shown = console._Console(force_terminal=is_terminal, color_system=None, markup=False, soft_wrap=True)
        shown.print("\x1b]0;owned\x07 caf\u00e9\n\tb", "\x9b2J")
        printed = capsys.readouterr().out
        assert ("\x1b" in printed) == ("\x9b" in printed) == (not is_terminal)
        assert "caf\u00e9\n" in printed


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
class TestFullDisk:
    @pytest.mark.parametrize("options", [[], ["--json"]])
    def test_standard_output_that_cannot_be_written_is_an_error(self, options):
        with Path("/dev/full").open("w") as full:
            run = subprocess.run(
                [sys.executable, "-m", "nsp_cli", "weights", "list", *options],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert run.returncode == 1
        assert run.stderr.splitlines() == [
            "Error: Standard output cannot be written: No space left on device.",
            "       Redirect it to another place.",
        ]

    def test_a_log_that_cannot_be_written_is_an_error(self, run_nsp, picture, tiny_weights):
        run = run_nsp("denoise", picture, "-m", tiny_weights, "--log", "/dev/full")
        assert run.code == 1
        assert "The log /dev/full cannot be written: No space left on device." in run.err
        assert opened(picture.with_name("photo_denoised.png")).size == (30, 40)


def test_json_of_a_skipped_photo_has_no_size(run_nsp, picture, tiny_weights):
    command = ("denoise", picture, "-m", tiny_weights, "--json")
    (first, again) = (json.loads(run_nsp(*command).out) for _ in range(2))
    assert (first["status"], first["width"], first["height"]) == ("done", 30, 40)
    assert (again["status"], again["width"], again["height"]) == ("skipped", None, None)
