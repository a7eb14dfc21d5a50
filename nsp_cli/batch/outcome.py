"""The outcome of a photo."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import Enum
from typing import Any

from nsp_cli.batch.naming import Job
from nsp_cli.errors import NspError

ELSEWHERE = "another nsp process is working on it"


class Status(str, Enum):
    """How the work on a photo ended. All but FAILED and NOT_BEGUN leave a finished result."""

    DONE = "done"
    PASSED_THROUGH = "passed through"
    SKIPPED = "skipped"
    FAILED = "failed"
    NOT_BEGUN = "not begun"


@dataclass(frozen=True)
class Outcome:
    """The outcome of one photo.

    Attributes:
        job: The photo and the file of its result.
        status: How the work ended.
        width: Width of the result in pixels; 0 if none was made.
        height: Height of the result.
        megapixels: Size of the photo.
        seconds: Time for reading, network and writing, without waiting times.
        noise: Measured luma and chroma level, in steps of 8 bits; None if nothing was measured.
        device: Where the network ran.
        precision: Precision of its arithmetic.
        notes: What was measured, done, changed or left out, or why the photo was skipped, in words.
        details: What changed on purpose, shown with --verbose.
        error: Why it failed.
    """

    job: Job
    status: Status
    width: int = 0
    height: int = 0
    megapixels: float = 0.0
    seconds: float = 0.0
    noise: tuple[float, float] | None = None
    device: str = ""
    precision: str = ""
    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    error: NspError | None = None

    @property
    def is_end_of_disk(self) -> bool:
        """Tells whether the disk is full, so that the next photo would fail as well."""
        cause = None if self.error is None else self.error.__cause__
        return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)

    @property
    def is_elsewhere(self) -> bool:
        """Tells whether the photo was skipped because another process has it, which may yet fail."""
        return self.status is Status.SKIPPED and ELSEWHERE in self.notes

    def as_dict(self) -> dict[str, Any]:
        """Returns what `--json` prints of it; .github/docs/batches.md documents the keys."""
        noise = self.noise and {"luma": round(self.noise[0], 3), "chroma": round(self.noise[1], 3)}
        error = self.error and {"message": self.error.message, "hint": self.error.hint}
        return {
            "source": str(self.job.source),
            "output": str(self.job.target),
            "status": self.status.value.replace(" ", "_"),
            "width": self.width or None,
            "height": self.height or None,
            "megapixels": round(self.megapixels, 4),
            "seconds": round(self.seconds, 3),
            "noise": noise,
            "device": self.device,
            "precision": self.precision,
            "notes": list(self.notes),
            "error": error,
        }
