"""What is wanted of a run, and a photo on its way through it."""

from __future__ import annotations

from dataclasses import dataclass

from nsp_cli import __version__
from nsp_cli.batch.naming import Job
from nsp_cli.files import Claim
from nsp_cli.photo import Photo, Provenance, RawOptions


@dataclass(frozen=True)
class Order:
    """What is wanted of every photo of a run.

    Attributes:
        weights: Name of the weights.
        weights_sha256: Of their file.
        settings: What else decides about the result, as text; compared, never read.
        scale: How much larger per axis results are.
        bit_depth: 8 or 16; None keeps the photo's where the format can.
        quality: Of JPEG, WebP and AVIF, 1 to 100.
        overwrite: Whether an existing file may be replaced; a photo itself never is.
        keep_times: Results get their photos' times.
        max_megapixels: Larger photos are refused.
        raw: How camera RAW is developed; None is the default.
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

    def provenance(self, source_sha256: str) -> Provenance:
        return Provenance(source_sha256, self.weights, self.weights_sha256, self.settings, __version__)


@dataclass(frozen=True, eq=False)
class Ready:
    """A photo that was read.

    Attributes:
        job: Source and target.
        claim: To its result.
        photo: As the file has it.
        depth: Of the result.
        provenance: For the result.
        is_copied: Its result is there already, if that is to be a copy.
        seconds: That reading took.
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
    """A photo that was worked on.

    Attributes:
        ready: As it was read.
        photo: The result, at the depth to write.
        is_changed: Whether its pixels are others now.
        notes, noise: As of `Restored`.
        device, precision: Where and how the network ran.
        seconds: That the work took.
    """

    ready: Ready
    photo: Photo
    is_changed: bool
    notes: tuple[str, ...]
    noise: tuple[float, float] | None
    device: str
    precision: str
    seconds: float
