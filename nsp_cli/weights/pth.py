"""The authors' .pth files, read without running anything that is in them."""

from __future__ import annotations

import math
import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nsp_cli.errors import WeightsError
from nsp_cli.networks import NetworkConfig
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.networks.tbsn import TbsnConfig
from nsp_cli.weights.file import LARGEST_FILE, too_large
from nsp_cli.weights.network_config import check_shapes

# What the pickle of a NumPy random state asks for; the second name is NumPy 2's for the first.
_NUMPY_NAMES = (
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.ndarray",
    "numpy.dtype",
)
_CONV_MASK = ".mask"
_ATTENTION_MASK = ".fixed_pos_emb.attention_mask"
_HINT = "nsp weights import reads the DBSN and TBSN files that the authors of Next-Scale Prediction publish."


@dataclass(frozen=True)
class ImportedWeights:
    """A network from a .pth file.

    Attributes:
        network: On the CPU, float32, in evaluation mode.
        network_name: A key of `NETWORKS`.
        config: Recognised from the tensors' names and shapes.
    """

    network: nn.Module
    network_name: str
    config: NetworkConfig


class _Discarded:
    """Stands in for NumPy in the random state of a checkpoint, so that nothing of NumPy runs."""

    def __new__(cls, *_: object) -> _Discarded:
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Forgets it: nsp has no use for the authors' random state."""


def import_pth(path: Path) -> ImportedWeights:
    """Reads a plain state dict, or a checkpoint with `model_state_dict` beside other things.

    Only tensors, plain values and the NumPy names of a random state are unpickled; a file that asks
    for anything else is refused before it can run code.

    Raises:
        WeightsError: It is missing, damaged, asks for code, or is not exactly one of the networks.
    """
    state = _state_dict(path, _unpickle(path))
    try:
        name, config = _recognise(state)
        state = _drop_masks(state, config)
        check_shapes(config, {key: tuple(tensor.shape) for key, tensor in state.items()})
    except KeyError as error:
        raise WeightsError(f"{path}: not a known network: it has no {error.args[0]}", _HINT) from error
    except (ValueError, ArithmeticError, IndexError) as error:
        raise WeightsError(f"{path}: not a known network: {error}", _HINT) from error
    network = config.build()
    network.load_state_dict(state, strict=True)
    return ImportedWeights(network.float().eval(), name, config)


def _unpickle(path: Path) -> Any:
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file", "Check the path.")
    try:
        _check_unpacked_size(path)
        with (
            warnings.catch_warnings(),
            torch.serialization.safe_globals([(_Discarded, name) for name in _NUMPY_NAMES]),
        ):
            warnings.simplefilter("ignore")  # of other pickle protocols than torch's own
            return torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:  # an unpickler fed with foreign bytes may raise anything
        forbidden = re.search(r"Unsupported global: GLOBAL (\S+)", str(error))
        if forbidden:
            why = f"it asks for {forbidden[1]}, which weights do not need; nothing of it was run"
            raise WeightsError(
                f"{path}: refused: {why}", "It may be an attack: do not open it with other programs."
            ) from error
        raise WeightsError(f"{path}: damaged, or no .pth file ({_first_line(error)})", _HINT) from error


def _check_unpacked_size(path: Path) -> None:
    """Refuses a file that would cost far more memory than disk; torch itself packs nothing."""
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise too_large(str(path), size)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > size:
            raise WeightsError(f"{path}: refused: its {size} bytes unpack to {unpacked}", _HINT)


