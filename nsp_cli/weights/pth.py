"""The authors' .pth files, read without running any code in them."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nsp_cli.errors import WeightsError
from nsp_cli.networks import NETWORKS, NetworkConfig
from nsp_cli.networks.kind import AuthorsFiles
from nsp_cli.weights.file import LARGEST_FILE, too_large
from nsp_cli.weights.network_config import check_shapes

# Names in the pickle of a NumPy random state. The second name is that of the first in NumPy 2.
_NUMPY_NAMES = (
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.ndarray",
    "numpy.dtype",
)
_HINT = "nsp weights import reads the DBSN and TBSN files that the authors of Next-Scale Prediction publish."


@dataclass(frozen=True)
class ImportedWeights:
    """A network from a .pth file.

    Attributes:
        network: The network, on the CPU, in float32 and evaluation mode.
        network_name: A key of `NETWORKS`.
        config: Recognised from the tensors' names and shapes.
    """

    network: nn.Module
    network_name: str
    config: NetworkConfig


class _Discarded:
    """Replaces NumPy's classes in the random state of a checkpoint, so that no code of NumPy runs."""

    def __new__(cls, *_: object) -> _Discarded:
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Ignores the state: nsp does not need the authors' random state."""


def import_pth(path: Path) -> ImportedWeights:
    """Returns the network in a plain state dict, or in a checkpoint with `model_state_dict`.

    Only tensors, plain values and the NumPy names of a random state are unpickled. A file that asks
    for anything else is refused before it can run code.

    Raises:
        WeightsError: The file is missing, damaged, asks for code, or is not one of the networks.
    """
    state = _state_dict(path, _unpickle(path))
    try:
        name, files = _recognise(state)
        config, state = files.read_config(state), _without_masks(state, files)
        check_shapes(config, {key: tuple(tensor.shape) for key, tensor in state.items()})
    except KeyError as error:
        raise WeightsError(f"{path} is not a known network: it has no {error.args[0]}.", _HINT) from error
    except (ValueError, ArithmeticError, IndexError) as error:
        raise WeightsError(f"{path} is not a known network: {error}.", _HINT) from error
    network = config.build()
    network.load_state_dict(state, strict=True)
    return ImportedWeights(network.float().eval(), name, config)


def _unpickle(path: Path) -> Any:
    if not path.is_file():
        raise WeightsError(f"{path} does not exist.", "Check the path.")
    try:
        _check_unpacked_size(path)
        with (
            warnings.catch_warnings(),
            torch.serialization.safe_globals([(_Discarded, name) for name in _NUMPY_NAMES]),
        ):
            warnings.simplefilter("ignore")  # about pickle protocols other than torch's own
            return torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:  # unpickling a foreign file may raise anything
        forbidden = re.search(r"Unsupported global: GLOBAL (\S+)", str(error))
        if forbidden:
            why = f"it asks for {forbidden[1]}, which weights do not need. None of its code was run"
            raise WeightsError(
                f"{path} was refused: {why}.", "It may be an attack: do not open it with other programs."
            ) from error
        raise WeightsError(f"{path} is damaged or not a .pth file ({_first_line(error)}).", _HINT) from error


def _check_unpacked_size(path: Path) -> None:
    """Refuses a file that needs far more memory than disk space; torch itself compresses nothing."""
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise too_large(str(path), size)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > size:
            raise WeightsError(f"{path} was refused: its {size} bytes unpack to {unpacked}.", _HINT)


def _state_dict(path: Path, content: Any) -> dict[str, Tensor]:
    """Returns the network's tensors, without the prefix from training on several GPUs."""
    state = content.get("model_state_dict", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not state:
        raise WeightsError(f"{path} contains neither a state dict nor model_state_dict.", _HINT)
    for name, tensor in state.items():
        is_dense = isinstance(tensor, Tensor) and tensor.layout is torch.strided and not tensor.is_meta
        if not isinstance(name, str) or not is_dense or not tensor.is_floating_point():
            raise WeightsError(f"In {path}, {name!r} is not a tensor of a network.", _HINT)
    # A view may repeat one number a billion times, and would need that memory when it is used.
    size = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    if size > LARGEST_FILE:
        raise too_large(str(path), size)
    if all(name.startswith("module.") for name in state):
        return {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return dict(state)


def _recognise(state: Mapping[str, Tensor]) -> tuple[str, AuthorsFiles]:
    """Returns the network's name in the registry and how to read its files."""
    known = {name: kind.authors_files for name, kind in NETWORKS.items() if kind.authors_files}
    for name, files in known.items():
        if files.key in state:
            return name, files
    names, first = " nor ".join(name.upper() for name in known), ", ".join(sorted(state)[:3])
    raise ValueError(f"it is neither {names}, but contains {first}")


def _without_masks(state: Mapping[str, Tensor], files: AuthorsFiles) -> dict[str, Tensor]:
    """Returns the tensors without the masks, which nsp's networks know, after comparing them.

    Raises:
        ValueError: A mask is not the mask of a blind-spot network.
    """
    masks = {name for name in state if name.endswith("mask")}
    for name in masks:
        expected = files.expected_mask(name, state)
        if expected is None or not torch.equal(state[name].float(), expected):
            raise ValueError(f"{name} is not the mask of a blind-spot network")
    return {name: tensor for name, tensor in state.items() if name not in masks}


def _first_line(error: Exception) -> str:
    """What went wrong, without torch's advice to load the file unsafely."""
    lines = str(error).strip().splitlines()
    is_advice = "weights_only" in str(error)
    return f"{type(error).__name__}: {lines[0]}" if lines and not is_advice else type(error).__name__
