"""Detail recovery: returns a photo's detail to a network's prediction, and removes leftover noise.

Two empirical Wiener filters work in overlapping 16×16 DCT blocks, on luma and chroma separately; they
go beyond the paper (.github/docs/method.md, step 8). The first filter passes the part of
(noisy − prediction) that exceeds the noise: texture that a blind-spot network cannot predict. The
second removes leftover correlated noise, which blind-spot networks pass on as blotches.
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
from nsp_cli.noise.bands import COARSE, Band, frequencies
from nsp_cli.noise.conditioning import noise_conditioning
from nsp_cli.noise.estimation import NoiseProfile, ramp
from nsp_cli.noise.flat_blocks import flat_power
from nsp_cli.ops.block_dct import BlockDct, from_luma_chroma, lattice_coefficients, to_luma_chroma
from nsp_cli.tiling.grid import Tile, TileGrid
from nsp_cli.tiling.pixels import begin_paste, cut_tile

# Side of a DCT block.
_BLOCK_SIDE = 16
# A pixel lies in blocks that start up to 15 pixels away, and their gain depends on the blocks 8 further.
HALO = 24
# Side of a tile's core. On a GPU a tile takes about 400 MB.
_CORE_ON_CPU, _CORE_ON_GPU = 512, 1024
# Blocks that statistics are taken from, about.
_LATTICE = 8_000

# Threshold of the first filter, for luma and both chroma planes, in units of noise power. It is far above 1
# because it is compared with a local mean of few blocks; chroma detail is rarely worth its blotches.
_KEEP_ABOVE = (7.0, 28.0, 28.0)
# Share of blocks that counts as flat in the residual, and in the first filter's result.
_FLAT_RESIDUAL, _FLAT_RESULT = 0.2, 0.1
# Frequencies whose mean power is the least threshold at every frequency.
_LOW = Band(0.9, 3.0)
# Luma power is divided by this power of its excess over the believable level.
_DISTRUST = 8

# Bounds on leftover luma. In a photo without a flat region, texture would pass for leftover noise.
# After a blind-spot network: a share of the residual's power, or a multiple of its middle band where coarse.
_LEFT_BY_BLIND, _LEFT_COARSE = 0.5, 1.5
# The middle band for that, without its highest frequencies (4.5 to 4.6).
_LEFT_MIDDLE = Band(COARSE.high, 4.5)
# After a network that sees the pixels: a share of the conditioning's power (of coarse chroma too, which
# in most photos is the scene's), and a level of luma.
_LEFT_BY_SEEING, _MOST_LEFT = 0.06, 1.4 / 255
# Slope from which nothing counts as flat, so that no luma is leftover, and slope up to which all of it is.
_NOWHERE_FLAT, _SOMEWHERE_FLAT = 4.0, 2.6

# Threshold of the second filter in units of leftover power, and level of luma grain that stays because skin
# without grain looks like plastic. A network that sees the pixels leaves little noise, of which more is
# removed, and some grain.
_AFTER_BLIND = (1.8, 7.0, 7.0), 0.2 / 255
_AFTER_SEEING = (16.0, 7.0, 7.0), 0.1 / 255
# Share of the removed luma noise that stays as grain, at most.
_MOST_GRAIN = 0.3


@dataclass(frozen=True)
class Strength:
    """How much noise to remove: 0 none, 1 as much as was estimated, 2 clearly more.

    Attributes:
        luma: Strength for brightness noise, 0 to 2.
        chroma: Strength for colour noise, 0 to 2.
    """

    luma: float = 1.0
    chroma: float = 1.0

    def __post_init__(self) -> None:
        """Raises ValueError if a strength is out of range."""
        if not (0 <= self.luma <= 2 and 0 <= self.chroma <= 2):
            raise ValueError(f"strength is 0 to 2, not luma {self.luma:g}, chroma {self.chroma:g}")

    @property
    def is_zero(self) -> bool:
        """Whether nothing is removed."""
        return self.luma == 0 and self.chroma == 0

    @property
    def at_least_one(self) -> Strength:
        """Strength to filter with; a strength below 1 then blends the photo into the result."""
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
    """Makes the final pictures, one for each strength, from a photo and a network's prediction of it.

    Statistics come from the whole photo and every block sees all it needs, so tiles leave no trace.

    Args:
        noisy: (3, H, W) uint8, uint16 or float in [0, 1].
        prediction: (3, H, W), any of these types.
        profile: Estimated noise of the noisy photo.
        strengths: How much to remove. All must share one `at_least_one`; several cost little more than one.
        is_blind_spot: Whether the network is blind-spot. Others see the pixels that they predict and keep
            their texture themselves; more detail would bring noise (0.1 dB on DSLR pictures).
        device: Where to filter blocks; None for the CPU. Pictures stay in main memory.

    Returns:
        One (3, H, W) for each strength, of the type of `noisy`.

    Raises:
        ValueError: The strengths do not share one `at_least_one`.
        torch.OutOfMemoryError: The device has too little memory for a tile.
    """
    if len({strength.at_least_one for strength in strengths}) != 1:
        raise ValueError("strengths above 1 filter differently: recover them in separate calls")
    device = device or torch.device("cpu")
    boost = _by_plane(strengths[0].at_least_one).square()[:, None]
    halfway, most, (factors, grain) = _first_stage(noisy, prediction, profile, boost, is_blind_spot, device)
    threshold = to_device(_threshold(_leftover(halfway, most), factors) * boost, device)
    grain /= max(profile.luma, 1e-6)
    kept = [to_device(_kept_share(grain, one)[:, None, None], device) for one in strengths]
    results = [torch.empty_like(noisy) for _ in strengths]
    _in_tiles(results, device, lambda part: _remove_rest(part(noisy), part(halfway), threshold, kept))
    return results


def _first_stage(
    noisy: Tensor,
    prediction: Tensor,
    profile: NoiseProfile,
    boost: Tensor,
    is_blind_spot: bool,
    device: torch.device,
) -> tuple[Tensor, Tensor, tuple[tuple[float, ...], float]]:
    """The prediction with detail, a bound on its leftover noise, and the second filter's settings."""
    if not is_blind_spot:
        return prediction, _left_by_seeing(profile), _AFTER_SEEING
    residual = _believable(_residual_power(noisy, prediction), profile)
    halfway = _with_detail(noisy, prediction, _threshold(residual, _KEEP_ABOVE) * boost, device)
    return halfway, _left_by_blind(residual), _AFTER_BLIND


