"""The default pipeline: estimate a photo's noise, predict the clean photo, recover detail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.device import release_memory
from nsp_cli.noise.conditioning import noise_conditioning
from nsp_cli.noise.estimation import NoiseProfile, estimate_noise
from nsp_cli.ops.progress import OnProgress
from nsp_cli.restoration.back_projection import back_projected
from nsp_cli.restoration.inference import InferenceMode, Restorer
from nsp_cli.restoration.neutral import keep_neutral
from nsp_cli.restoration.recovery import Strength, recover_detail
from nsp_cli.restoration.view import View

# Level of luma noise above which the PD average is the better prediction (phones at night). Below it the
# direct pass keeps more detail and shows no chessboard.
STRONG_NOISE = 8 / 255
# Share of a photo's time that the network takes; for progress only.
_NETWORK_SHARE = 0.9


@dataclass(frozen=True, eq=False)
class RestorationPlan:
    """A photo's estimated noise, and how to process the photo.

    Attributes:
        noise: The estimated noise.
        mode: How to run the network, "direct" or "pd"; None to leave the photo as it is.
        view: The view of the photo in which noise is measured and removed.
    """

    noise: NoiseProfile
    mode: InferenceMode | None
    view: View

    @property
    def levels(self) -> tuple[float, float]:
        """Levels of luma and chroma noise, in 8-bit steps."""
        return min(self.noise.luma, self.noise.most_luma) * 255, self.noise.chroma * 255

    def describe(self) -> str:
        """Describes the noise in one line for people."""
        if self.noise.is_clean:
            return "no noise measured"
        luma, chroma = self.levels
        scale = "of 255" if self.view == View() else "of 255, in the stretched picture"
        levels = f"noise {luma:.1f} luma, {chroma:.1f} chroma ({scale})"
        return f"{levels}, correlated over {self.noise.correlation_length():.1f} pixels"


def plan_restoration(
    photo: Tensor, *, is_blind_spot: bool = True, view: View | None = None
) -> RestorationPlan:
    """Estimates the noise of a photo and chooses how to run the network.

    Args:
        photo: (3, H, W) uint8, uint16 or float in [0, 1].
        is_blind_spot: Whether the network is blind-spot; only such networks can run as "pd".
        view: View of the photo; None to choose it.
    """
    view = view or View.of(photo)
    noise = estimate_noise(view.picture(photo))
    if noise.is_clean:
        return RestorationPlan(noise, None, view)
    is_strong = min(noise.fine_luma, noise.most_luma) > STRONG_NOISE
    return RestorationPlan(noise, "pd" if is_strong and is_blind_spot else "direct", view)


def denoise_tensor(
    restorer: Restorer,
    noisy: Tensor,
    *,
    strength: Strength | None = None,
    view: View | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[Tensor, RestorationPlan]:
    """Denoises a photo by as much as its estimated noise requires.

    Args:
        restorer: Network and device.
        noisy: (3, H, W) uint8, uint16 or float32 in [0, 1].
        strength: How much to remove; None for automatic.
        view: View of the photo; None to choose it.
        on_progress: Called with the photo's pixels done and in total.

    Returns:
        (3, H, W) of the same type, and what was done. For clean photos and strength 0 it is `noisy` itself.

    Raises:
        DeviceError: The smallest tile does not fit in memory, or the network's result is not finite.
    """
    strength = strength or Strength()
    plan = plan_restoration(noisy, is_blind_spot=restorer.spec.is_blind_spot, view=view)
    if plan.mode is None or strength.is_zero:
        return noisy, replace(plan, mode=None)
    seen = plan.view.picture(noisy)
    given = _conditioning(restorer, plan.noise, strength)
    prediction = _predict(restorer, seen, plan.mode, given, _first_part(on_progress))
    [result] = _recover(restorer, seen, prediction, plan.noise, [strength])
    _finish_progress(noisy, on_progress)
    return keep_neutral(noisy)(plan.view.undo(result, noisy)), plan


def denoise_by_strengths(
    restorer: Restorer,
    noisy: Tensor,
    strengths: Sequence[Strength],
    plan: RestorationPlan,
    *,
    wanted: Callable[[Tensor], Tensor] = lambda image: image,
    on_progress: OnProgress | None = None,
) -> list[Tensor]:
    """Denoises as `denoise_tensor` does, at several strengths; shared work is done once.

    Args:
        restorer: Network and device.
        noisy: (3, H, W) uint8, uint16 or float32 in [0, 1].
        strengths: How much to remove.
        plan: From this photo, or from the photo that it is a part of.
        wanted: Cuts the part to return out of a (3, H, W) picture; the network sees all of `noisy`.
        on_progress: Called with the pixels done and in total, over all strengths.

    Returns:
        One picture of the wanted part for each strength, of the type of `noisy`.

    Raises:
        DeviceError: As for `denoise_tensor`.
    """
    pixels, own = noisy.shape[1] * noisy.shape[2], wanted(noisy)
    seen, part = plan.view.picture(noisy), plan.view.picture(own)
    results = dict.fromkeys(strengths, own)
    groups = _filtered_alike(strengths) if plan.mode else {}
    answers: dict[tuple[float, ...], Tensor] = {}
    keep = keep_neutral(noisy)
    for index, (strength, members) in enumerate(groups.items()):
        given = _conditioning(restorer, plan.noise, strength)
        key = () if given is None else tuple(given.tolist())
        if key not in answers:
            show = _part_of_several(on_progress, index, len(groups))
            answers = {key: wanted(_predict(restorer, seen, plan.mode or "direct", given, show))}
        recovered = _recover(restorer, part, answers[key], plan.noise, members)
        finished = (keep(plan.view.undo(one, own)) for one in recovered)
        results |= dict(zip(members, finished, strict=True))
    if on_progress:
        total = max(1, len(groups)) * pixels
        on_progress(total, total)
    return [results[strength] for strength in strengths]


def _filtered_alike(strengths: Sequence[Strength]) -> dict[Strength, list[Strength]]:
    """Groups strengths above 0 by the strength that the network and recovery use."""
    groups: dict[Strength, list[Strength]] = {}
    for strength in strengths:
        if not strength.is_zero:
            groups.setdefault(strength.at_least_one, []).append(strength)
    return groups


def _part_of_several(on_progress: OnProgress | None, index: int, count: int) -> OnProgress | None:
    if on_progress is None:
        return None
    return lambda done, total: on_progress(index * total + int(done * _NETWORK_SHARE), count * total)


def _predict(
    restorer: Restorer,
    noisy: Tensor,
    mode: InferenceMode,
    conditioning: Tensor | None,
    on_progress: OnProgress | None,
) -> Tensor:
    return restorer.denoise(
        noisy, mode=mode, noise=conditioning, dtype=_halfway_type(noisy), on_progress=on_progress
    )


def _recover(
    restorer: Restorer, noisy: Tensor, prediction: Tensor, noise: NoiseProfile, strengths: Sequence[Strength]
) -> list[Tensor]:
    """Recovers detail on a CUDA GPU if it has enough memory, else on the CPU. Other devices are untested."""
    is_blind_spot, device = restorer.spec.is_blind_spot, restorer.execution.device
    given = noisy, prediction, noise, strengths
    if device.type == "cuda":
        with suppress(torch.OutOfMemoryError):
            return recover_detail(*given, is_blind_spot=is_blind_spot, device=device)
        release_memory(device)
    return recover_detail(*given, is_blind_spot=is_blind_spot)


def upscale_tensor(
    restorer: Restorer,
    noisy: Tensor,
    *,
    mode: Literal["auto", "pd", "direct"] = "auto",
    strength: Strength | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[Tensor, RestorationPlan]:
    """Denoises and enlarges a photo; scaled down again, the result is what `denoise_tensor` returns.

    Args:
        restorer: Network and device.
        noisy: (3, H, W) uint8, uint16 or float32 in [0, 1].
        mode: How to run the network; "auto" chooses by the estimated noise. Only blind-spot networks
            can run as "pd".
        strength: How much to remove; None for automatic, 0 enlarges the noise too.
        on_progress: Called with the photo's pixels done and in total.

    Returns:
        (3, t·H, t·W) of the same type, and what was done. The mean of every t×t pixels is the denoised
        photo's, up to rounding and clipping, and for dark linear photos in their view.

    Raises:
        ValueError: The mode is "pd", and the network is no blind-spot network.
        DeviceError: As for `denoise_tensor`.
    """
    strength = strength or Strength()
    plan = plan_restoration(noisy, is_blind_spot=restorer.spec.is_blind_spot)
    seen = plan.view.picture(noisy)
    chosen: InferenceMode = (plan.mode or "direct") if mode == "auto" else mode
    enlarged = restorer.upscale(
        seen,
        mode=chosen,
        noise=_conditioning(restorer, plan.noise, strength),
        dtype=_halfway_type(seen),
        on_progress=_first_part(on_progress),
    )
    prediction = _scaled_down(enlarged, restorer.spec.scale)
    target = seen
    if plan.mode is not None and not strength.is_zero:
        [target] = _recover(restorer, seen, prediction, plan.noise, [strength])
    result = back_projected(enlarged, target, restorer.spec.scale)
    _finish_progress(noisy, on_progress)
    return keep_neutral(noisy)(plan.view.undo(result, noisy)), replace(plan, mode=chosen)


def _conditioning(restorer: Restorer, noise: NoiseProfile, strength: Strength) -> Tensor | None:
    if not restorer.spec.is_noise_conditioned:
        return None
    return noise_conditioning(noise, luma=strength.luma, chroma=strength.chroma)


def _halfway_type(photo: Tensor) -> torch.dtype:
    # float16 is accurate to an eighth of an 8-bit level, at half the memory.
    return torch.float16 if photo.dtype == torch.uint8 else torch.float32


def _scaled_down(image: Tensor, scale: int) -> Tensor:
    return functional.avg_pool2d(image.float(), scale).to(image.dtype)


def _first_part(on_progress: OnProgress | None) -> Callable[[int, int], None] | None:
    if on_progress is None:
        return None
    return lambda done, total: on_progress(int(done * _NETWORK_SHARE), total)


def _finish_progress(photo: Tensor, on_progress: OnProgress | None) -> None:
    if on_progress:
        pixels = photo.shape[1] * photo.shape[2]
        on_progress(pixels, pixels)
