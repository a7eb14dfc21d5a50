"""Findings of a check."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from nsp_cli.errors import NspError


class FindingStatus(str, Enum):
    """Severity of a finding. FAILED means that something every user needs is broken."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """A line of the report.

    Attributes:
        about: What was checked.
        status: Severity.
        text: What was found.
        next_step: What the user can do about it; empty if nothing is needed.
    """

    about: str
    status: FindingStatus
    text: str
    next_step: str = ""


Check = Callable[[], Iterable[Finding]]


def guarded(about: str, check: Check) -> list[Finding]:
    """Findings of a check. An error becomes a finding too, so that the other checks still run."""
    try:
        return list(check())
    except NspError as error:
        return [Finding(about, FindingStatus.FAILED, error.message, error.hint)]
    except Exception as error:  # a broken library may raise anything, and this report should say so
        return [
            Finding(
                about,
                FindingStatus.FAILED,
                f"{type(error).__name__}: {error}",
                "Install again: pip install --force-reinstall nsp-cli",
            )
        ]


def short(path: Path) -> str:
    """Path with ~ for the home folder, so that reports do not show the user's name."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(path)
