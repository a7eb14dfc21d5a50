"""nsp export: a network as an ONNX file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from nsp_cli.cli import console, progress_bars
from nsp_cli.cli.options.panels import flag
from nsp_cli.errors import OutputError


def _check_size(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"[1-9]\d{0,5}x[1-9]\d{0,5}", text, re.ASCII):
        raise typer.BadParameter(f"{text!r} is not a width and height in pixels, such as 1024x768.")
    return text


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Weights: a name from nsp weights list, a .safetensors file or hf://owner/repo/file.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.onnx", help="File to write.")],
    size: Annotated[
        str | None,
        typer.Option(
            "--size",
            metavar="WxH",
            callback=_check_size,
            help="Only size in pixels that the file takes, for programs that need one.",
            show_default="any size",
        ),
    ] = None,
    overwrite: Annotated[bool, flag("--overwrite", help="Replace an existing output file.")] = False,
) -> None:
    """Write a network as an ONNX file, for programs and devices that torch does not reach.

    The file has the network alone: no noise estimation, no tiles, no detail recovery. Its metadata says what
    the network takes and gives. Before the file appears, onnxruntime compares its results with torch's.
    """
    if output.suffix != ".onnx":
        raise OutputError(f"{output} is not the name of an ONNX file.", "Use a name ending in .onnx.")
    from nsp_cli.export import OPSET, check_libraries, export_onnx
    from nsp_cli.weights.resolve import resolve

    check_libraries()
    with progress_bars.download_progress(f"Fetching {model}") as on_download:
        weights = resolve(model, on_progress=on_download)
    console.say(f"Exporting {weights.name}. This takes up to a few minutes.")
    exported = export_onnx(weights, output, size=_height_and_width(size), overwrite=overwrite)
    console.out.print(str(output))
    spec = exported.spec
    console.say(
        f"ONNX opset {OPSET}, {size or f'any size in multiples of {spec.input_multiple}'}, "
        f"enlarges {spec.scale}-fold, radius {spec.radius}."
    )
    if exported.difference is None:
        console.warn("onnxruntime is not installed, so the file was not compared with torch.")
        return
    pictures = " and ".join(f"{width}×{height}" for height, width in exported.sizes)
    console.say(f"Agrees with torch to {exported.difference:.1g} of the largest value ({pictures} pixels).")


def _height_and_width(size: str | None) -> tuple[int, int] | None:
    if size is None:
        return None
    width, height = map(int, size.split("x"))
    return height, width
