"""Hands a photo's detail back to a prediction of it, and takes leftover noise out of the result.

Two empirical Wiener filters in overlapping 16×16 DCT blocks, luma and chroma apart, go beyond the
paper (shared notes, method.md section 3). The first passes that part of (noisy − prediction) which
exceeds the noise: texture that a blind-spot network cannot predict. The second removes what is left
of correlated noise, which blind-spot networks pass on as blotches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.block_dct import BlockDct, from_luma_chroma, lattice_coefficients, to_luma_chroma
from nsp_cli.device import to_device
from nsp_cli.flat_power import flat_power, frequencies
from nsp_cli.noise import NoiseProfile
from nsp_cli.tile_pixels import begin_paste, cut_tile
from nsp_cli.tiling import Tile, TileGrid

SIDE = 16
# A pixel lies in blocks that start up to 15 pixels away, whose gain looks at the blocks 8 further.
HALO = 24
# A tile's side; on a GPU one takes about 400 MB.
_CORE_ON_CPU, _CORE_ON_GPU = 512, 1024
_LATTICE = 8_000

# Threshold of the first filter in units of noise power. Far above 1, for it is compared with a local
# mean of few blocks; chroma detail is rarely worth its blotches.
_KEEP_ABOVE = (7.0, 28.0, 28.0)
_REMOVE_BELOW = (1.8, 7.0, 7.0)
_FLAT_RESIDUAL, _FLAT_RESULT = 0.2, 0.1
# What the second filter takes for leftover noise is bounded by what the residual shows: in a photo
# without any flat region, texture would pass for it.
_LEFT_BY_BLIND = (0.5, 1.5)
# A network that saw the pixels leaves less noise, and more texture to pass for it.
_LEFT_BY_SEEING = (0.05, 0.3)
# Luma power is divided by this power of how often its level exceeds what is believable.
_DISTRUST = 8
# So much luma grain stays, in 8-bit levels and as a share: skin without any looks like plastic.
_GRAIN, _MOST_GRAIN = 0.2 / 255, 0.3


@dataclass(frozen=True)
class Strength:
    """How much is removed: 0 nothing, 1 what the measured noise asks for, 2 clearly more.

    Attributes:
        luma: Of brightness noise, 0 to 2.
        chroma: Of colour noise, 0 to 2.
    """

    luma: float = 1.0
    chroma: float = 1.0

    def __post_init__(self) -> None:
        """Raises ValueError where a strength is out of range."""
        if not (0 <= self.luma <= 2 and 0 <= self.chroma <= 2):
            raise ValueError(f"strength is 0 to 2, not luma {self.luma:g}, chroma {self.chroma:g}")

    @property
    def is_zero(self) -> bool:
        return self.luma == 0 and self.chroma == 0

    @property
    def at_least_one(self) -> Strength:
        """Is the strength to remove noise with; what lies below 1 blends the photo into that result."""
        return Strength(max(1.0, self.luma), max(1.0, self.chroma))


def recover(
    noisy: Tensor,
    prediction: Tensor,
    profile: NoiseProfile,
    strengths: Sequence[Strength],
    *,
    sees_all: bool = False,
    device: torch.device | None = None,
) -> list[Tensor]:
    """Makes the final picture from a photo and a network's prediction of it, by one strength or several.

    Statistics are of the whole photo and every block sees all it needs, so tiles leave no trace.

    Args:
        noisy: (3, H, W) uint8, uint16 or float in [0, 1].
        prediction: (3, H, W), any of these types.
        profile: Of the noisy photo.
        strengths: How much to remove; those that share an `at_least_one` cost little more than one.
        sees_all: The network saw the pixels it predicted and kept their texture itself; to hand back
            more would bring noise (0.1 dB on DSLR pictures).
        device: Where blocks are filtered; None for the CPU. Pictures stay in main memory.

    Returns:
        A (3, H, W) for each strength, the type of `noisy`.

    Raises:
        ValueError: The strengths are not all one `at_least_one`.
        torch.OutOfMemoryError: The device has too little memory for a tile.
    """
    if len({strength.at_least_one for strength in strengths}) != 1:
        raise ValueError("strengths above 1 filter differently: recover them apart")
    device = device or torch.device("cpu")
    boost = _by_plane(strengths[0].at_least_one).square()[:, None]
    residual = _believable(_residual_power(noisy, prediction), profile)
    halfway = prediction
    if not sees_all:
        halfway = _with_detail(
            noisy, prediction, to_device(_threshold(residual, _KEEP_ABOVE) * boost, device)
        )
    most = _most_leftover(residual, *(_LEFT_BY_SEEING if sees_all else _LEFT_BY_BLIND))
    leftover = torch.minimum(flat_power(_coefficients(halfway), _FLAT_RESULT)[0], most)
    threshold = to_device(_threshold(leftover, _REMOVE_BELOW) * boost, device)
    kept = [to_device(_kept_share(profile, one)[:, None, None], device) for one in strengths]
    results = [torch.empty_like(noisy) for _ in strengths]
    _in_tiles(results, device, lambda part: _finish(part(noisy), part(halfway), threshold, kept))
    return results


def _by_plane(strength: Strength) -> Tensor:
    return torch.tensor([strength.luma, strength.chroma, strength.chroma])


def _with_detail(noisy: Tensor, prediction: Tensor, threshold: Tensor) -> Tensor:
    # Half a level of 1/1000: coarse for a 16-bit photo, and half the memory for the others.
    halfway_type = torch.float16 if noisy.dtype == torch.uint8 else torch.float32
    halfway = torch.empty(noisy.shape, dtype=halfway_type)
    _in_tiles(
        [halfway], threshold.device, lambda part: [_hand_back(part(noisy), part(prediction), threshold)]
    )
    return halfway


def _coefficients(image: Tensor) -> Tensor:
    return lattice_coefficients(image, SIDE, most=_LATTICE)[0]


def _residual_power(noisy: Tensor, prediction: Tensor) -> Tensor:
    return flat_power(_coefficients(noisy) - _coefficients(prediction), _FLAT_RESIDUAL)[0]


def _believable(residual: Tensor, profile: NoiseProfile) -> Tensor:
    """Scales luma power down where the photo's chroma noise says that it is texture.

    By more than down to the believable level: flat regions that are none tell nothing of the noise.
    """
    excess = residual[0].mean().sqrt() / profile.most_luma
    residual[0] /= excess.clamp(min=1).pow(_DISTRUST)
    return residual


def _threshold(power: Tensor, factors: Sequence[float]) -> Tensor:
    """Returns `factors`, one for each plane, times (3, K) power, raised to that of its low frequencies.

    JPEG and cameras smooth fine noise away where the photo is flat, and leave it on texture, where it
    cannot be measured.
    """
    frequency = frequencies(SIDE)
    low = (frequency >= 0.9) & (frequency < 3)
    return torch.maximum(power, power[:, low].mean(1, keepdim=True)) * torch.tensor(factors)[:, None]


def _most_leftover(residual: Tensor, share: float, low: float) -> Tensor:
    frequency = frequencies(SIDE)
    most = share * residual
    middle = residual[0, (frequency >= 2.5) & (frequency < 4.5)].mean()
    most[0] = torch.where(frequency < 2.5, torch.maximum(most[0], low * middle), most[0])
    # Chroma has little texture, but blotches larger than the prediction can tell from the scene.
    most[1:] = torch.inf
    return most


def _kept_share(profile: NoiseProfile, strength: Strength) -> Tensor:
    """Returns how much of what was removed stays in the picture, per plane."""
    factors = _by_plane(strength)
    grain = min(_MOST_GRAIN, _GRAIN / max(profile.luma, 1e-6)) * max(0.0, 2 - float(factors[0]))
    removed = factors.clamp(max=1) * torch.tensor([1 - min(grain, _MOST_GRAIN), 1.0, 1.0])
    return 1 - removed


def _hand_back(noisy: Tensor, prediction: Tensor, threshold: Tensor) -> Tensor:
    return prediction + from_luma_chroma(_shrink(to_luma_chroma(noisy - prediction), threshold))


def _finish(noisy: Tensor, halfway: Tensor, threshold: Tensor, kept: Sequence[Tensor]) -> list[Tensor]:
    planes = _shrink(to_luma_chroma(halfway), threshold, keep_mean=True)
    removed = to_luma_chroma(noisy) - planes
    return [from_luma_chroma(planes + share * removed) for share in kept]


def _shrink(planes: Tensor, threshold: Tensor, *, keep_mean: bool = False) -> Tensor:
    """Empirical Wiener filter: each coefficient loses the share that `threshold` has of its local power.

    Args:
        planes: (3, H, W).
        threshold: (3, 256) power.
        keep_mean: Leave the blocks' means as they are.
    """
    blocks = BlockDct(SIDE)
    coefficients = blocks.forward(planes)
    local = _mean_of_nine(coefficients.square())
    gain = (1 - threshold[..., None, None] / local.clamp_(min=1e-12)).clamp_(min=0)
    if keep_mean:
        gain[:, 0] = 1
    return blocks.inverse(coefficients.mul_(gain), *planes.shape[-2:])


def _mean_of_nine(power: Tensor) -> Tensor:
    """Averages every block with its neighbours; sums of slices are faster here than a pooling."""
    power = functional.pad(power, (1, 1, 1, 1), mode="replicate")
    power = power[..., :-2, :] + power[..., 1:-1, :] + power[..., 2:, :]
    return (power[..., :-2] + power[..., 1:-1] + power[..., 2:]).div_(9)


def _in_tiles(
    results: Sequence[Tensor],
    device: torch.device,
    process: Callable[[Callable[[Tensor], Tensor]], Sequence[Tensor]],
) -> None:
    """Fills `results` tile by tile; `process` gets a function that cuts its tile out of a picture."""
    height, width = results[0].shape[-2:]
    core = _CORE_ON_CPU if device.type == "cpu" else _CORE_ON_GPU

    def begin(tile: Tile) -> list[Callable[[], None]]:
        done = process(partial(cut_tile, tile=tile, device=device))
        return [begin_paste(result, tile, one) for result, one in zip(results, done, strict=True)]

    begun = map(begin, TileGrid(height, width, HALO, step=SIDE // 2).plan(core))
    # A CUDA GPU works on a tile while the one before is written.
    for pastes, _ in pairwise(chain(begun, [[]])):
        for paste in pastes:
            paste()
