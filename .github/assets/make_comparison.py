"""Makes a sheet of five crops at 100 %: noisy, BM3D, darktable, RawTherapee, nsp's default, and clean.

The other programs get several settings for each picture. The sheet shows the one with the best PSNR in the
crop, which only someone who has the clean picture can choose. nsp runs once, with its default options.

The pictures may be redistributed. They come from scikit-image's data: astronaut and rocket, public domain,
NASA and SpaceX; grass, CC0, linolafett; coffee, CC0, Rachel Michetti; text, public domain, from Wikipedia.
Their noise is simulated as in `benchmarks/other_scenes.py`. Each program gets at most 256×256 pixels around
the crop, in 8 bits.

What must be installed, and the versions that were used (the last two are Debian 12's packages):

    pip install bm3d                                          4.0.3
    apt-get install --no-install-recommends darktable         4.2.1
    apt-get install --no-install-recommends rawtherapee       5.9

    .venv/bin/python .github/assets/make_comparison.py --cache CACHE_FOLDER

The cache folder keeps the other programs' results, under names that depend on the noisy picture and the
setting. Later runs take them from there, and need none of the other programs. A first run takes ten minutes,
most of them for BM3D.

The settings:

- BM3D for colours (`bm3d_rgb`), its sigma 0.7, 1, 1.5, 2.2 or 3 times the noise's true standard deviation.
- darktable-cli with a sidecar that holds one module. Either "astrophoto denoise", which is non-local means,
  with its default patch of 2, strength 25, 50 or 100 %, luma 50 or 100 %, and chroma 100 %; the defaults are
  50, 50 and 100. Or "denoise (profiled)" in the mode "wavelets" or "non-local means", with strength 1, 3, 6
  or 10 and its defaults otherwise. It is made for raw files, and has no profile for these pictures, so it
  takes its generic one.
- rawtherapee-cli with a profile that switches only Noise Reduction on: chrominance "automatic global",
  luminance 0, 20, 40, 60 or 80, and detail 0 or 60. RawTherapee's own profiles for raw files have luminance 0
  and detail 0, or 50 and 60.

With denoising off, darktable and RawTherapee must return the input unchanged. The script checks that.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import runpy
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from nsp_cli import load_weights
from nsp_cli.evaluation.metrics import psnr
from nsp_cli.photo import labelled_sheet
from nsp_cli.photo.public import Pixels
from nsp_cli.restoration import pipeline
from nsp_cli.training.seeded_random import generator_for
from nsp_cli.training.simulation.sensor import add_sensor_noise

# Six crops of this side fit the width of a page on GitHub, which would scale a wider sheet down.
SIDE, AREA, CAPTION = 116, 256, 22
COLUMNS = ("noisy", "BM3D", "darktable", "RawTherapee", "nsp", "clean")
GREY, INK = (64, 64, 64), (224, 224, 224)
SCENES = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/other_scenes.py"))
JPEGS = {luma: SCENES["jpeg_of"](luma, chroma, width) for luma, chroma, width in SCENES["JPEGS"]}


@dataclass(frozen=True)
class Row:
    """A row of the sheet.

    Attributes:
        title: Written above the crops.
        picture: Name in scikit-image's data.
        jpeg: Noise of the camera's JPEG, in levels of luma; None for raw noise.
        top: Top edge of the crop.
        left: Left edge of the crop.
    """

    title: str
    picture: str
    jpeg: int | None
    top: int
    left: int


ROWS = (
    Row("Portrait, a camera's JPEG, noise of 8 levels", "astronaut", 8, 56, 160),
    Row("Grass, a camera's JPEG, noise of 8 levels", "grass", 8, 160, 160),
    Row("Coffee, raw noise", "coffee", None, 152, 176),
    Row("Launch pad at night, a camera's JPEG, noise of 15 levels", "rocket", 15, 280, 88),
    Row("Handwriting, a camera's JPEG, noise of 4 levels", "text", 4, 16, 16),
)


def pictures_of(row: Row) -> tuple[Tensor, Tensor, tuple[slice, slice, slice]]:
    """Noisy and clean surroundings of a crop, (3, H, W) uint8, and where the crop lies in them."""
    whole = SCENES["picture"](row.picture)
    height, width = (min(AREA, side // 8 * 8) for side in whole.shape[1:])
    top, left = (
        max(0, min(start - (size - SIDE) // 2 // 8 * 8, (full - size) // 8 * 8))
        for start, size, full in zip((row.top, row.left), (height, width), whole.shape[1:], strict=True)
    )
    clean = whole[:, top : top + height, left : left + width].contiguous()
    noisy = raw_noise(clean / 255) if row.jpeg is None else JPEGS[row.jpeg](clean / 255)
    crop = (
        slice(None),
        slice(row.top - top, row.top - top + SIDE),
        slice(row.left - left, row.left - left + SIDE),
    )
    return to_8_bits(noisy), clean, crop


def raw_noise(clean: Tensor) -> Tensor:
    """Picture in 0..1 with the benchmark's raw noise."""
    return add_sensor_noise(clean[None], [SCENES["RAW"]], [generator_for(1)])[0]


