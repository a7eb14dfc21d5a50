"""Fits training steps into the free memory."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from nsp_cli.device import choose_training_precision, free_memory
from nsp_cli.networks import NetworkConfig
from nsp_cli.training.data.pool import SMALLEST_SIDE
from nsp_cli.training.run.recipe import BlindSpotRecipe

# Share of the free memory; the rest is for the optimiser, the compiler's buffers and other programs.
_SHARE = 0.5


def choose_chunk(
    network: nn.Module, inputs: tuple[Tensor, ...], device: torch.device, precision: torch.dtype
) -> int:
    """Number of inputs of a batch that a training step can process at a time, at least 1.

    The gradients of the chunks are added up, so the result is the same as for the whole batch.

    Args:
        network: Network to train, on `device`.
        inputs: Pictures (B, 3, H, W) and any other inputs of the network.
        device: Device of the training.
        precision: Data type of the computation.
    """
    one = saved_bytes(network, tuple(given[:1] for given in inputs), device, precision)
    return max(1, min(len(inputs[0]), int(free_memory(device) * _SHARE / max(1, one))))


def fit_crop(recipe: BlindSpotRecipe, config: NetworkConfig, device: torch.device) -> BlindSpotRecipe:
    """The recipe, with its crop halved until a step with one pair of one crop fits the free memory.

    The batch is unchanged, because `choose_chunk` splits it.
    """
    network, precision = config.build().to(device), choose_training_precision(device)
    room, multiple = free_memory(device) * _SHARE, config.spec().input_multiple
    while recipe.crop // 2 >= SMALLEST_SIDE:
        side = max(1, recipe.crop // recipe.pd_factor // multiple) * multiple
        if saved_bytes(network, (torch.zeros(1, 3, side, side),), device, precision) <= room:
            break
        recipe = replace(recipe, crop=recipe.crop // 2)
    return recipe


def is_fitted(crop: int, asked: int) -> bool:
    """Whether `fit_crop` can reduce the side `asked` to `crop`."""
    return crop == asked or (asked // 2 >= SMALLEST_SIDE and is_fitted(crop, asked // 2))


def saved_bytes(
    network: nn.Module, inputs: tuple[Tensor, ...], device: torch.device, precision: torch.dtype
) -> int:
    """Bytes that a forward pass keeps for the backward pass.

    Measured on at most 64×64 pixels and scaled to the size of the inputs.
    """
    picture = inputs[0]
    part = picture[..., :64, :64].to(device, copy=True).contiguous()
    weights = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        torch.autocast(device.type, precision, enabled=precision != torch.float32),
    ):
        kept = network(part, *(given.to(device) for given in inputs[1:]))
    del kept
    area = picture.shape[-2] * picture.shape[-1] / (part.shape[-2] * part.shape[-1])
    return int(sum(sizes.values()) * area)
