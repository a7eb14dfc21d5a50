"""nsp doctor: checks that nsp works on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from nsp_cli.cli import console, progress_bars
from nsp_cli.cli.options import common as options

if TYPE_CHECKING:
    from nsp_cli.doctor import Finding


def doctor(json: options.Json = False) -> None:
    """Check this installation and machine. Please add the output to bug reports.

    The exit code is 1 if something is broken.
    """
    from nsp_cli.doctor import FindingStatus

    findings = [*_examine(), _terminal()]
    if json:
        console.print_json([_as_json(finding) for finding in findings])
    else:
        _show(findings)
    if any(finding.status is FindingStatus.FAILED for finding in findings):
        raise typer.Exit(1)


def _examine() -> list[Finding]:
    from nsp_cli.doctor import CHECKS, guarded

    findings: list[Finding] = []
    with progress_bars.progress("Checking") as on_progress:
        for done, (about, check) in enumerate(CHECKS.items()):
            on_progress(done, len(CHECKS))
            findings += guarded(about, check)
    return findings


def _terminal() -> Finding:
    from nsp_cli.doctor import Finding, FindingStatus

    text = console.terminal()
    if "utf" in text.lower():
        return Finding("output", FindingStatus.OK, text)
    return Finding(
        "output", FindingStatus.WARNING, text, "Characters such as × will not show. Set PYTHONUTF8=1."
    )


def _show(findings: list[Finding]) -> None:
    console.table(
        "",
        ("", "about", "found"),
        [(finding.status.value, finding.about, finding.text) for finding in findings],
    )
    for finding in findings:
        if finding.next_step:
            console.out.print(f"{finding.about}: {finding.next_step}")


def _as_json(finding: Finding) -> dict[str, str]:
    return {
        "about": finding.about,
        "status": finding.status.value,
        "text": finding.text,
        "next_step": finding.next_step,
    }
