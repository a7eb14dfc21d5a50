"""Weights files: safetensors with metadata that describes the network. They cannot contain code."""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from nsp_cli.errors import WeightsError, reason_of
from nsp_cli.files import replacing

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nsp_cli.networks import NetworkConfig

WEIGHTS_FORMAT = "1"
DEFAULT_PD_FACTOR = 5
LARGEST_FILE = 2**30
"""Bytes; twenty times the paper's largest network. nsp downloads and opens nothing larger."""

_DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_LARGEST_HEADER = 2**22  # a hundred times what the paper's largest network needs
_LARGEST_SETTING = 1024  # in a config; building thousands of modules would take minutes
_GET_OTHERS = "Download the file again, or choose other weights: nsp weights list"


@dataclass(frozen=True)
class Header:
    """What a safetensors file says about itself; its tensors are not read.

    Attributes:
        metadata: Text by key, as written and unchecked.
        shapes: Tensor name → shape.
        dtypes: Types of the tensors under their safetensors names, such as F32.
    """

    metadata: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    dtypes: frozenset[str]

    @property
    def parameters(self) -> int:
        """Number of parameters in the file."""
        return sum(math.prod(shape) for shape in self.shapes.values())


@dataclass(frozen=True)
class WeightsInfo:
    """What a weights file contains, read from its header and checked.

    Attributes:
        network: A key of `NETWORKS`.
        config: Builds the network; `config.spec()` says what a caller must know.
        pd_factor: s, the patch side of the training pairs.
        metadata: All metadata, including what nsp does not use (data, licence, recipe).
        parameters: Number of parameters.
        dtype: How they are stored; nsp computes with float32.
    """

    network: str
    config: NetworkConfig
    pd_factor: int
    metadata: dict[str, str]
    parameters: int
    dtype: str


def save_weights(
    path: Path,
    network: nn.Module,
    *,
    network_name: str,
    config: NetworkConfig,
    metadata: Mapping[str, str],
    half_precision: bool = False,
) -> None:
    """Writes a file that `load_network` turns into the same network, whole or not at all.

    An existing file is replaced.

    Args:
        path: Ends in .safetensors by convention; its folder exists.
        network: Built from `config`, on any device.
        network_name: A key of `NETWORKS`.
        config: Stored as JSON.
        metadata: More text: pd_factor (s), name, licence, data, recipe. This function adds format,
            network and config.
        half_precision: Whether to store float16, half as large. Weights change by up to 0.05 %.

    Raises:
        WeightsError: A weight is not finite (in half precision: or above 65504).
        OutputError: The file cannot be written.
    """
    from safetensors.torch import save

    from nsp_cli.weights.network_config import config_to_json

    stored = {name: _to_store(tensor, half_precision) for name, tensor in network.state_dict().items()}
    _check_finite(path, stored, "Training diverged: use an earlier checkpoint.")
    own = {"nsp_format": WEIGHTS_FORMAT, "network": network_name, "config": config_to_json(config)}
    content = _with_sorted_metadata(save(stored, {**metadata, **own}))
    with replacing(path) as file:
        file.write(content)


def read_header(path: Path) -> Header:
    """Reads the header of any safetensors file, without torch.

    This detects a file that is too short or too long for its header, but not changed numbers.

    Raises:
        WeightsError: The file is missing, unreadable, not safetensors or too large.
    """
    try:
        _check_plausible(path)
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            dtypes = frozenset(part.get_dtype() for part in slices.values())
            return Header(dict(sorted((file.metadata() or {}).items())), shapes, dtypes)
    except FileNotFoundError as error:
        raise WeightsError(f"{path} does not exist.", "See the known names: nsp weights list") from error
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"{path} is damaged or not a safetensors file: {reason_of(error)}.", _GET_OTHERS
        ) from error


