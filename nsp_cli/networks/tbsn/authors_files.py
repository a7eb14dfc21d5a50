"""The authors' .pth files of TBSN: how to recognise one and read its config from the tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from nsp_cli.networks.authors_files import centre_mask, count_modules
from nsp_cli.networks.kind import AuthorsFiles, State
from nsp_cli.networks.tbsn.network import TbsnConfig

_ATTENTION_MASK = ".fixed_pos_emb.attention_mask"


def _read_config(state: State) -> TbsnConfig:
    dim = state["patch_embed.proj.weight"].shape[0]
    levels = ("encoder_level1", "encoder_level2", "latent")
    head_size = state["encoder_level1.0.spatial_attn.rel_pos_emb.rel_height"].shape[1]
    spatial = [state[f"{level}.0.spatial_attn.project_out.weight"].shape[1] for level in levels]
    window, key_window = _window_sides(state)
    return TbsnConfig(
        dim=dim,
        num_blocks=_three(count_modules(state, rf"{level}\.\d+\.norm1\.body\.weight") for level in levels),
        num_refinement_blocks=count_modules(state, r"refinement\.\d+\.norm1\.body\.weight"),
        channel_heads=_three(state[f"{level}.0.channel_attn.temperature"].shape[0] for level in levels),
        spatial_heads=_three(width // head_size for width in spatial),
        spatial_head_size=head_size,
        window_size=window,
        overlap_ratio=key_window / window - 1,
        t=math.isqrt(2 * dim // state["output.5.weight"].shape[1]),
    )


def _window_sides(state: State) -> tuple[int, int]:
    """Sides of the query window and of the key window."""
    rows = state["encoder_level1.0.spatial_attn.rel_pos_emb.rel_height"].shape[0]
    key_window = (rows + 1) // 2
    mask = state.get(f"encoder_level1.0.spatial_attn{_ATTENTION_MASK}")
    # Files without masks have the paper's overlap of one half.
    return (key_window * 2 // 3 if mask is None else math.isqrt(mask.shape[1])), key_window


def _three(numbers: Iterable[int]) -> tuple[int, int, int]:
    first, second, third = numbers
    return first, second, third


def _expected_mask(name: str, state: State) -> Tensor | None:
    if not name.endswith(_ATTENTION_MASK):
        return centre_mask(name, state)
    window, key_window = _window_sides(state)
    # Compared first: the file's other numbers could ask for a mask of any size.
    if state[name].shape != (1, window**2, key_window**2):
        return None
    return _attention_mask(window, key_window)


def _attention_mask(window: int, key_window: int) -> Tensor:
    """(1, window², key_window²): 0 at even distances in both directions, else -inf."""
    distances = torch.arange(key_window)[None, :] - torch.arange(window)[:, None]
    even = distances % 2 == 0
    allowed = even[:, None, :, None] & even[None, :, None, :]
    return torch.where(allowed, 0.0, -math.inf).reshape(1, window**2, key_window**2)


TBSN_FILES = AuthorsFiles("patch_embed.proj.weight", _read_config, _expected_mask)
