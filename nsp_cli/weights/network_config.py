"""A network's config from the text and tensor shapes in a file, both checked."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, cast

import torch

from nsp_cli.networks import NETWORKS, NetworkConfig

Shapes = Mapping[str, tuple[int, ...]]


def config_to_json(config: NetworkConfig) -> str:
    """Returns a config as the JSON text that `config_from_json` reads."""
    return json.dumps(asdict(cast(Any, config)))


def config_from_json(network: str, text: str, *, limit: int) -> NetworkConfig:
    """Returns a config from the JSON text in a file.

    Args:
        network: A key of `NETWORKS`.
        text: A JSON object with every setting.
        limit: Largest number allowed. Building a forged number of modules would take forever, even
            without allocating memory.

    Raises:
        ValueError: The network is unknown, or a setting is missing, unknown, of the wrong type, negative,
            above `limit`, or does not fit the others.
    """
    if network not in NETWORKS:
        raise ValueError(f"its network {network!r} is not one of {', '.join(NETWORKS)}")
    config_type: Any = NETWORKS[network].config
    defaults = {field.name: field.default for field in fields(config_type)}
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its config is not JSON ({error})") from error
    if not isinstance(given, dict) or given.keys() != defaults.keys():
        raise ValueError(f"its config does not consist of {', '.join(defaults)}")
    values = {key: _read_setting(key, value, defaults[key], limit) for key, value in given.items()}
    try:
        return cast(NetworkConfig, config_type(**values))
    except ArithmeticError as error:  # a zero where something is divided by it
        raise ValueError(f"no network has the config {text}") from error


def shapes_of(config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """Returns the names and shapes of a network's saved tensors, without allocating memory.

    Raises:
        ValueError: No network can be built from the config.
    """
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about empty layers, which are refused below
            state = config.build().state_dict()
    except (ValueError, RuntimeError, TypeError, ArithmeticError) as error:
        raise ValueError(f"{config} cannot be built ({error})") from error
    if not all(tensor.numel() for tensor in state.values()):
        raise ValueError(f"{config} has empty layers")
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def check_shapes(config: NetworkConfig, found: Shapes) -> None:
    """Checks that a file has exactly the tensors of the config's network.

    Raises:
        ValueError: Tensors are missing, unknown or of the wrong shape; names the first of them.
    """
    expected = shapes_of(config)
    differing = sorted(name for name in expected.keys() | found if expected.get(name) != found.get(name))
    if differing:
        name = differing[0]
        raise ValueError(
            f"{len(differing)} tensors do not fit {config}: {name} is {found.get(name, 'absent')} "
            f"and should be {expected.get(name, 'absent')}"
        )


def _read_setting(key: str, value: Any, default: Any, limit: int) -> Any:
    """Returns a setting with the type of its default; JSON lists become tuples."""
    if isinstance(default, tuple) and isinstance(value, list) and len(value) == len(default):
        pairs = zip(value, default, strict=True)
        return tuple(_read_setting(key, part, default_part, limit) for part, default_part in pairs)
    # type() and not isinstance(): True is an int in Python, but not a number of modules.
    if type(value) is not type(default) or not 0 <= value <= limit:
        raise ValueError(f"its config has {key} = {value!r}")
    return value
