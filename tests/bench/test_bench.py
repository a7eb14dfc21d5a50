"""nsp bench: counted from the network itself, fair to both ways, and nothing of it made up."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from nsp_cli.bench import files, networks, peak, run, timing
from nsp_cli.bench.networks import Subject, compare_with_naive, load_subject, measure_speed
from nsp_cli.bench.photos import synthetic_photo
from nsp_cli.errors import WeightsError
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.networks.unet import UnetConfig
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.planning import plan_restoration

CPU = torch.device("cpu")


@pytest.fixture
def quick(monkeypatch):
    """Makes everything small; the commands from start to end are left out."""
    monkeypatch.setattr(peak, "_SECONDS", 0.01)
    monkeypatch.setattr(peak, "_SIDES_ON_CPU", (64,))
    monkeypatch.setattr(peak, "_COPIED_BYTES", 2**20)
    monkeypatch.setattr(networks, "_SMALL_MEGAPIXELS", 0.01)
    monkeypatch.setattr(networks, "_SMALL_CORE", 24)
    monkeypatch.setattr(run, "_COMPARED_MEGAPIXELS", 0.02)
    monkeypatch.setattr(timing, "_ROUNDS", 1)
    monkeypatch.setattr(run, "measure_starts", lambda _megapixels: [files.StartTime("nsp --help", 0.1)])


def subject(config: DbsnConfig | UnetConfig) -> Subject:
    torch.manual_seed(0)
    network = config.build().eval()
    return Subject("any", network, config.spec(), 1000.0)


def test_multiplications_are_those_of_the_layers():
    channels, t = 8, 2
    config = DbsnConfig(base_channels=channels, num_modules=3, t=t)
    branches = sum((2 * d - 1) ** 2 + 3 * 10 + 3 for d in (2, 3)) * channels**2
    fine = 2 * channels // t**2
    tail = 2 * (2 * channels) ** 2 + t**2 * (2 * fine**2 + 3 * fine)
    counted = networks.multiplications_per_pixel(config.build(), config.spec())
    assert counted == 3 * channels + branches + tail


def test_the_papers_network_is_measured_at_full_size():
    assert 3.7e6 < load_subject("dbsn").multiplications < 3.8e6
    assert 55e3 < load_subject("nsp-fast").multiplications < 61e3


def test_all_bundled_weights_that_work_on_pictures_are_measured(run_nsp, monkeypatch):
    plans = []

    def stop(plan: run.BenchPlan, _: object) -> None:
        plans.append([load_subject(name).name for name in plan.models])
        raise WeightsError("enough", "")

    monkeypatch.setattr("nsp_cli.bench.run_bench", stop)
    assert "enough" in run_nsp("bench").err
    assert plans == [["nsp-fast", "nsp-fast-x2", "nsp-light", "dbsn"]]


@pytest.mark.parametrize("name", ["nsp-noise", "nsp-raw"])
def test_other_weights_are_refused_with_a_reason(run_nsp, quick, name):
    run = run_nsp("bench", "-m", name, "--megapixels", "0.01")
    assert run.code == 1
    assert f"{name} does not work on pictures" in run.err


def test_the_photo_is_the_same_every_time_and_noisy():
    photo = synthetic_photo(0.3)
    assert photo.dtype == torch.uint8
    assert photo[0].numel() == pytest.approx(0.3e6, rel=0.01)
    assert photo.shape[2] / photo.shape[1] == pytest.approx(1.5, rel=0.01)
    assert torch.equal(photo, synthetic_photo(0.3))
    assert plan_restoration(photo).mode is not None


def test_a_large_photo_is_as_large_as_asked():
    assert synthetic_photo(3)[0].numel() == pytest.approx(3e6, rel=0.01)


def test_ways_take_turns(monkeypatch):
    called = []
    monkeypatch.setattr(timing, "seconds", lambda function: function() or len(called))
    taken = timing.alternated({"a": lambda: called.append("a"), "b": lambda: called.append("b")})
    assert "".join(called) == "ab" * (len(called) // 2)
    assert taken["a"] < taken["b"]


def test_what_is_slow_is_not_repeated(monkeypatch):
    called = []
    monkeypatch.setattr(timing, "seconds", lambda function: function() or 60.0)
    assert timing.alternated({"a": lambda: called.append(1)}) == {"a": 60.0}
    assert len(called) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_memory_is_the_most_since_then():
    before = timing.PeakMemory(CPU)
    torch.ones(2**25)  # freed at once
    first = before.peak_bytes()
    again = timing.PeakMemory(CPU).peak_bytes()
    assert first is not None
    assert again is not None
    assert 2**26 < first - again < 2**28


@pytest.mark.parametrize("config", [DbsnConfig(base_channels=8, num_modules=2), UnetConfig(widths=(4, 4, 8))])
@pytest.mark.usefixtures("quick")
def test_both_ways_give_the_same_picture(config):
    compared = compare_with_naive(subject(config), 0.03, Execution(CPU, torch.bfloat16))
    assert compared.float32_difference < 1e-5
    assert compared.tiles_difference < 1e-5
    assert 40 < compared.decibels < 200
    assert compared.times_faster.keys() == {"float32", "bfloat16"}


@pytest.mark.usefixtures("quick")
def test_a_wrong_picture_shows(monkeypatch):
    def off_by_a_tenth(*_):
        return lambda: torch.full((3, 100, 150), 0.1)

    monkeypatch.setattr(networks, "_way", off_by_a_tenth)
    monkeypatch.setattr(networks, "_naive_way", lambda *_: lambda: torch.zeros(3, 100, 150))
    compared = compare_with_naive(
        subject(DbsnConfig(base_channels=4, num_modules=1)), 0.015, Execution(CPU, torch.bfloat16)
    )
    assert compared.float32_difference == pytest.approx(0.1)
    assert compared.decibels == pytest.approx(20)


@pytest.mark.usefixtures("quick")
def test_the_naive_way_is_not_tried_beyond_memory(monkeypatch):
    monkeypatch.setattr(networks, "free_memory", lambda _device: 4 * 32 * 10_000 / 0.7)
    config = DbsnConfig(base_channels=4, num_modules=1)
    compared = compare_with_naive(subject(config), 1.0, Execution(CPU, torch.float32))
    assert compared.megapixels == pytest.approx(0.01, rel=0.05)


@pytest.mark.usefixtures("quick")
def test_share_of_peak_is_of_the_photos_pixels(monkeypatch):
    monkeypatch.setattr(networks, "alternated", lambda functions: dict.fromkeys(functions, 2.0))
    config = DbsnConfig(base_channels=4, num_modules=1)
    speed = measure_speed(subject(config), 0.06, Execution(CPU, torch.float32), 1e9)
    assert speed.megapixels_per_second == pytest.approx(0.03, rel=0.01)
    assert speed.share_of_peak == pytest.approx(2 * 1000 * 0.03e6 / 1e9, rel=0.01)


@pytest.mark.usefixtures("quick")
def test_json_holds_all_and_progress_ends(run_nsp, tiny_weights):
    done = run_nsp("bench", "--model", tiny_weights, "--megapixels", "0.02", "--megapixels", "0.03", "--json")
    assert done.code == 0
    report = json.loads(done.out)
    assert [round(speed["megapixels"], 2) for speed in report["speeds"]] == [0.02, 0.03]
    assert [file["suffix"] for file in report["files"]] == [".jpg", ".png", ".tif"]
    assert all(entry["matrix_flops"] > 0 and entry["copy_bytes"] > 0 for entry in report["peaks"])
    assert len(report["comparisons"]) == 1


@pytest.mark.usefixtures("quick")
def test_tables_name_the_network(run_nsp, tiny_weights):
    done = run_nsp("bench", "--model", tiny_weights, "--megapixels", "0.02", "--precision", "float32")
    assert done.code == 0
    assert done.out.count("tiny") >= 2
    assert "naive" in done.out


@pytest.mark.usefixtures("quick")
def test_progress_ends_at_the_total(tiny_weights):
    seen = []
    plan = run.BenchPlan([str(tiny_weights)], [0.02], Execution(CPU, torch.float32))
    run.run_bench(plan, lambda *now: seen.append(now))
    assert seen[0][0] == 0
    assert seen[-1][0] == seen[-1][1]
    assert seen == sorted(seen)


def test_commands_are_run_for_real(monkeypatch):
    monkeypatch.setattr(files, "_STARTS", 1)
    starts = files.measure_starts(0.02)
    assert len(starts) == 3
    assert all(start.seconds > 0.05 for start in starts)
    assert starts[0].seconds < starts[2].seconds


def test_unknown_weights_are_an_error(run_nsp):
    assert run_nsp("bench", "--model", "nothing-of-that-name").code == 1


def test_what_is_finished_is_made_again(tmp_path):
    """A finished result is skipped, and no measurement."""
    result = tmp_path / "result"
    result.touch()
    make = f"from pathlib import Path; Path({str(result)!r}).touch(exist_ok=False)"
    assert files._start("", [sys.executable, "-c", make], result).seconds > 0