def _check_plausible(path: Path) -> None:
    """Refuses files that would block, such as pipes, or cost time and memory before they can be checked."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise WeightsError(f"{path} is not a file.", _GET_OTHERS)
    if status.st_size > LARGEST_FILE:
        raise too_large(str(path), status.st_size)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > _LARGEST_HEADER:
        raise WeightsError(
            f"{path} is damaged or not a safetensors file: its header has {length} bytes.", _GET_OTHERS
        )


def too_large(what: str, size: int) -> WeightsError:
    """Returns the error for a weights file of `size` bytes, more than any network of nsp needs."""
    return WeightsError(
        f"{what} has {size / 1e9:.3g} GB; the limit for weights is {LARGEST_FILE / 1e9:.3g} GB.", _GET_OTHERS
    )


def describe_weights(path: Path) -> WeightsInfo:
    """Reads and checks the header of a weights file, including every tensor's shape.

    Raises:
        WeightsError: The file is missing, damaged, not nsp's, or contradicts itself.
    """
    header = read_header(path)
    metadata = header.metadata
    _check_format(path, metadata)
    config = _check_network(path, header)
    return WeightsInfo(
        network=metadata["network"],
        config=config,
        pd_factor=_read_pd_factor(path, metadata),
        metadata=metadata,
        parameters=header.parameters,
        dtype=" and ".join(sorted(_DTYPES[dtype] for dtype in header.dtypes)),
    )


def load_network(path: Path) -> tuple[nn.Module, WeightsInfo]:
    """Returns the network of a weights file, on the CPU, in float32, ready for inference.

    No memory is allocated before the shapes are known to fit the network that the file names.

    Raises:
        WeightsError: As for `describe_weights`; also if a weight is not finite.
    """
    from safetensors.torch import load_file

    info = describe_weights(path)
    try:
        state = load_file(path, device="cpu")
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read: {reason_of(error)}.", _GET_OTHERS) from error
    _check_finite(path, state, _GET_OTHERS)
    network = info.config.build().float()
    network.load_state_dict(state, strict=True)
    return network.eval(), info


def _to_store(tensor: Tensor, half_precision: bool) -> Tensor:
    tensor = tensor.detach().cpu()
    # Files store rows one after the other, whatever the network's memory format.
    return (tensor.half() if half_precision else tensor.float()).contiguous().clone()


def _with_sorted_metadata(content: bytes) -> bytes:
    """Returns a file with sorted metadata: the library orders it at random, and sha256 would differ."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the format requires alignment
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _check_finite(path: Path, state: Mapping[str, Tensor], hint: str) -> None:
    for name, tensor in state.items():
        if not bool(tensor.isfinite().all()):
            raise WeightsError(f"In {path}, {name} contains values that are not finite.", hint)


def _check_format(path: Path, metadata: Mapping[str, str]) -> None:
    found = metadata.get("nsp_format")
    if found is None:
        raise WeightsError(
            f"{path} was not made by nsp: its metadata has no nsp_format.",
            "Convert the authors' .pth files with: nsp weights import FILE.pth",
        )
    if found != WEIGHTS_FORMAT:
        raise WeightsError(
            f"{path} has format {found}, but this nsp reads format {WEIGHTS_FORMAT}.",
            "Update nsp: pip install -U nsp-cli",
        )


def _check_network(path: Path, header: Header) -> NetworkConfig:
    from nsp_cli.weights.network_config import check_shapes, config_from_json

    if not header.dtypes <= _DTYPES.keys():
        others = ", ".join(sorted(header.dtypes - _DTYPES.keys()))
        raise WeightsError(f"{path} contains values of type {others}, which no network has.", _GET_OTHERS)
    # Numbers in a config are counts or sizes of tensors; the file shows both.
    limit = max([len(header.shapes), *(side for shape in header.shapes.values() for side in shape)])
    limit = min(limit, _LARGEST_SETTING)  # an empty tensor may state any size
    try:
        config = config_from_json(
            header.metadata.get("network", ""), header.metadata.get("config", ""), limit=limit
        )
        check_shapes(config, header.shapes)
    except ValueError as error:
        raise WeightsError(f"{path} cannot be used: {error}.", _GET_OTHERS) from error
    return config


def _read_pd_factor(path: Path, metadata: Mapping[str, str]) -> int:
    text = metadata.get("pd_factor", str(DEFAULT_PD_FACTOR))
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0):
        raise WeightsError(f"{path} has the pd_factor {text!r}, which is not a positive number.", _GET_OTHERS)
    return int(text[:9])
