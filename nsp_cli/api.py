"""nsp from Python: load weights once, then restore as many pictures as you like."""

from __future__ import annotations

from nsp_cli.photo import Pixels
from nsp_cli.restore import Execution, OnProgress, Restorer, UpscaleMode, pixels_to_tensor, tensor_to_pixels
from nsp_cli.weights import resolve
from nsp_cli.weights_file import load_network


def load_weights(
    model: str = "auto",
    *,
    device: str = "auto",
    precision: str = "auto",
    tile: int | None = None,
    on_download: OnProgress | None = None,
) -> Restorer:
    """Finds, checks and loads weights, ready to run.

    Args:
        model: A name that `nsp weights list` shows, a path ending in .safetensors, or
            hf://owner/repository/file.safetensors.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: "auto", "float32", "bfloat16" or "float16".
        tile: Side of a tile's core in pixels; None chooses from free memory.
        on_download: Called with the bytes done and to do, if the weights must be fetched.

    Raises:
        WeightsError: The weights cannot be found, downloaded or trusted.
        DeviceError: Device or precision are unknown or absent.
    """
    execution = Execution.choose(device, precision, tile)
    network, info = load_network(resolve(model, on_progress=on_download).path)
    return Restorer(network, info.config.spec(), execution)


def denoise(pixels: Pixels, restorer: Restorer) -> Pixels:
    """Denoises a picture.

    Args:
        pixels: (H, W, 3) RGB, uint8, uint16 or float32 in [0, 1]; left as it is.
        restorer: From `load_weights`.

    Returns:
        (H, W, 3), same type.

    Raises:
        ValueError: The array is no such picture.
        DeviceError: Memory ends at the smallest tile.
    """
    return tensor_to_pixels(restorer.denoise(pixels_to_tensor(pixels)))


def upscale(pixels: Pixels, restorer: Restorer, *, mode: UpscaleMode = "direct") -> Pixels:
    """Denoises and enlarges a picture by the weights' factor, 2 for the bundled ones.

    Args:
        pixels: As for `denoise`.
        restorer: From `load_weights`.
        mode: "direct" for mild noise, "pd" for strong.

    Returns:
        (2·H, 2·W, 3), same type.

    Raises:
        ValueError: The array is no such picture, or the mode is unknown.
        DeviceError: Memory ends at the smallest tile.
    """
    return tensor_to_pixels(restorer.upscale(pixels_to_tensor(pixels), mode=mode))
