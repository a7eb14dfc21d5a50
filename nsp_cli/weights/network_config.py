"""From text and tensor shapes in a file to a network's config, trusting neither."""

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
    """Writes a config as the text that `config_from_json` reads."""
    return json.dumps(asdict(cast(Any, config)))


def config_from_json(network: str, text: str, *, limit: int) -> NetworkConfig:
    """Rebuilds a config from text in a file.

    Args:
        network: A key of `NETWORKS`.
        text: A JSON object with every setting.
        limit: Refuses larger numbers. A forged number of modules would take for ever to build, even
            without allocating.

    Raises:
        ValueError: The network is unknown, or a setting is missing, unknown, of another type than
            its default, negative, above `limit`, or does not fit the others.
    """
    if network not in NETWORKS:
        raise ValueError(f"its network {network!r} is none of {', '.join(NETWORKS)}")
    config_type: Any = NETWORKS[network].config
    defaults = {field.name: field.default for field in fields(config_type)}
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its config is no JSON ({error})") from error
    if not isinstance(given, dict) or given.keys() != defaults.keys():
        raise ValueError(f"its config does not consist of {', '.join(defaults)}")
    values = {key: _read_setting(key, value, defaults[key], limit) for key, value in given.items()}
    try:
        return cast(NetworkConfig, config_type(**values))
    except ArithmeticError as error:  # a zero where something is divided by it
        raise ValueError(f"no network has the config {text}") from error


def shapes_of(config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """Lists the tensors that a network of this config saves, allocating nothing.

    Raises:
        ValueError: No network can be built from it.
    """
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of layers without numbers, which are refused below
            state = config.build().state_dict()
    except (ValueError, RuntimeError, TypeError, ArithmeticError) as error:
        raise ValueError(f"{config} cannot be built ({error})") from error
    if not all(tensor.numel() for tensor in state.values()):
        raise ValueError(f"{config} has layers without numbers")
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def check_shapes(config: NetworkConfig, found: Shapes) -> None:
    """Passes only if a file has exactly the tensors of the config's network.

    Raises:
        ValueError: Names the first of those that are missing, too many or of another shape.
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
    """Returns the value as the type of its default; JSON's lists become tuples."""
    if isinstance(default, tuple) and isinstance(value, list) and len(value) == len(default):
        pairs = zip(value, default, strict=True)
        return tuple(_read_setting(key, part, default_part, limit) for part, default_part in pairs)
    # type() and not isinstance(): True is an int to Python, and no number of modules.
    if type(value) is not type(default) or not 0 <= value <= limit:
        raise ValueError(f"its config has {key} = {value!r}")
    return value
