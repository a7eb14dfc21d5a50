"""What a check finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from nsp_cli.errors import NspError


class Status(str, Enum):
    """How good a finding is. FAILED: something that every user needs is broken."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """A line of the report.

    Attributes:
        about: What was looked at.
        status: How good it is.
        text: What was found.
        next_step: What to type or check, where something is not as it could be.
    """

    about: str
    status: Status
    text: str
    next_step: str = ""


Check = Callable[[], Iterable[Finding]]


def guarded(about: str, check: Check) -> list[Finding]:
    """Runs a check; whatever it raises is a finding too, and the other checks still run."""
    try:
        return list(check())
    except NspError as error:
        return [Finding(about, Status.FAILED, error.message, error.hint)]
    except Exception as error:  # a broken library may raise anything, and this report is where to say so
        return [
            Finding(
                about,
                Status.FAILED,
                f"{type(error).__name__}: {error}",
                "Install again: pip install --force-reinstall nsp-cli",
            )
        ]


def short(path: Path) -> str:
    """Names a path without the user's name, for reports that others read."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(path)