def to_8_bits(image: Tensor) -> Tensor:
    """Rounds and clips to uint8."""
    return (image * 255).round().clamp(0, 255).to(torch.uint8)


def pixels_of(image: Tensor) -> Pixels:
    """(H, W, 3) array of a (3, H, W) tensor."""
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())


def bm3d_settings(noisy: Tensor, clean: Tensor) -> list[str]:
    """Sigmas in 8-bit levels, around the true one."""
    sigma = float((noisy.double() - clean.double()).square().mean().sqrt())
    return [f"sigma {factor * sigma:.1f}" for factor in (0.7, 1, 1.5, 2.2, 3)]


def bm3d(noisy: Pixels, setting: str) -> Pixels:
    """Runs BM3D, whose setting is "sigma X"."""
    from bm3d import bm3d_rgb

    denoised: Pixels = (bm3d_rgb(noisy / 255.0, float(setting.split()[1]) / 255) * 255).round().clip(0, 255)
    return denoised.astype(np.uint8)


DARKTABLE = (
    *(f"astrophoto {strength} {luma}" for strength in (25, 50, 100) for luma in (50, 100)),
    *(f"profiled {mode} {strength}" for mode in ("wavelets", "means") for strength in (1, 3, 6, 10)),
)


def darktable(noisy: Pixels, setting: str) -> Pixels:
    """Runs darktable-cli.

    Args:
        noisy: Picture.
        setting: "astrophoto STRENGTH LUMA" in per cent, "profiled wavelets|means STRENGTH", or "off".
    """
    with tempfile.TemporaryDirectory(prefix="nsp-") as name:
        folder = Path(name)
        Image.fromarray(noisy).save(folder / "noisy.png")
        (folder / "sidecar.xmp").write_text(sidecar(setting), encoding="utf-8")
        command = ["darktable-cli", "noisy.png", "sidecar.xmp", "result.png"]
        command += [
            "--icc-type",
            "SRGB",
            "--apply-custom-presets",
            "0",
            "--core",
            "--disable-opencl",
            "-t",
            "1",
        ]
        command += ["--library", ":memory:", "--configdir", name, "--cachedir", name]
        return result_of(command, folder)


def sidecar(setting: str) -> str:
    """XMP with one module of darktable, in the order of modules that darktable has for JPEGs (version 3)."""
    module: tuple[str, int, bytes] | None = None
    match setting.split():
        case ["astrophoto", strength, luma]:
            # Patch size, strength, luma, chroma.
            parameters = struct.pack("<4f", 2, float(strength), float(luma) / 100, 1)
            module = "nlmeans", 2, parameters
        case ["profiled", mode, strength]:
            # Patch size, search radius, strength, shadows, bias, scattering, centre's weight, adjustment.
            parameters = struct.pack("<8f", 1, 7, float(strength), 1, 0, 0, 0.1, 1)
            # Noise profile, where -1 stands for the one that darktable chooses, and the mode.
            parameters += struct.pack("<6fi", -1, 0, 0, 0, 0, 0, ("means", "wavelets").index(mode))
            # The wavelets' curves, six of seven points each: flat.
            parameters += struct.pack(
                "<84f", *(point / 6 for _ in range(6) for point in range(7)), *[0.5] * 42
            )
            # Adaptation to white balance, two corrections of old errors, and colour mode Y0U0V0.
            module = "denoiseprofile", 11, parameters + struct.pack("<4i", 1, 1, 1, 1)
    entry = module and (
        f'<rdf:li darktable:num="0" darktable:operation="{module[0]}" darktable:enabled="1" '
        f'darktable:modversion="{module[1]}" darktable:params="{module[2].hex()}" '
        'darktable:multi_name="" darktable:multi_priority="0"/>'
    )
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:darktable="http://darktable.sf.net/" darktable:xmp_version="5" '
        f'darktable:auto_presets_applied="1" darktable:history_end="{int(bool(module))}" '
        f'darktable:iop_order_version="3"><darktable:history><rdf:Seq>{entry or ""}</rdf:Seq>'
        "</darktable:history></rdf:Description></rdf:RDF></x:xmpmeta>"
    )


# Detail has no effect without luminance.
RAWTHERAPEE = ("0 0", *(f"{luminance} {detail}" for luminance in (20, 40, 60, 80) for detail in (0, 60)))
NOISE_REDUCTION = """[Version]
AppVersion=5.9
Version=349

[Directional Pyramid Denoising]
Enabled={enabled}
Enhance=false
Median=false
Luma={luminance}
Ldetail={detail}
Chroma=0
Method=Lab
LMethod=SLI
CMethod=AUT
C2Method=AUTO
SMethod=shal
Gamma=1.7
Passes=1
"""


