"""Checkpoints, from which an interrupted run resumes: tensors and plain values only, never code."""

from __future__ import annotations

import io
import pickle
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nsp_cli.errors import TrainingError
from nsp_cli.files import remove_leftovers, replacing

CHECKPOINT_FORMAT = 1
_HINT = "Free some space, then continue from the last checkpoint with --resume."


def save_checkpoint(path: Path, identity: dict[str, Any], state: dict[str, Any]) -> None:
    """Writes a checkpoint whole or not at all: a killed process leaves the old one.

    Args:
        path: File to write or replace.
        identity: Settings that must be the same when the run is resumed.
        state: Values that change from step to step.

    Raises:
        OutputError: The file cannot be written. The previous checkpoint is kept.
    """
    content = io.BytesIO()  # torch does not say that a disk is full
    torch.save({"format": CHECKPOINT_FORMAT, "identity": identity, "state": state}, content)
    remove_leftovers(path)
    with replacing(path, hint=_HINT) as file:
        file.write(content.getbuffer())


def load_checkpoint(path: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """State from a checkpoint that was written with the same identity.

    Raises:
        TrainingError: The file is missing or damaged, or its identity differs.
    """
    found, state = _read(path)
    # Older checkpoints lack some entries; those are not compared.
    differing = [key for key in identity if found.get(key, identity[key]) != identity[key]]
    if differing:
        raise TrainingError(
            f"{path} was written by a run with other settings: {', '.join(differing)}.",
            "Resume with the photos and settings of the first start, or start without --resume.",
        )
    return state


def load_identity(path: Path) -> dict[str, Any]:
    """Settings of the run that wrote a checkpoint.

    Raises:
        TrainingError: The file is missing or damaged.
    """
    return _read(path)[0]


def checksum_of(weights: Mapping[str, Tensor] | None) -> int:
    """Checksum of the weights that a run starts from; 0 for random weights."""
    checksum = 0
    for _, value in sorted((weights or {}).items()):
        checksum = zlib.crc32(value.detach().float().cpu().numpy().tobytes(), checksum)
    return checksum


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    if not path.is_file():
        raise TrainingError(
            f"{path} is missing: there is no checkpoint to resume.", "Start the run without --resume."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return dict(content["identity"]), dict(content["state"])
    except (
        OSError,
        RuntimeError,
        pickle.UnpicklingError,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise TrainingError(
            f"{path} cannot be read as a checkpoint: {error}.", "Start the run again without --resume."
        ) from error
