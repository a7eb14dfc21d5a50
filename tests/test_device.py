"""Devices and precisions by name; a missing one is an error, never a silent fallback."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from nsp_cli import device
from nsp_cli.device import (
    all_devices,
    choose_device,
    choose_precision,
    choose_training_precision,
    describe_device,
    free_memory,
    native_precisions,
    present_devices,
    release_memory,
)
from nsp_cli.errors import DeviceError


def test_cpu_is_always_there():
    assert choose_device("cpu") == torch.device("cpu")


def test_auto_prefers_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("cuda")


def test_every_gpu_is_present_beside_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert [str(device) for device in present_devices()] == ["cpu", "cuda:0", "cuda:1"]


@pytest.mark.parametrize(
    ("cards", "name", "expected"),
    [
        (2, "auto", ["cuda:0", "cuda:1"]),
        (2, "cuda", ["cuda:0", "cuda:1"]),
        (2, "cuda:1", ["cuda:1"]),
        (2, "cpu", ["cpu"]),
        (1, "auto", ["auto"]),
        (0, "auto", ["auto"]),
    ],
)
def test_many_photos_are_shared_among_all_cards(cards, name, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cards > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    assert all_devices(name) == expected


@pytest.mark.parametrize("name", ["cuda:7", "gpu", "cpu:x", "xpu"])
def test_absent_and_unknown_devices_are_refused(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(DeviceError):
        choose_device(name)


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_precision_on_cpu_follows_the_hardware(native, expected, monkeypatch):
    for question in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, question, lambda: native, raising=False)
    assert choose_precision("auto", torch.device("cpu")) == expected


@pytest.mark.parametrize(
    ("capability", "inference", "training"),
    [((7, 5), torch.float16, torch.float32), ((8, 0), torch.bfloat16, torch.bfloat16)],
)
def test_older_cards_compute_in_float16_but_do_not_train_in_it(capability, inference, training, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    assert (torch.bfloat16 in native_precisions(torch.device("cuda"))) == (inference is torch.bfloat16)
    device = torch.device("cuda")
    assert choose_precision("auto", device) == inference
    assert choose_training_precision(device) == training


class IntelGpus:
    """Two Intel GPUs, as torch tells of them."""

    def __init__(self, *, tells_free: bool = True, has_bfloat16: bool = True) -> None:
        self._tells_free, self._has_bfloat16 = tells_free, has_bfloat16
        self.emptied = 0

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        return 2

    def get_device_name(self, _device: torch.device) -> str:
        return "Intel(R) Arc(TM) Graphics"

    def get_device_properties(self, _device: torch.device) -> SimpleNamespace:
        return SimpleNamespace(total_memory=1000, has_bfloat16_conversions=self._has_bfloat16)

    def mem_get_info(self, _device: torch.device) -> tuple[int, int]:
        if not self._tells_free:
            raise RuntimeError("The device doesn't support querying the available free memory.")
        return 600, 1000

    def memory_reserved(self, _device: torch.device) -> int:
        return 300

    def empty_cache(self) -> None:
        self.emptied += 1


class TestIntelGpus:
    """Simulated: there is none here. `nsp doctor` tries a real one."""

    def test_they_are_there_for_who_names_them_and_never_automatic(self, monkeypatch):
        monkeypatch.setattr(torch, "xpu", IntelGpus())
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        assert choose_device("auto") == torch.device("cpu")
        assert [choose_device(name) for name in ("xpu", "xpu:1")] == [
            torch.device("xpu"),
            torch.device("xpu", 1),
        ]
        assert [str(each) for each in present_devices()] == ["cpu", "xpu:0", "xpu:1"]
        assert all_devices("xpu") == ["xpu"]
        with pytest.raises(DeviceError, match="xpu:2"):
            choose_device("xpu:2")

    @pytest.mark.parametrize("has_bfloat16", [True, False])
    def test_they_compute_in_bfloat16_where_it_is_native(self, has_bfloat16, monkeypatch):
        monkeypatch.setattr(torch, "xpu", IntelGpus(has_bfloat16=has_bfloat16))
        xpu = torch.device("xpu")
        assert choose_precision("auto", xpu) == (torch.bfloat16 if has_bfloat16 else torch.float32)
        assert (torch.bfloat16 in native_precisions(xpu)) == has_bfloat16
        assert torch.float16 in native_precisions(xpu)

    @pytest.mark.parametrize(
        ("tells_free", "main_memory", "expected"),
        [(True, 10**9, 600), (False, 10**9, 700), (False, 200, 200)],
    )
    def test_free_memory_is_told_or_a_share_of_main_memory(
        self, tells_free, main_memory, expected, monkeypatch
    ):
        monkeypatch.setattr(torch, "xpu", IntelGpus(tells_free=tells_free))
        monkeypatch.setattr(device, "available_memory", lambda: main_memory)
        assert free_memory(torch.device("xpu")) == expected

    def test_memory_is_released_and_the_card_has_its_name(self, monkeypatch):
        monkeypatch.setattr(torch, "xpu", gpus := IntelGpus())
        release_memory(torch.device("xpu"))
        assert gpus.emptied == 1
        assert describe_device(torch.device("xpu", 1)) == "xpu:1 (Intel(R) Arc(TM) Graphics)"


def test_unknown_precision_is_refused():
    with pytest.raises(DeviceError, match="float8"):
        choose_precision("float8", torch.device("cpu"))


def test_free_memory_is_plausible():
    assert 2**20 < free_memory(torch.device("cpu")) < 2**50


@pytest.mark.parametrize(("share", "expected"), [(1.0, 600), (0.5, 400), (0.05, 0)])
def test_free_memory_of_a_card_is_what_the_process_may_take(share, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (600, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _device: 100)
    # As torch 2.11 has it: "cuda" without a number is an error.
    shares = {0: share}
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", shares.__getitem__, raising=False)
    assert free_memory(torch.device("cuda")) == expected
    assert free_memory(torch.device("cuda", 0)) == expected


def test_only_what_the_hardware_computes_is_native(monkeypatch):
    for question in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, question, lambda: False, raising=False)
    assert native_precisions(torch.device("cpu")) == [torch.float32]
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (9, 0))
    assert native_precisions(torch.device("cuda")) == [torch.float32, torch.float16, torch.bfloat16]


def test_a_copy_needs_no_pinned_memory_where_there_is_none(monkeypatch):
    real = torch.empty_like

    def refuse(tensor, **settings):
        if settings.pop("pin_memory", False):
            raise RuntimeError("CUDA error: out of memory")
        return real(tensor, **settings)

    monkeypatch.setattr(torch, "empty_like", refuse)
    part = torch.arange(24).view(4, 6)[:, 1:3]
    assert torch.equal(device._pinned_like(part).copy_(part), part)
