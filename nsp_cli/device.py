"""Which device and precision to use, and how much memory there is."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from pathlib import Path

import torch

from nsp_cli.errors import DeviceError

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# CUDA takes smaller copies along with their command.
_PINNED_BYTES = 2**16

# What a tile may take where the system does not say how much memory is free.
_UNKNOWN_MEMORY = 2 * 2**30


def choose_device(name: str = "auto") -> torch.device:
    """Returns the device to run on.

    Args:
        name: "auto" (CUDA, then MPS, then CPU), "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        DeviceError: The named device is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"unknown device {name!r}", "Known are auto, cpu, cuda, cuda:N and mps.") from error
    if not _is_present(device):
        raise DeviceError(
            f"device {name!r} is not available here", "Leave --device out to use what there is."
        )
    return device


def all_devices(name: str = "auto") -> list[str]:
    """Returns the names of the devices that many photos are shared among: every GPU for "auto" and "cuda"."""
    if name in ("auto", "cuda") and torch.cuda.is_available() and torch.cuda.device_count() > 1:
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [name]


def present_devices() -> list[torch.device]:
    """Returns every device of this machine, the CPU first."""
    names = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    names += ["mps"] if torch.backends.mps.is_available() else []
    return [device for device in map(torch.device, names) if _is_present(device)]


def _is_present(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available()
    return device.type == "cpu"


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Returns the number format to compute in.

    Args:
        name: "float32", "bfloat16", "float16", or "auto": bfloat16 where the device computes it
            natively, float16 on older CUDA cards, else float32.
        device: Where it will run.

    Raises:
        DeviceError: The name is unknown.
    """
    if name in PRECISIONS:
        return PRECISIONS[name]
    if name != "auto":
        raise DeviceError(f"unknown precision {name!r}", f"Known are auto, {', '.join(PRECISIONS)}.")
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    if device.type == "cpu" and _cpu_has_bfloat16():
        return torch.bfloat16
    return torch.float32


def native_precisions(device: torch.device) -> list[torch.dtype]:
    """Returns the number formats that a device computes in by itself, float32 among them."""
    if device.type == "cuda":
        newest = torch.cuda.get_device_capability(device) >= (8, 0)
        return [torch.float32, torch.float16, *([torch.bfloat16] if newest else [])]
    if device.type == "mps":
        return [torch.float32, torch.float16]
    return [torch.float32, *([torch.bfloat16] if _cpu_has_bfloat16() else [])]


def choose_training_precision(device: torch.device) -> torch.dtype:
    """Returns the number format to train in: as "auto" for `choose_precision`, but never float16.

    Most gradients lie below float16's smallest number, and would be lost.
    """
    precision = choose_precision("auto", device)
    return torch.float32 if precision == torch.float16 else precision


def _cpu_has_bfloat16() -> bool:
    # Emulated bfloat16 is slower than float32, so only instructions count. Torch offers these
    # questions without a promise to keep them.
    questions = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, question, lambda: False)() for question in questions)


def free_memory(device: torch.device) -> int:
    """Returns the bytes that a run may still take on a device, as far as the system tells."""
    if device.type == "cuda":
        return _cuda_available(device)
    if device.type == "mps":
        return max(0, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    if platform.system() == "Linux":
        return _linux_available()
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        # macOS names no free memory cheaply; half of what is built in is a fair guess.
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return _UNKNOWN_MEMORY


def _cuda_available(device: torch.device) -> int:
    # By number: torch says nothing of the share of plain "cuda".
    index = torch.cuda.current_device() if device.index is None else device.index
    free, total = torch.cuda.mem_get_info(index)
    # The process may be held to a share of the card; torch 2.6 cannot say so.
    share: float = getattr(torch.cuda, "get_per_process_memory_fraction", lambda _index: 1.0)(index)
    return max(0, min(free, int(share * total) - torch.cuda.memory_reserved(index)))


def _linux_available() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = dict(line.split(":", 1) for line in lines)
        return int(sizes["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return _UNKNOWN_MEMORY


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copies from main memory; a GPU does so in its turn, and the processor does not wait for it."""
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    # What is large must lie in pinned memory for that, and without gaps.
    if tensor.nbytes > _PINNED_BYTES and not (tensor.is_pinned() and tensor.is_contiguous()):
        tensor = pinned(tensor)
    return tensor.to(device, non_blocking=True)


def pinned(tensor: torch.Tensor) -> torch.Tensor:
    """Returns a copy in pinned memory without gaps; torch's own `pin_memory` keeps a part's."""
    return _pinned_like(tensor).copy_(tensor)


def begin_fetch(tensor: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Begins to copy to main memory, in the device's turn; what is returned waits for it and gives it."""
    if not tensor.is_cuda:
        return tensor.cpu
    copy = _pinned_like(tensor).copy_(tensor, non_blocking=True)
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record(torch.cuda.current_stream(tensor.device))

    def wait() -> torch.Tensor:
        copied.synchronize()
        return copy

    return wait


def _pinned_like(tensor: torch.Tensor) -> torch.Tensor:
    """Returns uninitialised main memory, pinned where the system lets so much be pinned; or copies wait."""
    try:
        return torch.empty_like(tensor, device="cpu", pin_memory=True)
    except RuntimeError:
        return torch.empty_like(tensor, device="cpu")


def release_memory(device: torch.device) -> None:
    """Gives a device's cached memory back, after it ran out."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def describe_device(device: torch.device) -> str:
    """Returns a device's name as people know it, such as "cpu (2 threads)"."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)" if device.type == "cpu" else str(device)


def describe_precision(precision: torch.dtype) -> str:
    """Returns a number format's name as the command line spells it."""
    return str(precision).removeprefix("torch.")
