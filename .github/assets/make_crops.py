"""Makes a sheet of three crops at 100 %: noisy, the paper's averaging (--plain), nsp's default, and clean.

A second sheet shows the noise, what nsp removed, and the error that is left, each four times as strong around
grey.

The pictures may be redistributed. They come from scikit-image's data: astronaut, public domain, NASA; coffee,
CC0, Rachel Michetti; grass, CC0, texturelib.com. Their noise is simulated like that of the bundled sample.

    .venv/bin/python .github/assets/make_crops.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import color, data
from torch import Tensor

from nsp_cli import load_weights
from nsp_cli.evaluation.metrics import psnr
from nsp_cli.restoration import pipeline
from nsp_cli.training.simulation.sensor import SensorNoise, add_sensor_noise

SIDE, GAP = 220, 4
AMPLIFIED = 4
NOISE = SensorNoise(shot=0.004, read=0.0001, gains=(2.0, 1.7))
# Name, pixels, and the top left corner of the crop.
PICTURES = (
    ("astronaut", data.astronaut(), (20, 120)),
    ("coffee", data.coffee(), (130, 150)),
    ("grass", (color.gray2rgb(data.grass())), (100, 100)),
)


def to_8_bits(image: Tensor) -> Tensor:
    """Rounds and clips to uint8."""
    return (image * 255).round().clamp(0, 255).to(torch.uint8)


def amplified(difference: Tensor) -> Tensor:
    """Difference, which may be negative, as a picture around grey."""
    return (128 + AMPLIFIED * difference).clamp(0, 255).to(torch.uint8)


def save_sheet(name: str, rows: Sequence[tuple[Tensor, ...]]) -> None:
    """Writes a sheet of cropped pictures, a row for each picture."""
    sheet = np.full((len(rows) * (SIDE + GAP) - GAP, len(rows[0]) * (SIDE + GAP) - GAP, 3), 255, np.uint8)
    for row, (versions, (_, _, (top, left))) in enumerate(zip(rows, PICTURES, strict=True)):
        for column, version in enumerate(versions):
            y, x = row * (SIDE + GAP), column * (SIDE + GAP)
            crop = version[:, top : top + SIDE, left : left + SIDE].permute(1, 2, 0)
            sheet[y : y + SIDE, x : x + SIDE] = crop.numpy()
    Image.fromarray(sheet).save(Path(__file__).with_name(name), optimize=True)


def main() -> None:
    """Writes crops.png and residuals.png beside this script, and prints the PSNR of the whole pictures."""
    restorer, papers = load_weights(), load_weights("nsp-light")
    crops, residuals = [], []
    for name, pixels, _ in PICTURES:
        clean = torch.from_numpy(np.array(pixels)[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2])
        clean = clean.permute(2, 0, 1)
        noisy = to_8_bits(add_sensor_noise(clean[None] / 255, [NOISE], [torch.Generator().manual_seed(0)])[0])
        versions = noisy, papers.denoise(noisy), pipeline.denoise_tensor(restorer, noisy)[0], clean
        print(name, *(f"{psnr(version, clean):.2f}" for version in versions[:3]))
        crops.append(versions)
        before, _, after, truth = (version.float() for version in versions)
        residuals.append(tuple(map(amplified, (before - truth, before - after, after - truth))))
    save_sheet("crops.png", crops)
    save_sheet("residuals.png", residuals)


if __name__ == "__main__":
    main()
