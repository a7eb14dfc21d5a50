"""Makes sample_noisy.jpg and sample_clean.png: a CC0 photograph as a simulated sensor would see it.

The photograph is "chelsea" of scikit-image's data, CC0 by Stefan van der Walt. Shot and read noise are
added to its linear light on a Bayer mosaic, demosaiced, gamma-coded and saved as JPEG.

    python tests/data/make_sample.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.data import chelsea

from nsp_cli.training.simulation.sensor import SensorNoise, add_sensor_noise

FOLDER = Path(__file__).parent
NOISE = SensorNoise(shot=0.02, read=0.0006, gains=(2.0, 1.7))


def main() -> None:
    """Writes both pictures beside this script; the same on every machine."""
    clean = torch.from_numpy(chelsea()).permute(2, 0, 1) / 255
    (noisy,) = add_sensor_noise(clean[None], [NOISE], [torch.Generator().manual_seed(0)])
    pixels = (noisy * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(FOLDER / "sample_noisy.jpg", quality=92, subsampling=2)
    Image.fromarray(np.asarray(chelsea())).save(FOLDER / "sample_clean.png", optimize=True)


if __name__ == "__main__":
    main()