def _by_plane(strength: Strength) -> Tensor:
    return torch.tensor([strength.luma, strength.chroma, strength.chroma])


def _with_detail(noisy: Tensor, prediction: Tensor, threshold: Tensor, device: torch.device) -> Tensor:
    threshold = to_device(threshold, device)
    # float16 is accurate to 1/2000: enough for 8 bits at half the memory, too coarse for 16 bits.
    halfway_type = torch.float16 if noisy.dtype == torch.uint8 else torch.float32
    halfway = torch.empty(noisy.shape, dtype=halfway_type)
    _in_tiles([halfway], device, lambda part: [_add_detail(part(noisy), part(prediction), threshold)])
    return halfway


def _coefficients(image: Tensor) -> Tensor:
    return lattice_coefficients(image, _BLOCK_SIDE, most=_LATTICE)[0]


def _residual_power(noisy: Tensor, prediction: Tensor) -> Tensor:
    return flat_power(_coefficients(noisy) - _coefficients(prediction), _FLAT_RESIDUAL)[0]


def _believable(residual: Tensor, profile: NoiseProfile) -> Tensor:
    """Reduces luma power where the photo's chroma noise shows that it is texture; changes `residual`.

    It falls below the believable level: regions that are not flat show nothing of the noise.
    """
    excess = residual[0].mean().sqrt() / profile.most_luma
    residual[0] /= excess.clamp(min=1).pow(_DISTRUST)
    return residual


def _threshold(power: Tensor, factors: Sequence[float]) -> Tensor:
    """(3, K) power, at least that of its low frequencies, times a factor for each plane.

    JPEG and cameras smooth fine noise away where the photo is flat. They leave it on texture, where it
    cannot be measured.
    """
    least = power[:, _LOW.mask(_BLOCK_SIDE)].mean(1, keepdim=True)
    return torch.maximum(power, least) * torch.tensor(factors)[:, None]


def _leftover(halfway: Tensor, most: Tensor) -> Tensor:
    """Power of the noise that a network left, (3, 256), at most `most`."""
    return torch.minimum(flat_power(_coefficients(halfway), _FLAT_RESULT)[0], most)


