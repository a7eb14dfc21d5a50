"""Work on a photo's pixels, with everything else carried along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nsp_cli.ops.progress import OnProgress
from nsp_cli.photo import Photo, Pixels

if TYPE_CHECKING:
    from torch import Tensor

    from nsp_cli.restoration.view import View


@dataclass(frozen=True, eq=False)
class Restored:
    """The pixels of a photo after the work.

    Attributes:
        pixels: (3, s·H, s·W), of the photo's type. If nothing was done, the same object that came in.
        notes: What was measured and done, in words.
        noise: Measured luma and chroma level, in steps of 8 bits.
    """

    pixels: Tensor
    notes: tuple[str, ...] = ()
    noise: tuple[float, float] | None = None


# Takes (3, H, W) pixels, a progress function, and the view in which noise is measured and removed.
Restore = Callable[["Tensor", OnProgress | None, "View"], Restored]


def restore_photo(
    photo: Photo, restore: Restore, *, on_progress: OnProgress | None = None
) -> tuple[Photo, Restored, bool]:
    """Works on a photo's pixels and carries everything else along. Transparency is resized to fit.

    Colours that nobody sees, under full transparency, do not count, and stay as they are at the same size.

    Returns:
        The photo, what was measured and done, and whether the pixels differ now.
    """
    from nsp_cli.ops.pixels import pixels_to_tensor, tensor_to_pixels
    from nsp_cli.restoration.view import view_of

    given = pixels_to_tensor(photo.seen_pixels)
    restored = restore(given, on_progress, view_of(photo, given))
    if restored.pixels is given:
        return photo, restored, False
    pixels = photo.hidden_kept(tensor_to_pixels(restored.pixels))
    alpha = _fit_alpha(photo.alpha, pixels.shape[0], pixels.shape[1])
    return photo.with_pixels(pixels, alpha=alpha), restored, True


def _fit_alpha(alpha: Pixels | None, height: int, width: int) -> Pixels | None:
    if alpha is None or alpha.shape == (height, width):
        return alpha
    import torch
    from torch.nn import functional

    white = np.iinfo(alpha.dtype).max
    image = torch.from_numpy(alpha.astype(np.float32))[None, None]
    fitted = functional.interpolate(image, size=(height, width), mode="bicubic", align_corners=False)
    return fitted[0, 0].round().clamp(0, white).numpy().astype(alpha.dtype)