def _state_dict(path: Path, content: Any) -> dict[str, Tensor]:
    """Returns the network's tensors, without the prefix that training on several GPUs leaves."""
    state = content.get("model_state_dict", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not state:
        raise WeightsError(f"{path}: holds neither a state dict nor model_state_dict", _HINT)
    for name, tensor in state.items():
        is_dense = isinstance(tensor, Tensor) and tensor.layout is torch.strided and not tensor.is_meta
        if not isinstance(name, str) or not is_dense or not tensor.is_floating_point():
            raise WeightsError(f"{path}: {name!r} is not a tensor of a network", _HINT)
    # A view may repeat one number a billion times, and would become real when it is worked with.
    size = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    if size > LARGEST_FILE:
        raise too_large(str(path), size)
    if all(name.startswith("module.") for name in state):
        return {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return dict(state)


def _drop_masks(state: Mapping[str, Tensor], config: NetworkConfig) -> dict[str, Tensor]:
    """Leaves out the masks, which nsp's networks know by themselves, if they are the very same.

    Raises:
        ValueError: A mask is not that of a blind-spot network.
    """
    masks = {name for name in state if name.endswith((_CONV_MASK, _ATTENTION_MASK))}
    for name in masks:
        expected = _expected_mask(name, state, config)
        if expected is None or not torch.equal(state[name].float(), expected):
            raise ValueError(f"{name} is not the mask of a blind-spot network")
    return {name: tensor for name, tensor in state.items() if name not in masks}


def _expected_mask(name: str, state: Mapping[str, Tensor], config: NetworkConfig) -> Tensor | None:
    if name.endswith(_ATTENTION_MASK):
        if not isinstance(config, TbsnConfig):
            return None
        window, key_window = config.window_size, config.window_size + 2 * config.margin
        # Compared first: the file's other numbers could ask for a mask of any size.
        if state[name].shape != (1, window**2, key_window**2):
            return None
        return _attention_mask(window, key_window)
    weight = state.get(name.removesuffix(_CONV_MASK) + ".weight")
    if weight is None or weight.dim() != 4:
        return None
    mask = torch.ones(weight.shape)
    mask[:, :, weight.shape[2] // 2, weight.shape[3] // 2] = 0
    return mask


def _attention_mask(window: int, key_window: int) -> Tensor:
    """Returns (1, window², key_window²): 0 at even distances in both directions, else -inf."""
    distances = torch.arange(key_window)[None, :] - torch.arange(window)[:, None]
    even = distances % 2 == 0
    allowed = even[:, None, :, None] & even[None, :, None, :]
    return torch.where(allowed, 0.0, -math.inf).reshape(1, window**2, key_window**2)


def _recognise(state: Mapping[str, Tensor]) -> tuple[str, NetworkConfig]:
    """Reads the config off the tensors; what contradicts it is found when shapes are compared."""
    if "head.0.weight" in state:
        return "dbsn", _dbsn_config(state)
    if "patch_embed.proj.weight" in state:
        return "tbsn", _tbsn_config(state)
    first = ", ".join(sorted(state)[:3])
    raise ValueError(f"neither DBSN nor TBSN; it holds {first}")


def _dbsn_config(state: Mapping[str, Tensor]) -> DbsnConfig:
    channels = state["head.0.weight"].shape[0]
    return DbsnConfig(
        base_channels=channels,
        num_modules=_count(state, r"branch1\.body\.\d+\.body\.0\.weight"),
        t=math.isqrt(2 * channels // state["tail.5.weight"].shape[1]),
    )


def _tbsn_config(state: Mapping[str, Tensor]) -> TbsnConfig:
    dim = state["patch_embed.proj.weight"].shape[0]
    levels = ("encoder_level1", "encoder_level2", "latent")
    rows, head_size = state["encoder_level1.0.spatial_attn.rel_pos_emb.rel_height"].shape
    spatial = [state[f"{level}.0.spatial_attn.project_out.weight"].shape[1] for level in levels]
    key_window = (rows + 1) // 2
    window = _window(state, key_window)
    return TbsnConfig(
        dim=dim,
        num_blocks=_three(_count(state, rf"{level}\.\d+\.norm1\.body\.weight") for level in levels),
        num_refinement_blocks=_count(state, r"refinement\.\d+\.norm1\.body\.weight"),
        channel_heads=_three(state[f"{level}.0.channel_attn.temperature"].shape[0] for level in levels),
        spatial_heads=_three(width // head_size for width in spatial),
        spatial_head_size=head_size,
        window_size=window,
        overlap_ratio=key_window / window - 1,
        t=math.isqrt(2 * dim // state["output.5.weight"].shape[1]),
    )


def _window(state: Mapping[str, Tensor], key_window: int) -> int:
    """Reads the window's side off a mask; files without masks have the paper's overlap of one half."""
    mask = state.get(f"encoder_level1.0.spatial_attn{_ATTENTION_MASK}")
    return key_window * 2 // 3 if mask is None else math.isqrt(mask.shape[1])


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """Counts the modules of a list by one key that each of them has."""
    return sum(re.fullmatch(pattern, name) is not None for name in state)


def _three(numbers: Iterable[int]) -> tuple[int, int, int]:
    first, second, third = numbers
    return first, second, third


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
