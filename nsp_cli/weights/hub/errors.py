"""Errors that explain why a file could not be downloaded from the Hugging Face hub."""

from __future__ import annotations

from nsp_cli.errors import WeightsError
from nsp_cli.weights.hub.address import HubFile


def explain(file: HubFile, error: Exception, reached: bool) -> WeightsError:
    """Returns the error to raise.

    Args:
        file: The requested file.
        error: Error of the hub's client.
        reached: Whether the hub had answered before.
    """
    for kind, why, hint in _known(file, error):
        if isinstance(error, kind):
            return WeightsError(f"{file} cannot be downloaded: {why}.", hint)
    if not reached:
        why, hint = _why_not_reached(file, error)
        return WeightsError(f"{file} cannot be downloaded: {why}.", hint)
    return WeightsError(
        f"The download of {file} failed: {first_line(error)}.",
        "Check the connection and free space, then try again.",
    )


def _known(file: HubFile, error: Exception) -> list[tuple[type[Exception], str, str]]:
    """Returns the client's errors, special ones first, each with a reason and a hint."""
    from huggingface_hub import constants, errors

    return [
        (
            errors.GatedRepoError,
            f"{file.repository} requires you to accept its terms first",
            f"Accept them at {constants.ENDPOINT}/{file.repository}, then: hf auth login",
        ),
        (
            errors.RepositoryNotFoundError,
            f"{constants.ENDPOINT} has no repository {file.repository}, or it is private",
            "Check owner and name. For a private repository: hf auth login",
        ),
        (
            errors.RevisionNotFoundError,
            f"{file.repository} has no revision {file.revision}",
            f"See the revisions at {constants.ENDPOINT}/{file.repository}/commits",
        ),
        (errors.LocalEntryNotFoundError, *_why_not_reached(file, error)),
        (
            errors.EntryNotFoundError,
            f"{file.repository} has no file {file.path} in revision {file.revision}",
            f"See the files at {constants.ENDPOINT}/{file.repository}/tree/{file.revision}",
        ),
        (
            errors.HFValidationError,
            f"its repository name is not valid ({first_line(error)})",
            "Check owner and name.",
        ),
        (
            errors.HfHubHTTPError,
            f"{constants.ENDPOINT} refused it ({first_line(error)})",
            "Try again later.",
        ),
    ]


def _why_not_reached(file: HubFile, error: Exception) -> tuple[str, str]:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return (
            "it is not in the cache, and nsp is offline (HF_HUB_OFFLINE is set)",
            f"When you are online, run: nsp weights pull {file}",
        )
    return (
        f"it is not in the cache, and {constants.ENDPOINT} cannot be reached ({first_line(error)})",
        "Check the connection, set HF_ENDPOINT to a mirror, or download the file and give its path.",
    )


def first_line(error: Exception) -> str:
    """Returns the first line of an error's long message without a full stop, or its type."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
