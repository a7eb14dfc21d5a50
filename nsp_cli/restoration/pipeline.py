"""The default pipeline: estimate a photo's noise, predict the clean photo, recover detail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from nsp_cli.device import release_memory
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.ops.progress import OnProgress
from nsp_cli.restoration.back_projection import back_projected
from nsp_cli.restoration.blind_spot_recovery import recover_detail
from nsp_cli.restoration.hot_dots import without_hot_dots
from nsp_cli.restoration.inference import InferenceMode, Restorer
from nsp_cli.restoration.neutral import keep_neutral
from nsp_cli.restoration.planning import RestorationPlan, plan_for
from nsp_cli.restoration.recovery import remove_leftover
from nsp_cli.restoration.strength import Strength, blend
from nsp_cli.restoration.view import View

# Share of a photo's time that the network takes; for progress only.
_NETWORK_SHARE = 0.9


def denoise_tensor(
    restorer: Restorer,
    noisy: Tensor,
    *,
    strength: Strength | None = None,
    view: View | None = None,
    keep_hot_pixels: bool = False,
    on_progress: OnProgress | None = None,
) -> tuple[Tensor, RestorationPlan]:
    """Denoises a photo by as much as its estimated noise requires.

    Args:
        restorer: Network and device.
        noisy: (3, H, W) uint8, uint16 or float32 in [0, 1].
        strength: How much to remove; None for automatic.
        view: View of the photo; None to choose it.
        keep_hot_pixels: Whether hot pixels are taken for a part of the scene.
        on_progress: Called with the photo's pixels done and in total.

    Returns:
        (3, H, W) of the same type, and what was done. For clean photos and strength 0 it is `noisy` itself.

    Raises:
        DeviceError: The smallest tile does not fit in memory, or the network's result is not finite.
    """
    strength = strength or Strength()
    plan = plan_for(restorer, noisy, view)
    if plan.mode is None or strength.is_zero:
        return noisy, replace(plan, mode=None)
    photo, count = (noisy, 0) if keep_hot_pixels else without_hot_dots(noisy, plan.view)
    seen = plan.view.picture(photo)
    full = _denoise_fully(restorer, seen, plan, strength, _first_part(on_progress))
    result = plan.view.undo(blend(seen, full, strength), photo)
    _finish_progress(noisy, on_progress)
    return keep_neutral(noisy)(result), replace(plan, hot_pixels=count)


def denoise_by_strengths(
    restorer: Restorer,
    noisy: Tensor,
    strengths: Sequence[Strength],
    plan: RestorationPlan,
    *,
    keep_hot_pixels: bool = False,
    on_progress: OnProgress | None = None,
) -> list[Tensor]:
    """Denoises as `denoise_tensor` does, at several strengths; shared work is done once.

    Args:
        restorer: Network and device.
        noisy: (3, H, W) uint8, uint16 or float32 in [0, 1].
        strengths: How much to remove.
        plan: From this photo, or from the whole of which it is a part.
        keep_hot_pixels: As for `denoise_tensor`.
        on_progress: Called with the pixels done and in total, over all strengths.

    Returns:
        One picture for each strength, of the type of `noisy`.

    Raises:
        DeviceError: As for `denoise_tensor`.
    """
    pixels, results = noisy.shape[1] * noisy.shape[2], dict.fromkeys(strengths, noisy)
    view, finish = plan.view, keep_neutral(noisy)
    groups = _denoised_alike(strengths) if plan.mode else {}
    photo = without_hot_dots(noisy, view)[0] if groups and not keep_hot_pixels else noisy
    seen = view.picture(photo)
    for index, (strength, members) in enumerate(groups.items()):
        show = _part_of_several(on_progress, index, len(groups))
        full = _denoise_fully(restorer, seen, plan, strength, show)
        results |= {one: finish(view.undo(blend(seen, full, one), photo)) for one in members}
    if on_progress:
        total = max(1, len(groups)) * pixels
        on_progress(total, total)
    return [results[strength] for strength in strengths]


def _denoised_alike(strengths: Sequence[Strength]) -> dict[Strength, list[Strength]]:
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


def _wanted_noise(noise: NoiseMap, strength: Strength) -> NoiseMap:
    """The noise to remove; a strength below 1 is blended afterwards."""
    return noise.times(strength.at_least_one.luma, strength.at_least_one.chroma)


def _denoise_fully(
    restorer: Restorer,
    noisy: Tensor,
    plan: RestorationPlan,
    strength: Strength,
    on_progress: OnProgress | None,
) -> Tensor:
    """Predicts, and recovers detail."""
    noise = _wanted_noise(plan.noise, strength)
    prediction = _predict(restorer, noisy, plan.mode or "direct", noise, on_progress)
    return _recover(restorer, noisy, prediction, plan, strength)


def _predict(
    restorer: Restorer,
    noisy: Tensor,
    mode: InferenceMode,
    noise: NoiseMap,
    on_progress: OnProgress | None = None,
) -> Tensor:
    return restorer.denoise(
        noisy,
        mode=mode,
        noise=noise if restorer.spec.is_noise_conditioned else None,
        dtype=_halfway_type(noisy),
        on_progress=on_progress,
    )


def _recover(
    restorer: Restorer, noisy: Tensor, prediction: Tensor, plan: RestorationPlan, strength: Strength
) -> Tensor:
    """Recovers detail on a CUDA GPU if it has enough memory, else on the CPU. Other devices are untested."""
    if plan.profile is None:
        recover = partial(remove_leftover, prediction, _wanted_noise(plan.noise, strength))
    else:
        recover = partial(recover_detail, noisy, prediction, plan.profile, strength)
    device = restorer.execution.device
    if device.type == "cuda":
        with suppress(torch.OutOfMemoryError):
            return recover(device=device)
        release_memory(device)
    return recover()


def upscale_tensor(
    restorer: Restorer,
    noisy: Tensor,
    *,
    mode: Literal["auto", "pd", "direct"] = "auto",
    strength: Strength | None = None,
    view: View | None = None,
    keep_hot_pixels: bool = False,
    on_progress: OnProgress | None = None,
) -> tuple[Tensor, RestorationPlan]:
    """Denoises and enlarges a photo; scaled down again, the result is what `denoise_tensor` returns.

    Args:
        restorer: Network and device.
        noisy: (3, H, W) uint8, uint16 or float32 in [0, 1].
        mode: How to run the network; "auto" chooses by the estimated noise. Only blind-spot networks
            can run as "pd".
        strength: How much to remove; None for automatic, 0 enlarges the noise too.
        view: View of the photo; None to choose it.
        keep_hot_pixels: Whether hot pixels are taken for a part of the scene.
        on_progress: Called with the photo's pixels done and in total.

    Returns:
        (3, t·H, t·W) of the same type, and what was done. The mean of every t×t pixels is the denoised
        photo's, up to rounding and clipping, and for linear photos in their view.

    Raises:
        ValueError: The mode is "pd", and the network is no blind-spot network.
        DeviceError: As for `denoise_tensor`.
    """
    strength = strength or Strength()
    plan = plan_for(restorer, noisy, view)
    is_left = plan.mode is None or strength.is_zero
    photo, count = (noisy, 0) if keep_hot_pixels or is_left else without_hot_dots(noisy, plan.view)
    seen = plan.view.picture(photo)
    chosen: InferenceMode = (plan.mode or "direct") if mode == "auto" else mode
    noise = _wanted_noise(plan.noise, strength)
    enlarged = restorer.upscale(
        seen,
        mode=chosen,
        noise=noise if restorer.spec.is_noise_conditioned else None,
        dtype=_halfway_type(seen),
        on_progress=_first_part(on_progress),
    )
    target = seen
    if not is_left:
        full = _recover(restorer, seen, _scaled_down(enlarged, restorer.spec.scale), plan, strength)
        target = blend(seen, full, strength)
    result = plan.view.undo(back_projected(enlarged, target, restorer.spec.scale), photo)
    _finish_progress(noisy, on_progress)
    return keep_neutral(noisy)(result), replace(plan, mode=chosen, hot_pixels=count)


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
