"""Errors that a user can cause or meet. All other exceptions are faults of nsp and keep their traceback."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path


class NspError(Exception):
    """What went wrong, with which file and why; `hint` is the next thing to type or check.

    The command line shows both as two lines and exits with code 1.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Callable[..., NspError], tuple[object, ...]]:
        """Lets an error go to another process together with its cause, which Python would leave behind."""
        return _rebuilt, (type(self), self.message, self.hint, _portable(self.__cause__))


def _rebuilt(kind: type[NspError], message: str, hint: str, cause: BaseException | None) -> NspError:
    error = kind.__new__(kind)
    NspError.__init__(error, message, hint)
    error.__cause__ = cause
    return error


def _portable(cause: BaseException | None) -> BaseException | None:
    """A cause that any process can read: the system's errors as they are, of others the traceback as text."""
    if cause is None:
        return None
    if isinstance(cause, OSError) and cause.errno is not None:
        return OSError(cause.errno, cause.strerror)
    return Exception("".join(traceback.format_exception(type(cause), cause, cause.__traceback__)))


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
