"""The errors a user can cause or meet; everything else is a programmer's mistake and stays loud."""

from __future__ import annotations

from pathlib import Path


class NspError(Exception):
    """Says what went wrong, with which file and why; `hint` is the next thing to type or check.

    The command line shows both as two lines and exits with code 1.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(NspError):
    """A photo or folder is missing, unreadable, unsupported, damaged or too large."""


class OutputError(NspError):
    """A result cannot be written, or would replace something that must stay."""


class WeightsError(NspError):
    """Weights are unknown, cannot be downloaded, differ from their hash, or are damaged or foreign."""


class DeviceError(NspError):
    """The asked-for device or precision is absent, or memory ends at the smallest tile."""


class TrainingError(NspError):
    """Training cannot start, go on, or be resumed."""


class PhotosFailedError(NspError):
    """Some photos of a run failed; the others are done, and each failure has been shown."""


class UnexpectedError(NspError):
    """A fault of nsp or a library, met in the middle of a batch; `__cause__` is what happened."""

    def __init__(self, path: Path, cause: Exception) -> None:
        super().__init__(
            f"{path}: a fault in nsp: {type(cause).__name__}: {cause}",
            "Please report it, with the photo if you can and what --log FILE has written.",
        )
        self.__cause__ = cause


def reason_of(error: object) -> str:
    """Returns what an error says as part of a sentence: on one line, without a full stop at its end."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__
