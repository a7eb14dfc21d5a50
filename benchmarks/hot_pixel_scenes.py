"""Scenes for `set_hot_pixels.py`: hot pixels and what looks like them, as a simulated camera shows them."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from nsp_cli.ops.bayer import bayer_masks, demosaic_bilinear
from nsp_cli.ops.transfer import linear_to_srgb, srgb_to_linear
from nsp_cli.training.seeded_random import random_below, random_event, random_log_uniform, random_uniform
from nsp_cli.training.simulation.drawing import draw_drawing
from nsp_cli.training.simulation.jpeg_compression import (
    Compression,
    compress,
    draw_compression,
    standard_tables,
)
from nsp_cli.training.simulation.lettering import draw_text
from nsp_cli.training.simulation.mosaic import camera_light, exposed
from nsp_cli.training.simulation.printed import draw_print
from nsp_cli.training.simulation.raw_camera import RawCamera, draw_raw_camera

SIDE, PITCH = 192, 24
# A hot pixel counts if it is brighter than without it by so much of white, in the finished picture.
VISIBLE = 40 / 255
# Without JPEG, good qualities of programs and of cameras, and any JPEG, mostly with chroma at half the size.
FINISHES = ("no JPEG", "no JPEG", "JPEG 4:4:4", "JPEG 4:2:2", "any JPEG")
GRAPHICS = ("drawings", "prints", "screen text", "pixel art")


def places(generator: torch.Generator) -> Tensor:
    """Rows and columns (N, 2) of spots, one in each cell of a grid."""
    corners = torch.cartesian_prod(*[torch.arange(0, SIDE - PITCH + 1, PITCH)] * 2)
    return corners + 6 + torch.randint(PITCH - 12, corners.shape, generator=generator)


def draw_scene(photo: Tensor, generator: torch.Generator) -> Tensor:
    """A crop of a photo, or a flat place, mostly darkened, (3, S, S) sRGB."""
    top, left = (random_below(size - SIDE, generator) for size in photo.shape[1:])
    crop = photo[:, top : top + SIDE, left : left + SIDE].float() / 255
    if random_event(0.5, generator):  # a flat place, as the sky at night
        crop = crop.mean((1, 2), keepdim=True).expand(-1, SIDE, SIDE)
    return linear_to_srgb(srgb_to_linear(crop) * random_log_uniform(0.01, 1, generator))


def hot_scene(photo: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, str]:
    """A developed picture with hot pixels, the places (N, 2) of those that are seen, and how it is stored."""
    # So few electrons that noise is measured: else the photo is passed through with its hot pixels.
    camera = replace(draw_raw_camera(generator), electrons=random_log_uniform(200, 8000, generator))
    at = places(generator)
    light = camera_light(draw_scene(photo, generator)[None], [camera])
    mosaic = exposed(light, [camera], [generator])[0]
    masks = bayer_masks(SIDE, SIDE, [(0, 0)], light.device)[0]
    white = (torch.tensor(camera.gains)[:, None, None] * masks).sum(0)
    rows, columns = at.T
    hot, charges = mosaic.clone(), torch.exp(4 * torch.rand(len(at), generator=generator) - 4)
    hot[0, rows, columns] += charges * white[rows, columns]  # 0.02 to 1 of the sensor's white
    hot[0] = torch.minimum(hot[0], white)
    seen, plain = (developed(one, camera) for one in (hot, mosaic))
    more = (seen - plain).amax(0)[rows, columns]
    name, finish = draw_finish(generator)
    return finish(seen), at[more > VISIBLE], name


def lit_scene(photo: Tensor, generator: torch.Generator, *, are_stars: bool) -> tuple[Tensor, Tensor, Tensor]:
    """A developed picture with lamps of pure colours, or stars; their places and widths in pixels.

    It is never a JPEG, and never very noisy: both hide lights from a rule for hot pixels.
    """
    camera = replace(draw_raw_camera(generator), blur=0.0, electrons=random_log_uniform(2e3, 1e5, generator))
    at = places(generator)
    widths = 0.6 + torch.rand(len(at), generator=generator) * 0.9
    light = camera_light(draw_scene(photo, generator)[None], [camera])[0]
    for (row, column), width in zip(at.tolist(), widths.tolist(), strict=True):
        colour = _star(generator) if are_stars else _lamp(generator)
        # Lamps are as narrow in colour as a diode: the other colours of the sensor hardly see them.
        seen = camera.colours @ colour if are_stars else colour + 0.05
        _add_spot(light, seen * random_log_uniform(0.1, 1.5, generator), (row, column), width, generator)
    light = torch.minimum(light.clamp(min=0), torch.tensor(camera.gains)[:, None, None])
    mosaic = exposed(light[None], [camera], [generator])[0]
    return to_bytes(developed(mosaic, camera)), at, widths


def _lamp(generator: torch.Generator) -> Tensor:
    return torch.eye(3)[random_below(3, generator)]


def _star(generator: torch.Generator) -> Tensor:
    hue, saturation = random_uniform(0, 1, generator), random_uniform(0, 0.6, generator)
    return torch.tensor(colorsys.hsv_to_rgb(hue, saturation, 1))


def _add_spot(
    light: Tensor, colour: Tensor, place: tuple[float, float], width: float, generator: torch.Generator
) -> None:
    """Adds a spot with its middle anywhere in a pixel, in place."""
    rows, columns = (
        torch.exp(-((torch.arange(SIDE) - at - random_uniform(-0.5, 0.5, generator)) ** 2) / (2 * width**2))
        for at in place
    )
    light += colour[:, None, None] * rows[:, None] * columns


def developed(mosaic: Tensor, camera: RawCamera) -> Tensor:
    """The picture (3, S, S) sRGB that a camera makes of a mosaic (1, S, S)."""
    masks = bayer_masks(SIDE, SIDE, [(0, 0)], mosaic.device)[0]
    light = demosaic_bilinear((mosaic * masks)[None])[0].clamp(min=0)
    matrix = torch.linalg.inv(camera.colours) / camera.exposure
    return linear_to_srgb(torch.einsum("ij,jhw->ihw", matrix, light).clamp(0, 1))


def draw_finish(generator: torch.Generator) -> tuple[str, Callable[[Tensor], Tensor]]:
    """How a picture is stored, in words, and as a function to (3, H, W) uint8."""
    name = FINISHES[random_below(len(FINISHES), generator)]
    if name == "no JPEG":
        return name, to_bytes
    compression = draw_compression((), generator)
    if name == "JPEG 4:4:4":
        compression = Compression(standard_tables(88 + random_below(12, generator), "4:4:4"))
    elif name == "JPEG 4:2:2":
        compression = Compression(standard_tables(88 + random_below(12, generator), "4:2:2"))
    return name, lambda picture: to_bytes(compress(picture[None], [compression])[0])


def to_bytes(picture: Tensor) -> Tensor:
    """The picture in 8 bits."""
    return (picture * 255).round().clamp(0, 255).to(torch.uint8)


def draw_graphics(kind: str, generator: torch.Generator) -> Tensor:
    """Drawings, prints, text on a screen with stripes of colours, or pixel art, (3, H, W) uint8."""
    if kind == "drawings":
        return to_bytes(draw_drawing(256, generator))
    if kind == "prints":
        return to_bytes(draw_print(256, generator))
    if kind == "screen text":
        return to_bytes(1 - _on_stripes(draw_text(768, generator)))
    colours = torch.rand(2 + random_below(14, generator), 3, generator=generator)
    chosen = torch.randint(len(colours), (256, 256), generator=generator)
    is_ground = torch.rand(256, 256, generator=generator) < random_uniform(0.3, 0.995, generator)
    return to_bytes(colours[chosen.where(~is_ground, torch.tensor(0))].permute(2, 0, 1))


def _on_stripes(covered: Tensor) -> Tensor:
    """A page three times too large as red, green and blue stripes show it, smoothed as screens do."""
    rows = covered.view(256, 3, 768).mean(1)
    smooth = torch.nn.functional.avg_pool1d(rows[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
    return smooth.view(256, 256, 3).permute(2, 0, 1)