def rawtherapee(noisy: Pixels, setting: str) -> Pixels:
    """Runs rawtherapee-cli, whose setting is "LUMINANCE DETAIL" or "off"."""
    luminance, detail = setting.split() if setting != "off" else ("0", "0")
    with tempfile.TemporaryDirectory(prefix="nsp-") as name:
        folder = Path(name)
        Image.fromarray(noisy).save(folder / "noisy.tif")
        profile = NOISE_REDUCTION.format(
            enabled=str(setting != "off").lower(), luminance=luminance, detail=detail
        )
        (folder / "noise.pp3").write_text(profile, encoding="utf-8")
        command = ["rawtherapee-cli", "-q", "-Y", "-n", "-b8", "-o", "result.png"]
        command += ["-p", "noise.pp3", "-c", "noisy.tif"]
        return result_of(command, folder)


def result_of(command: list[str], folder: Path) -> Pixels:
    """Runs a command in a folder, and reads the result.png that it writes there.

    Raises:
        SystemExit: The program is missing, or wrote nothing.
    """
    if shutil.which(command[0]) is None:
        raise SystemExit(f"{command[0]} is not installed; this script's docstring says how")
    # RawTherapee's settings and cache go to the folder too.
    environment = {**os.environ, "RT_SETTINGS": str(folder), "RT_CACHE": str(folder)}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if not (folder / "result.png").exists():
        raise SystemExit(f"{command[0]} wrote no picture:\n{run.stdout}{run.stderr}")
    with Image.open(folder / "result.png") as image:
        return np.asarray(image.convert("RGB"))


def cached(cache: Path, program: Callable[[Pixels, str], Pixels], noisy: Tensor, setting: str) -> Tensor:
    """A program's result, (3, H, W) uint8, from the cache if it is there.

    Raises:
        SystemExit: The result has not the picture's size.
    """
    pixels = pixels_of(noisy)
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()[:16]
    file = cache / f"{digest} {program.__name__} {setting}.png"
    if not file.exists():
        # Renamed when complete: a run that was stopped leaves no part of a picture under the final name.
        part = file.with_suffix(".part")
        Image.fromarray(program(pixels, setting)).save(part, "PNG")
        part.rename(file)
    with Image.open(file) as image:
        result = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    if result.shape != noisy.shape:
        raise SystemExit(f"{program.__name__} returned {tuple(result.shape)} for {tuple(noisy.shape)}")
    return result


def check_off(cache: Path, noisy: Tensor) -> None:
    """Checks that darktable and RawTherapee change nothing but noise.

    Raises:
        SystemExit: A program changed a picture with denoising off.
    """
    for program in (darktable, rawtherapee):
        change = (cached(cache, program, noisy, "off").int() - noisy.int()).abs().max()
        if change > 1:
            raise SystemExit(f"{program.__name__} changed pixels by up to {change} levels with denoising off")


def captioned(picture: Pixels, caption: str) -> Pixels:
    """Picture with a line of text below it."""
    height, width, _ = picture.shape
    image = Image.new("RGB", (width, height + CAPTION), GREY)
    image.paste(Image.fromarray(picture))
    font = ImageFont.load_default(14)
    ImageDraw.Draw(image).text((width // 2, height + 3), caption, INK, font, anchor="ma")
    return np.asarray(image)


def main() -> None:
    """Writes comparison.png, and prints each crop's PSNR and the settings that were best."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, required=True, help="folder for the other programs' results")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("comparison.png"))
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    restorer, rows = load_weights(), []
    for row in ROWS:
        noisy, clean, crop = pictures_of(row)
        check_off(arguments.cache, noisy)
        versions = [noisy]
        print(row.title, f"noisy {psnr(noisy[crop], clean[crop]):.2f}", sep="; ", end="; ", flush=True)
        for program, settings in (
            (bm3d, bm3d_settings(noisy, clean)),
            (darktable, DARKTABLE),
            (rawtherapee, RAWTHERAPEE),
        ):
            results = {setting: cached(arguments.cache, program, noisy, setting) for setting in settings}
            setting = max(results, key=lambda name: psnr(results[name][crop], clean[crop]))
            versions.append(results[setting])
            print(
                f"{program.__name__} {psnr(versions[-1][crop], clean[crop]):.2f} ({setting})",
                end="; ",
                flush=True,
            )
        versions.append(pipeline.denoise_tensor(restorer, noisy)[0])
        print(f"nsp {psnr(versions[-1][crop], clean[crop]):.2f}", flush=True)
        captions = [f"{psnr(version[crop], clean[crop]):.2f} dB" for version in versions]
        pictures = [pixels_of(version[crop]) for version in (*versions, clean)]
        rows.append((row.title, list(map(captioned, pictures, (*captions, "")))))
    sheet = labelled_sheet(COLUMNS, rows)
    Image.fromarray(sheet).save(arguments.output, optimize=True)


if __name__ == "__main__":
    main()
