"""The settings of a run, and a photo on its way through it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nsp_cli import __version__
from nsp_cli.batch.naming import Job
from nsp_cli.files import Claim
from nsp_cli.photo import RAW_SUFFIXES, Photo, Provenance, RawOptions


@dataclass(frozen=True)
class WeightsFile:
    """Name and checksum of weights."""

    name: str
    sha256: str


@dataclass(frozen=True)
class RunSettings:
    """The settings that all photos of a run share.

    Attributes:
        weights: Name of the weights.
        weights_sha256: sha256 of their file.
        settings: Everything else that affects the result, as text. It is compared, never parsed.
        scale: How many times wider and higher results are.
        bit_depth: 8 or 16; None keeps the photo's if the format can hold it.
        quality: 1 to 100, for lossy formats.
        overwrite: Whether an existing file may be replaced; a photo itself never is.
        keep_times: Whether results get the file times of their photos.
        max_megapixels: Larger photos are refused.
        raw: How camera RAW is developed; None for the defaults.
        raw_weights: Weights for what Bayer sensors saw; None to work on developed pixels.
        accept_damaged: Whether photos are read of which a part is missing.
    """

    weights: str
    weights_sha256: str
    settings: str
    scale: int = 1
    bit_depth: int | None = None
    quality: int = 95
    overwrite: bool = False
    keep_times: bool = False
    max_megapixels: float = 250
    raw: RawOptions | None = None
    raw_weights: WeightsFile | None = None
    accept_damaged: bool = False

    def provenance(self, source_sha256: str, *, is_raw: bool = False, is_mosaic: bool = False) -> Provenance:
        """What a result records about its origin.

        Args:
            source_sha256: Checksum of the photo's file.
            is_raw: Whether the photo is camera RAW.
            is_mosaic: Whether the values of a Bayer sensor were worked on.
        """
        weights, sha256, settings = self.weights, self.weights_sha256, self.settings
        if is_raw and self.raw_weights and not is_mosaic:
            settings = f"{settings} as developed"  # unlike a result of weights that the user named
        if is_mosaic and self.raw_weights:
            goes_on = self.scale > 1
            settings = f"{settings} {weights}: {sha256}" if goes_on else settings
            weights = f"{self.raw_weights.name}, {weights}" if goes_on else self.raw_weights.name
            sha256 = self.raw_weights.sha256
        return Provenance(source_sha256, weights, sha256, settings, __version__)

    def provenances(self, source: Path, source_sha256: str) -> list[Provenance]:
        """What a result may record, before it is known what sensor a photo comes from."""
        plain = self.provenance(source_sha256)
        if not self.raw_weights:
            return [plain]
        raw = [self.provenance(source_sha256, is_raw=True, is_mosaic=mosaic) for mosaic in (True, False)]
        return raw if source.suffix.lower() in RAW_SUFFIXES else [plain, *raw]


@dataclass(frozen=True, eq=False)
class Ready:
    """A photo that was read.

    Attributes:
        job: Source and target.
        claim: The claim on its result.
        photo: The photo as the file has it.
        depth: Bits per channel of the result.
        provenance: What the result will record about its origin.
        is_copied: Whether the result already exists as a copy of the photo.
        seconds: Time that reading took.
    """

    job: Job
    claim: Claim
    photo: Photo
    depth: int
    provenance: Provenance
    is_copied: bool
    seconds: float


@dataclass(frozen=True, eq=False)
class Worked:
    """A photo whose pixels were processed.

    Attributes:
        ready: The photo as it was read.
        photo: The result, at the bit depth to write.
        is_changed: Whether its pixels differ now.
        notes, noise: As in `Restored`.
        device, precision: Where and how the network ran.
        seconds: Time that the work took.
    """

    ready: Ready
    photo: Photo
    is_changed: bool
    notes: tuple[str, ...]
    noise: tuple[float, float] | None
    device: str
    precision: str
    seconds: float
