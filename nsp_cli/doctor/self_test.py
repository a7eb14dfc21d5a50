"""A generated noisy photo, denoised on every device and compared with the expected result."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from nsp_cli.api import load_weights
from nsp_cli.device import choose_precision, describe_precision, present_devices
from nsp_cli.doctor.finding import Finding, FindingStatus, guarded
from nsp_cli.evaluation.metrics import psnr
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.inference import Restorer

# Wide enough for tiles whose halo of 128 pixels (nsp-fast) does not reach both ends.
HEIGHT, WIDTH, LEVEL = 96, 640, 15
_UNTILED, _TILED = WIDTH, 128
# Limits: difference of tiles from one pass (half a level of 255); agreement of precisions, and gain, in dB.
_TILE_DIFFERENCE, _AGREEMENT, _GAIN = 1 / 510, 45.0, 4.0
_REPORT = "Please report it with this whole table. Until then, use --device cpu --precision float32."


def examine_denoising() -> Iterator[Finding]:
    """Denoises with the default weights on each device, and compares with the CPU in float32."""
    clean, noisy = make_photo()
    reference = _denoise(_load("cpu", "float32"), noisy)
    gain = _psnr(reference, clean) - _psnr(noisy, clean)
    status = FindingStatus.OK if gain > _GAIN else FindingStatus.FAILED
    step = "" if status is FindingStatus.OK else "The weights may be damaged. Run nsp weights verify."
    yield Finding("denoising", status, f"a photo gains {gain:.1f} dB on the CPU in float32", step)
    for device in map(str, present_devices()):
        yield from guarded(f"denoising on {device}", partial(_compare, noisy, reference, device))


def make_photo() -> tuple[Tensor, Tensor]:
    """A clean photo of gradients and edges, and the same with noise; (3, H, W) float32 in [0, 1]."""
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    grey = 0.35 + 0.2 * columns / WIDTH + 0.15 * ((rows // 48 + columns // 64) % 2)
    clean = grey * torch.tensor([0.9, 1.0, 0.8])[:, None, None]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return clean, (clean + noise * LEVEL / 255).clamp(0, 1)


def _compare(noisy: Tensor, reference: Tensor, device: str) -> list[Finding]:
    """Compares tiles with one pass, and the device in its own precision with the CPU in float32."""
    precision = describe_precision(choose_precision("auto", torch.device(device)))
    whole, tiled = (_denoise(_load(device, "float32", tile), noisy) for tile in (_UNTILED, _TILED))
    difference = float((tiled - whole).abs().max())
    restorer = _load(device, precision)
    agreement = _psnr(_denoise(restorer, noisy), reference)
    is_right = difference < _TILE_DIFFERENCE and agreement > _AGREEMENT
    text = (
        f"tiles differ by {difference * 255:.1g} of 255, {precision} agrees with float32 on the CPU to "
        f"{agreement:.0f} dB, {_speed(restorer, noisy):.2g} MP/s"
    )
    status, step = (FindingStatus.OK, "") if is_right else (FindingStatus.FAILED, _REPORT)
    return [Finding(f"denoising on {device}", status, text, step)]


def _load(device: str, precision: str, tile: int = _UNTILED) -> Restorer:
    return load_weights(device=device, precision=precision, tile=tile)


def _denoise(restorer: Restorer, noisy: Tensor) -> Tensor:
    return pipeline.denoise_tensor(restorer, noisy)[0]


def _speed(restorer: Restorer, noisy: Tensor) -> float:
    """Megapixels per second of a device that is already warm."""
    began = time.monotonic()
    _denoise(restorer, noisy)
    return HEIGHT * WIDTH / 1e6 / (time.monotonic() - began)


def _psnr(image: Tensor, reference: Tensor) -> float:
    """PSNR in dB of pictures in [0, 1]; at most 99, so that equal pictures have a finite value."""
    return min(99.0, psnr(image * 255, reference * 255))
