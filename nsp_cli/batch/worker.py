"""What works on photos: a network on one device, and for camera RAW a second one before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from nsp_cli.batch.restored import Restore, restore_photo
from nsp_cli.ops.progress import OnProgress
from nsp_cli.photo import Mosaic, Photo, SensorPicture, developed
from nsp_cli.resources import fit_threads


@dataclass(frozen=True, eq=False)
class Demosaiced:
    """What was made of a mosaic.

    Attributes:
        picture: The full-colour picture.
        notes, noise: As in `Restored`.
    """

    picture: SensorPicture
    notes: tuple[str, ...] = ()
    noise: tuple[float, float] | None = None


# Takes what a sensor saw, and a progress function.
Demosaic = Callable[[Mosaic, OnProgress | None], Demosaiced]


@dataclass(frozen=True)
class Worker:
    """A network on one device.

    Attributes:
        restore: The work on the pixels.
        device, precision: Their names, for the record.
        demosaic: The work on the values of a Bayer sensor; None if photos never have them.
        goes_on: Whether `restore` works on what `demosaic` has made, too.
    """

    restore: Restore
    device: str = ""
    precision: str = ""
    demosaic: Demosaic | None = None
    goes_on: bool = False

    def work(
        self, photo: Photo, on_progress: OnProgress | None
    ) -> tuple[Photo, tuple[str, ...], tuple[float, float] | None, bool]:
        """Works on a photo.

        Args:
            photo: The photo, with what the sensor saw if there is that.
            on_progress: Called with the number of pixels done and the number in all.

        Returns:
            The result, what was measured and done, the noise as in `Restored`, and whether pixels differ.
        """
        fit_threads()
        if photo.mosaic is None or self.demosaic is None:
            result, restored, is_changed = restore_photo(photo, self.restore, on_progress=on_progress)
            return result, restored.notes, restored.noise, is_changed
        made = self.demosaic(photo.mosaic, on_progress)
        result = replace(photo.with_pixels(developed(made.picture)), sensor=made.picture)
        if self.goes_on:
            result, _, _ = restore_photo(result, self.restore, on_progress=on_progress)
        return result, made.notes, made.noise, True
