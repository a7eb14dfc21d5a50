"""Weights on the Hugging Face hub or a mirror. Nothing else uses the hub's client."""

from nsp_cli.weights.hub.address import SCHEME, HubFile, parse_hub_file
from nsp_cli.weights.hub.client import (
    cache_folder,
    discard,
    download,
    endpoint,
    find_in_cache,
    stated_sha256,
    why_unreachable,
)

__all__ = [
    "SCHEME",
    "HubFile",
    "cache_folder",
    "discard",
    "download",
    "endpoint",
    "find_in_cache",
    "parse_hub_file",
    "stated_sha256",
    "why_unreachable",
]
