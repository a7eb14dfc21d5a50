"""What training writes to go on later: tensors and plain values only, never code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from nsp_cli.errors import TrainingError

FORMAT = 1


def save_checkpoint(path: Path, identity: dict[str, Any], state: dict[str, Any]) -> None:
    """Writes a checkpoint to a temporary file and moves it into place, so that a kill leaves the old one.

    Args:
        path: Replaced if it exists.
        identity: What makes the run what it is; compared when resuming.
        state: What changes from step to step.
    """
    temporary = path.with_name(path.name + ".partial")
    torch.save({"format": FORMAT, "identity": identity, "state": state}, temporary)
    temporary.replace(path)


def load_checkpoint(path: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """Returns the state of a checkpoint written by a run with the same identity.

    Raises:
        TrainingError: It is missing or damaged, or the run was another.
    """
    if not path.is_file():
        raise TrainingError(f"{path}: there is no checkpoint to resume", "Start without --resume.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        found, state = content["identity"], content["state"]
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{path}: this is no readable checkpoint ({error})", "Start without --resume."
        ) from error
    differing = [key for key in identity if found.get(key) != identity[key]]
    if differing:
        raise TrainingError(
            f"{path}: the checkpoint was made with other settings: {', '.join(differing)}",
            "Resume with the photos and settings it was started with, or start without --resume.",
        )
    return dict(state)
