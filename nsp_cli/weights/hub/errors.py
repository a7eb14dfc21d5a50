"""Says in words that help why a file could not be had from the Hugging Face hub."""

from __future__ import annotations

from nsp_cli.errors import WeightsError
from nsp_cli.weights.hub.address import HubFile


def explain(file: HubFile, error: Exception, reached: bool) -> WeightsError:
    """Returns the error to raise.

    Args:
        file: That was asked for.
        error: Of the hub's client.
        reached: Whether the hub had answered before.
    """
    where = f"{file}: "
    for kind, why, hint in _known(file, error):
        if isinstance(error, kind):
            return WeightsError(where + why, hint)
    if not reached:
        why, hint = _why_not_reached(file, error)
        return WeightsError(where + why, hint)
    return WeightsError(
        f"{where}the download failed ({first_line(error)})",
        "Check the connection and free space; try again.",
    )


def _known(file: HubFile, error: Exception) -> list[tuple[type[Exception], str, str]]:
    """Lists what the client raises, special kinds before general ones, with why and what helps."""
    from huggingface_hub import constants, errors

    return [
        (
            errors.GatedRepoError,
            f"{file.repository} asks for its terms to be accepted first",
            f"Accept them at {constants.ENDPOINT}/{file.repository}, then: hf auth login",
        ),
        (
            errors.RepositoryNotFoundError,
            f"{constants.ENDPOINT} has no repository {file.repository}, or it is private",
            "Check owner and name; for a private one: hf auth login",
        ),
        (
            errors.RevisionNotFoundError,
            f"{file.repository} has no revision {file.revision}",
            f"Look at {constants.ENDPOINT}/{file.repository}/commits for what there is.",
        ),
        (errors.LocalEntryNotFoundError, *_why_not_reached(file, error)),
        (
            errors.EntryNotFoundError,
            f"{file.repository} has no file {file.path} in revision {file.revision}",
            f"Look at {constants.ENDPOINT}/{file.repository}/tree/{file.revision} for what there is.",
        ),
        (errors.HFValidationError, f"not a valid repository name ({error})", "Check owner and name."),
        (
            errors.HfHubHTTPError,
            f"{constants.ENDPOINT} did not give it ({first_line(error)})",
            "Try again in a while.",
        ),
    ]


def _why_not_reached(file: HubFile, error: Exception) -> tuple[str, str]:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return (
            "not in the cache, and nsp is offline (HF_HUB_OFFLINE is set)",
            f"When online: nsp weights pull {file}",
        )
    return (
        f"not in the cache, and {constants.ENDPOINT} cannot be reached ({first_line(error)})",
        "Check the connection, set HF_ENDPOINT to a mirror, or fetch the file elsewhere and give its path.",
    )


def first_line(error: Exception) -> str:
    """Returns the first line of what an error says, for clients say much; its kind if it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
