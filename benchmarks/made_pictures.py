"""Shows what denoising does to pictures that programs damage easily, all made here.

    python benchmarks/made_pictures.py [MODEL]

A page of text and grass in black and white, without noise and with some, and photos that are noisy in the
right half alone, as after a blur of the background. Prints PSNR to the picture without noise, before and
after. The photos come from scikit-image.
"""

from __future__ import annotations

import io
import sys

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from skimage import data, metrics

from nsp_cli import denoise, load_weights
from nsp_cli.restoration.inference import Restorer

Picture = NDArray[np.uint8]
SIDE, HALF, AROUND = 384, 192, 8
LINE = "Denoised pages of text must stay as legible as they were 0123456789"


def page() -> Picture:
    """Small black text on white."""
    image = Image.new("RGB", (SIDE, SIDE), "white")
    for top in range(4, SIDE, 15):
        ImageDraw.Draw(image).text((4, top), LINE, "#141414", font=ImageFont.load_default(11))
    return np.asarray(image)


def photo(name: str) -> Picture:
    """A corner of one of scikit-image's photos, in colour or with three equal channels."""
    pixels: Picture = getattr(data, name)()[:SIDE, :SIDE]
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2)


def as_jpeg(picture: Picture, quality: int) -> Picture:
    """The picture after compression."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def with_noise(picture: NDArray[np.float64], luma: float, chroma: float, width: float = 0.0) -> Picture:
    """The picture with noise of these levels, through a Gaussian of that width."""
    random = np.random.default_rng(5)
    shared, own = random.standard_normal((*picture.shape[:2], 1)), random.standard_normal(picture.shape)
    noise = ndimage.gaussian_filter(luma * shared + chroma * own, (width, width, 0))
    noise *= np.hypot(luma, chroma) / noise.std()
    result: Picture = (picture + noise).round().clip(0, 255).astype(np.uint8)
    return result


def half_noisy(name: str) -> tuple[Picture, Picture]:
    """A photo with blur in its left half and noise in its right one, as a JPEG; and without the noise."""
    clean = photo(name).astype(np.float64)
    clean[:, :HALF] = ndimage.gaussian_filter(clean, (6, 6, 0))[:, :HALF]
    noisy = clean.round().astype(np.uint8)
    noisy[:, HALF:] = with_noise(clean[:, HALF:], 8, 5, 0.6)
    return as_jpeg(noisy, 93), clean.round().astype(np.uint8)


def psnr(picture: Picture, clean: Picture) -> str:
    """PSNR as text."""
    if np.array_equal(picture, clean):
        return "the same"
    return f"{metrics.peak_signal_noise_ratio(clean, picture):.1f} dB"


def show(title: str, noisy: Picture, clean: Picture, restorer: Restorer) -> None:
    """Prints the scores of a picture before and after, or of its halves."""
    result = denoise(noisy, restorer)
    parts = {title: slice(None)}
    if title.startswith("half"):
        parts = {f"{title}, noisy": slice(HALF + AROUND, None), f"{title}, clean": slice(HALF - AROUND)}
    for name, part in parts.items():
        before, after = (psnr(one[:, part], clean[:, part]) for one in (noisy, result))
        print(f"{name:32} {before:>10} {after:>10}", flush=True)


def main() -> None:
    """Denoises every picture."""
    restorer, text = load_weights(*sys.argv[1:2]), page()
    show("text", text, text, restorer)
    show("text, JPEG", as_jpeg(text, 85), text, restorer)
    for name in ("grass", "gravel", "brick"):
        grey = photo(name)
        show(f"grey {name}", grey, grey, restorer)
        for level in (4, 10):
            show(
                f"grey {name}, {level} levels", with_noise(grey.astype(np.float64), level, 0), grey, restorer
            )
    for name in ("astronaut", "coffee", "chelsea", "brick"):
        show(f"half {name}", *half_noisy(name), restorer)


if __name__ == "__main__":
    main()
