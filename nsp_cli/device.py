"""Devices, precisions, free memory, and copies between main memory and a device."""

from __future__ import annotations

from collections.abc import Callable

import torch

from nsp_cli.errors import DeviceError
from nsp_cli.ops.progress import counted
from nsp_cli.resources import available_memory

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# Size from which copies need pinned memory; CUDA sends smaller ones with the command.
_PINNED_BYTES = 2**16


def choose_device(name: str = "auto") -> torch.device:
    """The device to run on.

    Args:
        name: "auto" (CUDA, then MPS, then CPU), "cpu", "cuda", "cuda:N", "mps", or "xpu" and "xpu:N" for
            Intel GPUs. "auto" takes none of these, because nobody has tried them yet; `nsp doctor` does.

    Raises:
        DeviceError: The named device is unknown or absent.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(
            f"The device {name!r} is unknown.", "Use auto, cpu, cuda, cuda:N, mps, xpu or xpu:N."
        ) from error
    if not _is_present(device):
        raise DeviceError(
            f"The device {name!r} is not available on this machine.",
            "Leave out --device to use the best device that is available.",
        )
    return device


def all_devices(name: str = "auto") -> list[str]:
    """Names of the devices that share the photos: every GPU for "auto" and "cuda"."""
    if name in ("auto", "cuda") and torch.cuda.is_available() and torch.cuda.device_count() > 1:
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [name]


def present_devices() -> list[torch.device]:
    """Every device of this machine, the CPU first."""
    names = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    names += ["mps"] if torch.backends.mps.is_available() else []
    names += [f"xpu:{index}" for index in range(torch.xpu.device_count())]
    return [device for device in map(torch.device, names) if _is_present(device)]


def _is_present(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if device.type == "xpu":
        return torch.xpu.is_available() and (device.index or 0) < torch.xpu.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available()
    return device.type == "cpu"


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The number format to compute in.

    Args:
        name: "float32", "bfloat16", "float16", or "auto": bfloat16 where the device computes it
            natively, float16 on older CUDA cards, else float32.
        device: The device that will compute.

    Raises:
        DeviceError: The name is unknown.
    """
    if name in PRECISIONS:
        return PRECISIONS[name]
    if name != "auto":
        raise DeviceError(
            f"The precision {name!r} is unknown.", f"Use one of: auto, {', '.join(PRECISIONS)}."
        )
    if torch.bfloat16 in native_precisions(device):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else torch.float32


def native_precisions(device: torch.device) -> list[torch.dtype]:
    """The number formats that a device computes natively, float32 included."""
    if device.type == "cuda":
        newest = torch.cuda.get_device_capability(device) >= (8, 0)
        return [torch.float32, torch.float16, *([torch.bfloat16] if newest else [])]
    if device.type == "mps":
        return [torch.float32, torch.float16]
    if device.type == "xpu":
        return [torch.float32, torch.float16, *([torch.bfloat16] if _xpu_has_bfloat16(device) else [])]
    return [torch.float32, *([torch.bfloat16] if _cpu_has_bfloat16() else [])]


def choose_training_precision(device: torch.device) -> torch.dtype:
    """The number format to train in: that of "auto" in `choose_precision`, but never float16.

    Most gradients lie below float16's smallest number and would be lost.
    """
    precision = choose_precision("auto", device)
    return torch.float32 if precision == torch.float16 else precision


def _cpu_has_bfloat16() -> bool:
    # Emulated bfloat16 is slower than float32, so only CPU instructions count. These functions of torch
    # are private and may vanish.
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


def _xpu_has_bfloat16(device: torch.device) -> bool:
    return getattr(torch.xpu.get_device_properties(device), "has_bfloat16_conversions", False)


def free_memory(device: torch.device) -> int:
    """Free memory of a device in bytes."""
    if device.type == "cuda":
        return _cuda_available(device)
    if device.type == "xpu":
        return _xpu_available(device)
    if device.type == "mps":
        return max(0, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return available_memory()


def _cuda_available(device: torch.device) -> int:
    # By number, because torch has no share for plain "cuda".
    index = torch.cuda.current_device() if device.index is None else device.index
    free, total = torch.cuda.mem_get_info(index)
    # The process may be limited to a share of the card, which torch 2.6 does not report.
    share: float = getattr(torch.cuda, "get_per_process_memory_fraction", lambda _index: 1.0)(index)
    return max(0, min(free, int(share * total) - torch.cuda.memory_reserved(index)))


def _xpu_available(device: torch.device) -> int:
    try:
        return torch.xpu.mem_get_info(device)[0]
    except RuntimeError:  # integrated GPUs cannot tell; they share main memory
        total = torch.xpu.get_device_properties(device).total_memory
        return max(0, min(total - torch.xpu.memory_reserved(device), available_memory()))


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copies a tensor from main memory to a device. On a CUDA GPU the CPU does not wait for the copy."""
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    # For that, large tensors must lie in pinned memory without gaps.
    if tensor.nbytes > _PINNED_BYTES and not (tensor.is_pinned() and tensor.is_contiguous()):
        tensor = pinned(tensor)
    return tensor.to(device, non_blocking=True)


def pinned(tensor: torch.Tensor) -> torch.Tensor:
    """A copy in pinned memory without gaps. torch's own `pin_memory` keeps the gaps of a slice."""
    return _pinned_like(tensor).copy_(tensor)


def begin_fetch(tensor: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Starts copying to main memory; the returned function waits for the copy and returns it."""
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
    """Uninitialised main memory, pinned if the system allows that much; else copies wait for each other."""
    try:
        return torch.empty_like(tensor, device="cpu", pin_memory=True)
    except RuntimeError:
        return torch.empty_like(tensor, device="cpu")


def release_memory(device: torch.device) -> None:
    """Frees a device's cached memory, after it ran out."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    elif device.type == "xpu":
        torch.xpu.empty_cache()


def describe_device(device: torch.device) -> str:
    """A device's name for people, such as "cpu (2 threads)"."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "xpu":
        return f"{device} ({torch.xpu.get_device_name(device)})"
    threads = counted(torch.get_num_threads(), "thread")
    return f"cpu ({threads})" if device.type == "cpu" else str(device)


def describe_precision(precision: torch.dtype) -> str:
    """A number format's name as the command line spells it."""
    return str(precision).removeprefix("torch.")
