"""Plans how to process a photo: from its estimated noise."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nsp_cli.noise.believable import most_luma
from nsp_cli.noise.constants import CONSTANTS
from nsp_cli.noise.estimation import NoiseProfile, estimate_noise, noise_bands
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.ops.progress import counted
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import InferenceMode, Restorer
from nsp_cli.restoration.noise_mapping import map_noise
from nsp_cli.restoration.view import View


@dataclass(frozen=True, eq=False)
class RestorationPlan:
    """A photo's estimated noise, and how to process the photo.

    Attributes:
        noise: The estimated noise.
        mode: How to run the network, "direct" or "pd"; None to leave the photo as it is.
        view: The view of the photo in which noise is measured and removed.
        profile: For blind-spot networks, the noise in the photo's flattest places; None for others.
        hot_pixels: Number of hot pixels that were removed.
    """

    noise: NoiseMap
    mode: InferenceMode | None
    view: View
    profile: NoiseProfile | None = None
    hot_pixels: int = 0

    @property
    def levels(self) -> tuple[float, float]:
        """Levels of luma and chroma noise, in 8-bit steps."""
        return self.noise.luma * 255, self.noise.chroma * 255

    def describe(self) -> str:
        """Describes the noise in one line for people."""
        if self.noise.is_clean:
            return "no noise measured"
        luma, chroma = self.levels
        removed = f"; {counted(self.hot_pixels, 'hot pixel')} removed" if self.hot_pixels else ""
        return f"noise {luma:.1f} luma, {chroma:.1f} chroma (of 255){removed}"


def plan_restoration(
    photo: Tensor,
    *,
    is_blind_spot: bool = True,
    execution: Execution | None = None,
    view: View | None = None,
) -> RestorationPlan:
    """Estimates the noise of a photo and chooses how to run the network.

    Args:
        photo: (3, H, W) uint8, uint16 or float in [0, 1].
        is_blind_spot: Whether the network is blind-spot; only such networks can run as "pd".
        execution: Where and how the noise estimator runs; None for the CPU.
        view: View of the photo; None to choose it.

    Raises:
        DeviceError: The smallest tile does not fit in memory.
    """
    view = view or View.of(photo)
    photo = view.picture(photo)
    if is_blind_spot:
        return _blind_spot_plan(photo, view)
    noise = map_noise(photo, execution)
    return RestorationPlan(noise, None if noise.is_clean else "direct", view)


def _blind_spot_plan(photo: Tensor, view: View) -> RestorationPlan:
    """The plan by the photo's flattest places.

    A noise map takes some texture for noise, and a blind-spot network would lose that texture: it does not
    see the pixels.
    """
    profile = estimate_noise(photo)
    bands, most = noise_bands(profile.spectrum), most_luma(profile)
    bands[:3] *= min(1.0, most / max(profile.luma, 1e-9))
    is_strong = min(profile.fine_luma, most) * 255 > CONSTANTS.strong
    mode: InferenceMode = "pd" if is_strong else "direct"
    return RestorationPlan(NoiseMap(bands[:, None, None]), None if profile.is_clean else mode, view, profile)


def plan_for(restorer: Restorer, noisy: Tensor, view: View | None = None) -> RestorationPlan:
    """`plan_restoration` for a network, on its device."""
    is_blind_spot, execution = restorer.spec.is_blind_spot, restorer.execution
    return plan_restoration(noisy, is_blind_spot=is_blind_spot, execution=execution, view=view)
