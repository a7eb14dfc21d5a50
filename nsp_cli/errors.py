"""Errors that a user can cause or meet. All other exceptions are faults of nsp and keep their traceback."""

from __future__ import annotations

from pathlib import Path


class NspError(Exception):
    """What went wrong, with which file and why; `hint` is the next thing to type or check.

    The command line shows both as two lines and exits with code 1.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(NspError):
    """A photo or folder is missing, unreadable, unsupported, damaged or too large."""


class OutputError(NspError):
    """A result cannot be written, or would replace a file that must stay."""


class WeightsError(NspError):
    """Weights are unknown, damaged or not nsp's, cannot be downloaded, or differ from their checksum."""


class DeviceError(NspError):
    """The requested device or precision is absent, or memory is full even at the smallest tile."""


class TrainingError(NspError):
    """Training cannot start, continue or be resumed."""


class PhotosFailedError(NspError):
    """Some photos of a run failed. The others are finished, and each failure has been shown."""


class UnexpectedError(NspError):
    """A fault of nsp or of a library in the middle of a batch; `__cause__` is the original exception."""

    def __init__(self, path: Path, cause: Exception) -> None:
        super().__init__(
            f"{path} failed because of a fault in nsp: {type(cause).__name__}: {cause}",
            "Please report it. Add the log from --log FILE, and the photo if you can.",
        )
        self.__cause__ = cause


def reason_of(error: object) -> str:
    """Returns what an error says as part of a sentence: on one line, without a full stop at its end."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__
