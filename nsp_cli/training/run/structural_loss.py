"""A loss for lost structure: the absolute error alone hardly penalises the loss of faint texture."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from nsp_cli.evaluation.metrics import similarity

# A box about as wide as the metric's Gaussian, at every third pixel: a tenth of the metric's cost.
_SIDE, _STRIDE = 7, 3


def structural_dissimilarity(pictures: Tensor, others: Tensor) -> Tensor:
    """1 − SSIM (Wang et al. 2004, with box windows) of (B, C, H, W) pictures in [0, 1], (B,)."""

    def local_mean(values: Tensor) -> Tensor:
        return functional.avg_pool2d(values, _SIDE, _STRIDE)

    return 1 - similarity(pictures.float(), others, local_mean, white=1).mean((1, 2, 3))
