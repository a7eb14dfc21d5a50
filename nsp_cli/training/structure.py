"""How far pictures differ in structure, for absolute errors alone hardly punish texture gone faint."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

# A box about as wide as the metric's Gaussian, at every third pixel: a tenth of the metric's work.
_SIDE, _STRIDE = 7, 3
_LEAST_MEAN, _LEAST_VARIANCE = 0.01**2, 0.03**2


def dissimilarity(pictures: Tensor, others: Tensor) -> Tensor:
    """Returns 1 − SSIM (Wang et al. 2004, here in boxes), (B,), of (B, C, H, W) pictures in [0, 1]."""

    def local_mean(values: Tensor) -> Tensor:
        return functional.avg_pool2d(values, _SIDE, _STRIDE)

    # Differences from a constant keep a variance from drowning in its mean's rounding.
    x, y = pictures.float() - 0.5, others - 0.5
    mean_x, mean_y = local_mean(x), local_mean(y)
    variances = local_mean(x * x + y * y) - mean_x * mean_x - mean_y * mean_y
    covariance = local_mean(x * y) - mean_x * mean_y
    structure = (2 * covariance + _LEAST_VARIANCE) / (variances + _LEAST_VARIANCE)
    a, b = mean_x + 0.5, mean_y + 0.5
    luminance = (2 * a * b + _LEAST_MEAN) / (a * a + b * b + _LEAST_MEAN)
    return 1 - (structure * luminance).mean((1, 2, 3))
