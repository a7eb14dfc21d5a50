"""Everything that can be damaged, by name, with its check and how many cases a full run has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fuzz.photo_cases import PHOTO_KINDS, check_photo
from fuzz.weights_cases import CONFIGS, check_manifest, check_pth, check_safetensors
from nsp_cli.weights.file import save_weights

# Takes kind, number, an empty folder and a tiny network's file; returns "read" or "refused", or raises.
Check = Callable[[str, int, Path, Path], str]

KINDS: dict[str, Check] = {
    **dict.fromkeys(PHOTO_KINDS, check_photo),
    "safetensors": check_safetensors,
    "manifest": check_manifest,
    "pth": check_pth,
}
COUNTS = {
    "jpeg": 1500,
    "png": 1500,
    "tiff": 2500,
    "webp": 1000,
    "dng": 1500,
    "bmp": 500,
    "pnm": 500,
    "avif": 1000,
    "safetensors": 1500,
    "manifest": 500,
    "pth": 1000,
}


def tiny_weights(folder: Path) -> Path:
    """Writes a network of a few hundred parameters."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    path, config = folder / "tiny.safetensors", CONFIGS["dbsn"]
    save_weights(path, config.build(), network_name="dbsn", config=config, metadata={})
    return path
