"""The settings of a run, and a photo on its way through it."""

from __future__ import annotations

from dataclasses import dataclass

from nsp_cli import __version__
from nsp_cli.batch.naming import Job
from nsp_cli.files import Claim
from nsp_cli.photo import Photo, Provenance, RawOptions


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
    accept_damaged: bool = False

    def provenance(self, source_sha256: str) -> Provenance:
        return Provenance(source_sha256, self.weights, self.weights_sha256, self.settings, __version__)


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
