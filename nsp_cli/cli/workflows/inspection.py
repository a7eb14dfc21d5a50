"""What nsp inspect measures on a photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsp_cli.cli import console, progress_bars
from nsp_cli.errors import NspError

if TYPE_CHECKING:
    from nsp_cli.noise.estimation import NoiseProfile
    from nsp_cli.noise.sensor_noise import MosaicNoise
    from nsp_cli.photo import Mosaic
    from nsp_cli.restoration.planning import RestorationPlan


@dataclass(frozen=True, eq=False)
class Measured:
    """A photo, what denoise would do about it, and its noise by brightness and distance."""

    photo: Path
    plan: RestorationPlan
    profile: NoiseProfile

    def as_json(self) -> dict[str, Any]:
        """Facts by name, levels of 255."""
        from nsp_cli.training.run.recipe import BlindSpotRecipe

        noise, profile = self.plan.noise, self.profile
        quietest, noisiest = noise.luma_range()
        return {
            "photo": str(self.photo),
            "luma": noise.luma * 255,
            "chroma": noise.chroma * 255,
            "quietest_tenth": quietest * 255,
            "noisiest_tenth": noisiest * 255,
            "correlation_length": {
                "luma": profile.correlation_length(0),
                "chroma": profile.correlation_length(1),
            },
            "brightness": (profile.brightness * 255).tolist(),
            "levels": {
                name: (profile.levels[index] * 255).tolist()
                for index, name in enumerate(("red", "green", "blue"))
            },
            "pd_factor": BlindSpotRecipe().pd_factor,
            "mode": self.plan.mode,
            "clean": noise.is_clean,
        }


@dataclass(frozen=True, eq=False)
class MeasuredSensor:
    """A photo of a Bayer sensor, the noise of its values, its level on a grey card, and what a DNG states."""

    photo: Path
    noise: MosaicNoise
    level: float
    stated: tuple[tuple[float, float], ...]

    def as_json(self) -> dict[str, Any]:
        """Facts by name; levels of 255, variances in light with white at 1, banding as a share of noise."""
        return {
            "photo": str(self.photo),
            "luma": self.level,
            "chroma": self.level,
            "electrons_at_white": self.noise.electrons,
            "read_noise_electrons": self.noise.read_noise,
            "slope": list(self.noise.slope),
            "floor": list(self.noise.floor),
            "banding": dict(zip(("rows", "columns"), self.noise.banding, strict=True)),
            "has_banding": self.noise.has_banding,
            "stated": [list(pair) for pair in self.stated],
            "mode": "raw",
            "clean": False,
        }


def measure_all(
    photos: list[Path], max_megapixels: float
) -> tuple[list[Measured], list[MeasuredSensor], int]:
    """Measures photos, those of Bayer sensors apart, and counts failures, which it shows.

    Raises:
        NspError: The only photo failed.
    """
    developed, sensors, failures = [], [], 0
    with progress_bars.progress("Measuring") as on_progress:
        for done, photo in enumerate(photos):
            try:
                found = _measure(photo, max_megapixels)
            except NspError as error:
                if len(photos) == 1:
                    raise
                console.show_error(error)
                failures += 1
            else:
                if isinstance(found, MeasuredSensor):
                    sensors.append(found)
                else:
                    developed.append(found)
            on_progress(done + 1, len(photos))
    return developed, sensors, failures


def _measure(path: Path, max_megapixels: float) -> Measured | MeasuredSensor:
    from nsp_cli.noise.estimation import estimate_noise
    from nsp_cli.ops.pixels import pixels_to_tensor
    from nsp_cli.photo import read_photo
    from nsp_cli.restoration.planning import plan_restoration
    from nsp_cli.restoration.view import view_of

    photo = read_photo(path, max_megapixels=max_megapixels, keep_mosaic=True)
    if photo.mosaic is not None:
        return _measure_sensor(path, photo.mosaic)
    pixels = pixels_to_tensor(photo.seen_pixels)
    # As denoise without --model, whose network sees every pixel.
    plan = plan_restoration(pixels, is_blind_spot=False, view=view_of(photo, pixels))
    return Measured(path, plan, estimate_noise(plan.view.picture(pixels)))


def _measure_sensor(path: Path, mosaic: Mosaic) -> MeasuredSensor:
    from nsp_cli.photo import stated_noise
    from nsp_cli.restoration.mosaic_denoising import level_on_grey_card, measure_noise

    noise = measure_noise(mosaic)
    return MeasuredSensor(path, noise, level_on_grey_card(noise, mosaic.colours), stated_noise(path))
