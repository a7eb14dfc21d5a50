"""Hands a photo's detail back to a prediction of it, and takes leftover noise out of the result.

Two empirical Wiener filters in overlapping 16×16 DCT blocks, luma and chroma apart, go beyond the
paper (shared notes, method.md section 3). The first passes that part of (noisy − prediction) which
exceeds the noise: texture that a blind-spot network cannot predict. The second removes what is left
of correlated noise, which blind-spot networks pass on as blotches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.device import to_device
from nsp_cli.noise.conditioning import noise_conditioning
from nsp_cli.noise.estimation import NoiseProfile, ramp
from nsp_cli.noise.flat_blocks import flat_power, frequencies
from nsp_cli.ops.block_dct import BlockDct, from_luma_chroma, lattice_coefficients, to_luma_chroma
from nsp_cli.tiling.grid import Tile, TileGrid
from nsp_cli.tiling.pixels import begin_paste, cut_tile

_BLOCK_SIDE = 16
# A pixel lies in blocks that start up to 15 pixels away, whose gain looks at the blocks 8 further.
HALO = 24
# A tile's side; on a GPU one takes about 400 MB.
_CORE_ON_CPU, _CORE_ON_GPU = 512, 1024
_LATTICE = 8_000

# Threshold of the first filter in units of noise power. Far above 1, for it is compared with a local
# mean of few blocks; chroma detail is rarely worth its blotches.
_KEEP_ABOVE = (7.0, 28.0, 28.0)
_FLAT_RESIDUAL, _FLAT_RESULT = 0.2, 0.1
# In a photo without any flat region, texture would pass for what a network left. So luma is bounded: after
# a blind-spot network by shares of the residual's power, coarse luma by that of middle luma; after one that
# was told the noise by a share of that, and a level, and less where the slope says that nothing is flat. Of
# coarse chroma, the scene's in most photos, no more counts than that share of what was told.
_LEFT_BY_BLIND, _LEFT_COARSE = 0.5, 1.5
_LEFT_BY_SEEING, _MOST_LEFT = 0.06, 1.4 / 255
_COARSE = 2.5  # half periods per eight pixels, as `frequencies`
_NOWHERE_FLAT, _SOMEWHERE_FLAT = 4.0, 2.6
# Luma power is divided by this power of how often its level exceeds what is believable.
_DISTRUST = 8
# After each kind of network: the second filter's threshold in units of what was left, and the level of luma
# grain that stays, for skin without any looks like plastic. One that sees the pixels leaves little noise, of
# which more goes, and keeps a little grain itself.
_AFTER_BLIND = (1.8, 7.0, 7.0), 0.2 / 255
_AFTER_SEEING = (16.0, 7.0, 7.0), 0.1 / 255
_MOST_GRAIN = 0.3


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


def recover_detail(
    noisy: Tensor,
    prediction: Tensor,
    profile: NoiseProfile,
    strengths: Sequence[Strength],
    *,
    is_blind_spot: bool = True,
    device: torch.device | None = None,
) -> list[Tensor]:
    """Makes the final picture from a photo and a network's prediction of it, by one strength or several.

    Statistics are of the whole photo and every block sees all it needs, so tiles leave no trace.

    Args:
        noisy: (3, H, W) uint8, uint16 or float in [0, 1].
        prediction: (3, H, W), any of these types.
        profile: Of the noisy photo.
        strengths: How much to remove; those that share an `at_least_one` cost little more than one.
        is_blind_spot: Whether the network is blind-spot. Others see the pixels that they predict and keep
            their texture themselves; more detail would bring noise (0.1 dB on DSLR pictures).
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
    if is_blind_spot:
        residual = _believable(_residual_power(noisy, prediction), profile)
        halfway = _with_detail(noisy, prediction, _threshold(residual, _KEEP_ABOVE) * boost, device)
        most, (below, grain) = _left_by_blind(residual), _AFTER_BLIND
    else:
        halfway, most, (below, grain) = prediction, _left_by_seeing(profile), _AFTER_SEEING
    threshold = to_device(_threshold(_leftover(halfway, most), below) * boost, device)
    grain /= max(profile.luma, 1e-6)
    kept = [to_device(_kept_share(grain, one)[:, None, None], device) for one in strengths]
    results = [torch.empty_like(noisy) for _ in strengths]
    _in_tiles(results, device, lambda part: _finish(part(noisy), part(halfway), threshold, kept))
    return results


def _by_plane(strength: Strength) -> Tensor:
    return torch.tensor([strength.luma, strength.chroma, strength.chroma])


def _with_detail(noisy: Tensor, prediction: Tensor, threshold: Tensor, device: torch.device) -> Tensor:
    threshold = to_device(threshold, device)
    # Half a level of 1/1000: coarse for a 16-bit photo, and half the memory for the others.
    halfway_type = torch.float16 if noisy.dtype == torch.uint8 else torch.float32
    halfway = torch.empty(noisy.shape, dtype=halfway_type)
    _in_tiles([halfway], device, lambda part: [_hand_back(part(noisy), part(prediction), threshold)])
    return halfway


def _coefficients(image: Tensor) -> Tensor:
    return lattice_coefficients(image, _BLOCK_SIDE, most=_LATTICE)[0]


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
    frequency = frequencies(_BLOCK_SIDE)
    low = (frequency >= 0.9) & (frequency < 3)
    return torch.maximum(power, power[:, low].mean(1, keepdim=True)) * torch.tensor(factors)[:, None]


def _leftover(halfway: Tensor, most: Tensor) -> Tensor:
    """Measures (3, 256) power of the noise that a network left, at most so much."""
    return torch.minimum(flat_power(_coefficients(halfway), _FLAT_RESULT)[0], most)


def _left_by_blind(residual: Tensor) -> Tensor:
    """Returns (3, 256): the most power that is noise.

    Chroma has little texture, but blotches larger than the prediction can tell from the scene.
    """
    frequency = frequencies(_BLOCK_SIDE)
    most = _LEFT_BY_BLIND * residual[0]
    middle = residual[0, (frequency >= _COARSE) & (frequency < 4.5)].mean()
    luma = torch.where(frequency < _COARSE, torch.maximum(most, _LEFT_COARSE * middle), most)
    return torch.stack([luma, *torch.full((2, len(luma)), math.inf)])


def _left_by_seeing(profile: NoiseProfile) -> Tensor:
    """Returns the same; coarse chroma is bounded too, or faint colours of water and leaves would go."""
    most = _LEFT_BY_SEEING * noise_conditioning(profile).square()
    share = ramp(profile.slope, _NOWHERE_FLAT, _SOMEWHERE_FLAT)
    chroma = torch.where(frequencies(_BLOCK_SIDE) < _COARSE, most[3], math.inf)
    return torch.stack([(share * most[1].clamp(max=_MOST_LEFT**2)).expand_as(chroma), chroma, chroma])


def _kept_share(grain: float, strength: Strength) -> Tensor:
    """Returns how much of what was removed stays in the picture, per plane; `grain` of luma at strength 1."""
    factors = _by_plane(strength)
    grain = min(_MOST_GRAIN, grain) * max(0.0, 2 - float(factors[0]))
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
    blocks = BlockDct(_BLOCK_SIDE)
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

    begun = map(begin, TileGrid(height, width, HALO, step=_BLOCK_SIDE // 2).plan(core))
    # A CUDA GPU works on a tile while the one before is written.
    for pastes, _ in pairwise(chain(begun, [[]])):
        for paste in pastes:
            paste()
