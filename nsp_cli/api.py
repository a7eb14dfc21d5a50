"""nsp from Python: load weights once, then denoise or enlarge as many pictures as you like."""

from __future__ import annotations

from typing import Literal

from nsp_cli.ops.pixels import pixels_to_tensor, tensor_to_pixels
from nsp_cli.ops.progress import OnProgress
from nsp_cli.photo import Pixels
from nsp_cli.restoration import pipeline
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import Restorer
from nsp_cli.restoration.strength import Strength
from nsp_cli.weights.file import load_network
from nsp_cli.weights.resolve import resolve

__all__ = ["Strength", "denoise", "load_weights", "upscale"]


def load_weights(
    model: str = "auto",
    *,
    device: str = "auto",
    precision: str = "auto",
    tile: int | None = None,
    on_download: OnProgress | None = None,
) -> Restorer:
    """Finds, checks and loads weights.

    Args:
        model: A name that `nsp weights list` shows, a path ending in .safetensors, or
            hf://owner/repository/file.safetensors.
        device: "auto", "cpu", "cuda", "cuda:N", "mps", "xpu" or "xpu:N".
        precision: "auto", "float32", "bfloat16" or "float16".
        tile: Side of a tile's core in pixels; None chooses it from free memory.
        on_download: Called with the bytes done and in total, if the weights must be downloaded.

    Raises:
        WeightsError: The weights cannot be found, downloaded or trusted, or make no pictures.
        DeviceError: The device or precision is unknown or absent.
    """
    execution = Execution.choose(device, precision, tile)
    weights = resolve(model, on_progress=on_download)
    network, info = load_network(weights.path)
    return Restorer(network, info.config.spec(), execution, info.metadata, weights)


def denoise(
    pixels: Pixels,
    restorer: Restorer,
    *,
    strength: Strength | None = None,
    keep_hot_pixels: bool = False,
) -> Pixels:
    """Denoises a picture by as much as its estimated noise requires.

    For the paper's method alone, call `restorer.denoise` with blind-spot weights such as nsp-light.

    Args:
        pixels: (H, W, 3) RGB, uint8, uint16 or float32 in [0, 1]; not changed.
        restorer: From `load_weights`.
        strength: Strength for luma and chroma, each 0 to 2; None is 1, automatic.
        keep_hot_pixels: Whether hot pixels are taken for a part of the scene.

    Returns:
        (H, W, 3) of the same type.

    Raises:
        ValueError: The array has another shape or type.
        DeviceError: The smallest tile does not fit in memory.
    """
    given = pixels_to_tensor(pixels)
    result, _ = pipeline.denoise_tensor(restorer, given, strength=strength, keep_hot_pixels=keep_hot_pixels)
    return tensor_to_pixels(result)


def upscale(
    pixels: Pixels,
    restorer: Restorer,
    *,
    mode: Literal["auto", "pd", "direct"] = "auto",
    strength: Strength | None = None,
    keep_hot_pixels: bool = False,
) -> Pixels:
    """Denoises and enlarges a picture by the weights' factor, 2 for nsp-fast-x2 and nsp-light.

    Args:
        pixels: As for `denoise`.
        restorer: From `load_weights`.
        mode: "direct" for mild noise, "pd" for strong noise, "auto" to choose by the estimated noise.
        strength, keep_hot_pixels: As for `denoise`.

    Returns:
        (2·H, 2·W, 3) of the same type.

    Raises:
        ValueError: The array has another shape or type, the mode is unknown or does not suit the network,
            or the network does not enlarge.
        DeviceError: The smallest tile does not fit in memory.
    """
    given = pixels_to_tensor(pixels)
    if restorer.spec.scale == 1:
        raise ValueError('these weights do not enlarge; load_weights("nsp-fast-x2") does')
    result, _ = pipeline.upscale_tensor(
        restorer, given, mode=mode, strength=strength, keep_hot_pixels=keep_hot_pixels
    )
    return tensor_to_pixels(result)