def _left_by_blind(residual: Tensor) -> Tensor:
    """Most power that may be leftover noise after a blind-spot network, (3, 256).

    Chroma is not bounded: it has little texture, but blotches so large that the network keeps them.
    """
    most = _LEFT_BY_BLIND * residual[0]
    middle = residual[0, _LEFT_MIDDLE.mask(_BLOCK_SIDE)].mean()
    luma = torch.where(_is_coarse(), torch.maximum(most, _LEFT_COARSE * middle), most)
    return torch.stack([luma, *torch.full((2, len(luma)), math.inf)])


def _left_by_seeing(profile: NoiseProfile) -> Tensor:
    """Most power that may be leftover noise after a network that sees the pixels, (3, 256).

    Coarse chroma is bounded too, or faint colours of water and leaves would be lost.
    """
    most = _LEFT_BY_SEEING * noise_conditioning(profile).square()
    share = ramp(profile.slope, _NOWHERE_FLAT, _SOMEWHERE_FLAT)
    chroma = torch.where(_is_coarse(), most[3], math.inf)
    return torch.stack([(share * most[1].clamp(max=_MOST_LEFT**2)).expand_as(chroma), chroma, chroma])


def _is_coarse() -> Tensor:
    """Mask of the coarse coefficients and the mean of a block, (256,)."""
    return frequencies(_BLOCK_SIDE) < COARSE.high


def _kept_share(grain: float, strength: Strength) -> Tensor:
    """Share of the removed noise that stays in each plane; `grain` is that of luma at strength 1."""
    factors = _by_plane(strength)
    grain = min(_MOST_GRAIN, grain) * max(0.0, 2 - float(factors[0]))
    removed = factors.clamp(max=1) * torch.tensor([1 - min(grain, _MOST_GRAIN), 1.0, 1.0])
    return 1 - removed


def _add_detail(noisy: Tensor, prediction: Tensor, threshold: Tensor) -> Tensor:
    return prediction + from_luma_chroma(_wiener_filter(to_luma_chroma(noisy - prediction), threshold))


def _remove_rest(noisy: Tensor, halfway: Tensor, threshold: Tensor, kept: Sequence[Tensor]) -> list[Tensor]:
    planes = _wiener_filter(to_luma_chroma(halfway), threshold, keep_mean=True)
    removed = to_luma_chroma(noisy) - planes
    return [from_luma_chroma(planes + share * removed) for share in kept]


def _wiener_filter(planes: Tensor, threshold: Tensor, *, keep_mean: bool = False) -> Tensor:
    """Applies an empirical Wiener filter: a coefficient loses the share of `threshold` in its local power.

    Args:
        planes: (3, H, W).
        threshold: (3, 256) power.
        keep_mean: Whether the blocks' means stay as they are.
    """
    blocks = BlockDct(_BLOCK_SIDE)
    coefficients = blocks.forward(planes)
    local = _mean_of_nine(coefficients.square())
    gain = (1 - threshold[..., None, None] / local.clamp_(min=1e-12)).clamp_(min=0)
    if keep_mean:
        gain[:, 0] = 1
    return blocks.inverse(coefficients.mul_(gain), *planes.shape[-2:])


def _mean_of_nine(power: Tensor) -> Tensor:
    """Mean power of every block and its neighbours. Sums of slices are faster here than pooling."""
    power = functional.pad(power, (1, 1, 1, 1), mode="replicate")
    power = power[..., :-2, :] + power[..., 1:-1, :] + power[..., 2:, :]
    return (power[..., :-2] + power[..., 1:-1] + power[..., 2:]).div_(9)


def _in_tiles(
    results: Sequence[Tensor],
    device: torch.device,
    process: Callable[[Callable[[Tensor], Tensor]], Sequence[Tensor]],
) -> None:
    """Fills `results` tile by tile; `process` receives a function that cuts its tile out of a picture."""
    height, width = results[0].shape[-2:]
    core = _CORE_ON_CPU if device.type == "cpu" else _CORE_ON_GPU

    def begin(tile: Tile) -> list[Callable[[], None]]:
        done = process(partial(cut_tile, tile=tile, device=device))
        return [begin_paste(result, tile, one) for result, one in zip(results, done, strict=True)]

    begun = map(begin, TileGrid(height, width, HALO, step=_BLOCK_SIDE // 2).plan(core))
    # A CUDA GPU works on a tile while the tile before it is written.
    for pastes, _ in pairwise(chain(begun, [[]])):
        for paste in pastes:
            paste()
