"""What an exported network takes and gives: names, meanings, sizes, and random pictures to try it on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.export import Dim

from nsp_cli.networks import NetworkSpec
from nsp_cli.networks.base import CELL, CONDITIONING_SIZE
from nsp_cli.ops.bands import BANDS
from nsp_cli.ops.bayer import SITES

_BANDS = ", ".join(f"{band.low:g} to {band.high:g}" for band in BANDS)
_PHOTO = "(1, 3, H, W) float32: RGB in [0, 1], encoded as in a photo file (sRGB)."
_LEVELS = (
    f"(1, 6, H / {CELL}, W / {CELL}) float32: standard deviations of the noise, where white is 1, in each "
    f"cell of {CELL}×{CELL} pixels, per coefficient of its orthonormal DCT; coarse, middle and fine for "
    f"luma, then for chroma. Their frequencies in half periods per 8 pixels: {_BANDS}. Luma is (R+G+B)/√3; "
    "chroma is the root mean square of (R−B)/√2 and (R−2G+B)/√6."
)
_MOSAIC = (
    "(1, 1, H, W) float32: linear Bayer mosaic; red, green / green, blue from the first pixel on; "
    "white-balanced, black at 0 (noise may be below), white of green at 1."
)
_SENSOR = (
    "(1, 2, 4) float32: variance of the noise per unit of signal, and variance at black, of the four "
    "sites of a cell in reading order."
)
_DEVELOPED = "(1, 3, H, W) float32: linear RGB in the camera's colours, white-balanced like the mosaic."


@dataclass(frozen=True)
class Interface:
    """Inputs and output of an exported network.

    Attributes:
        inputs: Name → meaning, in order.
        output: Name of the output.
        meaning: Meaning of the output.
    """

    inputs: Mapping[str, str]
    output: str
    meaning: str


def interface_of(spec: NetworkSpec) -> Interface:
    """Inputs and output of the ONNX file of a network."""
    if spec.is_noise_estimator:
        return Interface({"photo": _PHOTO}, "noise", _LEVELS)
    if spec.is_raw:
        return Interface({"mosaic": _MOSAIC, "noise": _SENSOR}, "denoised", _DEVELOPED)
    noise = {"noise": _LEVELS} if spec.is_noise_conditioned else {}
    return Interface({"photo": _PHOTO, **noise}, "denoised", _denoised(spec.scale))


def _denoised(scale: int) -> str:
    if scale == 1:
        return "(1, 3, H, W) float32: RGB without noise, may leave [0, 1] slightly."
    return (
        f"(1, 3, {scale}·H, {scale}·W) float32: RGB without noise, {scale} times as large, may leave [0, 1] "
        f"slightly. The means of {scale}×{scale} pixels are the photo in its own size."
    )


def tiling_of(spec: NetworkSpec) -> str:
    """Whether a picture may be cut into tiles, as a sentence."""
    if spec.is_noise_estimator:
        return "none: a place's answer depends on the whole picture"
    if not spec.exact_tiling:
        return "approximate: attention pools over all that the network sees"
    return f"exact with {spec.radius} or more pixels around each tile that are the picture's own"


def try_sizes(multiple: int) -> list[tuple[int, int]]:
    """Two heights and widths that differ in both, small and multiples of a number."""
    return [
        (_multiple(64, multiple), _multiple(96, multiple)),
        (_multiple(137, multiple), _multiple(43, multiple)),
    ]


def _multiple(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def random_inputs(spec: NetworkSpec, height: int, width: int, seed: int) -> tuple[Tensor, ...]:
    """Random inputs of a network for a picture of this size."""
    generator = torch.Generator().manual_seed(seed)
    channels = 1 if spec.is_raw else 3
    picture = torch.rand(1, channels, height, width, generator=generator)
    if spec.is_raw:
        return picture, 0.01 * torch.rand(1, 2, len(SITES), generator=generator)
    if spec.is_noise_conditioned:
        shape = (1, CONDITIONING_SIZE, height // CELL, width // CELL)
        return picture, 0.1 * torch.rand(shape, generator=generator)
    return (picture,)


def any_size(spec: NetworkSpec) -> tuple[dict[int, Dim], ...]:
    """Dimensions of the inputs that may have any size, as `torch.export` takes them."""
    # torch takes a side of one step for a constant.
    rows, columns = Dim("rows", min=2), Dim("columns", min=2)
    step = spec.input_multiple
    picture = {2: rows, 3: columns} if step == 1 else {2: step * rows, 3: step * columns}
    if spec.is_raw:
        return picture, {}
    if spec.is_noise_conditioned:
        assert step == CELL  # else cells have other numbers of rows and columns
        return picture, {2: rows, 3: columns}
    return (picture,)
