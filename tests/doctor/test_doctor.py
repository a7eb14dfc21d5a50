"""nsp doctor finds what is broken, says what to do, and passes where nothing is."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nsp_cli import doctor
from nsp_cli.cli import console
from nsp_cli.doctor import Finding, FindingStatus, guarded, machine, self_test, surroundings
from nsp_cli.restoration.inference import Restorer
from nsp_cli.weights import manifest
from nsp_cli.weights.hub import why_unreachable
from nsp_cli.weights.manifest import weights_folder
from tests.hub_server import HubServer


@pytest.fixture(autouse=True)
def _loud() -> None:
    console.set_quiet(False)


@pytest.fixture
def only(monkeypatch) -> Callable[[str], None]:
    """Leaves a single check, for the others take time."""

    def leave(name: str) -> None:
        monkeypatch.setattr(doctor, "CHECKS", {name: doctor.CHECKS[name]})

    return leave


@pytest.fixture
def own_weights(tmp_path, monkeypatch) -> Path:
    """Copies the bundled weights, so that a test may break them."""
    folder = tmp_path / "weights"
    shutil.copytree(weights_folder(), folder)
    monkeypatch.setattr(manifest, "weights_folder", lambda: folder)
    return folder


def found_by(name: str) -> dict[str, Finding]:
    return {finding.about: finding for finding in guarded(name, doctor.CHECKS[name])}


def statuses(findings: dict[str, Finding]) -> set[FindingStatus]:
    return {finding.status for finding in findings.values()}


def test_a_sound_installation_without_gpu_and_hub_passes(run_nsp, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    run = run_nsp("doctor")
    assert run.code == 0, run.out
    assert "failed" not in run.out
    for fact in (
        "torch 2",
        "device cpu",
        "weights nsp-fast",
        "denoising on cpu",
        "LibRaw",
        "HF_HUB_OFFLINE",
    ):
        assert fact in run.out, fact


def test_json_has_every_finding_with_its_next_step(run_nsp, only):
    only("optional libraries")
    findings = json.loads(run_nsp("doctor", "--json").out)
    assert {"optional exiv2", "optional scipy", "output"} <= {finding["about"] for finding in findings}
    assert all(set(finding) == {"about", "status", "text", "next_step"} for finding in findings)


def test_damaged_weights_fail_with_the_next_step_and_the_others_pass(run_nsp, only, own_weights):
    path = own_weights / "nsp-light.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    only("weights")
    run = run_nsp("doctor", "--json")
    assert run.code == 1
    findings = {finding["about"]: finding for finding in json.loads(run.out)}
    assert findings["weights nsp-light"]["status"] == "failed"
    assert "pip install --force-reinstall" in findings["weights nsp-light"]["next_step"]
    assert findings["weights nsp-fast"]["status"] == "ok"


def test_missing_default_weights_fail_the_self_test_too(own_weights):
    (own_weights / "nsp-fast.safetensors").unlink()
    assert found_by("weights")["weights nsp-fast"].status is FindingStatus.FAILED
    assert found_by("denoising")["denoising"].status is FindingStatus.FAILED


class TestDenoising:
    """Faults of a device are simulated by changing what a Restorer returns."""

    @pytest.fixture
    def fault(self, monkeypatch):
        def add(change: Callable[[Restorer, torch.Tensor], torch.Tensor]) -> None:
            denoise = Restorer.denoise
            monkeypatch.setattr(
                Restorer, "denoise", lambda self, noisy, **more: change(self, denoise(self, noisy, **more))
            )

        return add

    def test_tiles_that_differ_are_found(self, fault):
        def seam(restorer, answer):
            answer[:, :, 128] += 0.02 * (restorer.execution.core == self_test._TILED)
            return answer

        fault(seam)
        assert found_by("denoising")["denoising on cpu"].status is FindingStatus.FAILED

    def test_a_precision_that_is_wrong_is_found(self, fault, monkeypatch):
        monkeypatch.setattr(self_test, "choose_precision", lambda *_: torch.bfloat16)

        def noise(restorer, answer):
            is_coarse = restorer.execution.precision is torch.bfloat16
            return answer + is_coarse * 0.05 * torch.randn_like(answer)

        fault(noise)
        found = found_by("denoising")["denoising on cpu"]
        assert found.status is FindingStatus.FAILED
        assert "--device cpu" in found.next_step

    def test_weights_that_do_not_denoise_are_found(self, fault):
        fault(lambda _, answer: torch.rand_like(answer))
        assert found_by("denoising")["denoising"].status is FindingStatus.FAILED

    def test_a_device_that_breaks_does_not_hide_the_others(self, monkeypatch):
        monkeypatch.setattr(
            self_test, "present_devices", lambda: [torch.device("cuda:9"), torch.device("cpu")]
        )
        found = found_by("denoising")
        assert found["denoising on cuda:9"].status is FindingStatus.FAILED
        assert found["denoising on cpu"].status is FindingStatus.OK

    def test_the_photo_is_long_enough_for_tiles_to_see_less_than_all(self):
        assert self_test._TILED + 2 * self_test._load("cpu", "float32").spec.radius < self_test.WIDTH


def test_a_driver_that_torch_cannot_use_is_a_warning(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(machine.shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    found = found_by("devices")["device cuda"]
    assert (found.status, "pytorch.org" in found.next_step) == (FindingStatus.WARNING, True)


def test_an_intel_gpu_is_tried_and_the_report_says_how_to_use_it(monkeypatch):
    xpu = torch.device("xpu:0")
    for module in (machine, self_test):
        monkeypatch.setattr(module, "present_devices", lambda: [xpu])
        monkeypatch.setattr(module, "choose_precision", lambda *_: torch.bfloat16)
    monkeypatch.setattr(machine, "free_memory", lambda _: 10**10)
    monkeypatch.setattr(machine, "native_precisions", lambda _: [torch.float32, torch.bfloat16])
    monkeypatch.setattr(machine, "describe_device", str)
    assert "--device xpu" in found_by("devices")["device xpu:0"].next_step
    load, tried = self_test._load, []

    def on_the_cpu(device, *more):
        tried.append(device)
        return load("cpu", *more)

    monkeypatch.setattr(self_test, "_load", on_the_cpu)
    assert found_by("denoising")["denoising on xpu:0"].status is FindingStatus.OK
    assert tried == ["cpu", "xpu:0", "xpu:0", "xpu:0"]


def test_little_memory_is_a_warning(monkeypatch):
    monkeypatch.setattr(machine, "free_memory", lambda _: 10**8)
    assert found_by("devices")["device cpu"].status is FindingStatus.WARNING


def test_a_missing_library_fails_but_a_missing_extra_does_not(monkeypatch):
    monkeypatch.setattr(machine, "installed_version", lambda name: None if name == "rawpy" else "1")
    monkeypatch.setattr(surroundings, "installed_version", lambda _: None)
    assert FindingStatus.FAILED in {finding.status for finding in machine.examine_versions()}
    extras = found_by("optional libraries")
    assert statuses(extras) == {FindingStatus.OK}
    assert 'pip install "nsp-cli[evaluate]"' in extras["optional h5py"].next_step


def test_a_decoder_that_does_not_load_is_a_finding(monkeypatch):
    def broken():
        raise OSError("libraw.so: cannot open shared object file")

    monkeypatch.setattr(surroundings, "libraw_version", broken)
    found = found_by("camera RAW")["camera RAW"]
    assert found.status is FindingStatus.FAILED
    assert "libraw.so" in found.text


def test_formats_that_are_not_read_as_written_are_found(monkeypatch):
    read = surroundings.read_photo

    def wrong(path):
        photo = read(path)
        return photo.with_pixels(photo.pixels + 1) if path.suffix == ".png" else photo

    monkeypatch.setattr(surroundings, "read_photo", wrong)
    found = found_by("photo formats")["photo formats"]
    assert (found.status, "png" in found.text, "tiff" in found.text) == (FindingStatus.FAILED, True, False)


@pytest.mark.parametrize(("free", "status"), [(10**8, FindingStatus.WARNING), (10**10, FindingStatus.OK)])
def test_a_cache_with_little_space_is_a_warning(monkeypatch, free, status):
    monkeypatch.setattr(surroundings.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert statuses(found_by("caches")) == {status}


def test_a_cache_that_cannot_be_written_is_a_warning(monkeypatch):
    monkeypatch.setenv("NSP_CACHE_DIR", "/proc/nsp")
    found = found_by("caches")["cache of training"]
    assert found.status is FindingStatus.WARNING
    assert "NSP_CACHE_DIR" in found.next_step


def test_the_users_name_is_not_in_the_report(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NSP_CACHE_DIR", str(tmp_path / "cache"))
    assert found_by("caches")["cache of training"].text.startswith("~")


class TestHub:
    def test_one_that_answers(self, monkeypatch):
        with HubServer() as server:
            monkeypatch.setattr(surroundings, "endpoint", lambda: server.endpoint)
            assert found_by("hub")["hub"].status is FindingStatus.OK

    def test_one_that_refuses_is_a_warning_and_no_failure(self, monkeypatch):
        with HubServer() as server:
            server.status = 503
            monkeypatch.setattr(surroundings, "endpoint", lambda: server.endpoint)
            found = found_by("hub")["hub"]
        assert found.status is FindingStatus.WARNING
        assert "503" in found.text

    def test_one_that_is_not_there(self):
        with HubServer() as server:
            address = server.endpoint
        assert "refused" in str(why_unreachable(address))

    def test_a_name_that_is_looked_up_for_ever_is_not_waited_for(self, monkeypatch):
        lookup_ends = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: lookup_ends.wait(5) and [])
        assert why_unreachable("http://nowhere.invalid", seconds=0.1) == "no answer in 0.1 s"
        lookup_ends.set()
