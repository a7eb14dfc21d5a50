"""TBSN over a whole photo, in tiles layer by layer, in place of one pass that does not fit in memory."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nsp_cli.device import free_memory
from nsp_cli.networks.tbsn import Tbsn
from nsp_cli.networks.tbsn.by_layers import kept_values, predict_by_layers, work_per_position
from nsp_cli.ops.progress import OnProgress
from nsp_cli.restoration.feature_maps import place_for
from nsp_cli.restoration.layer_passes import LayerPasses

# Side of a tile's core in positions of the map that it is cut from. A larger one costs less arithmetic but
# more memory. A GPU, on which this is not measured, needs large pieces.
_BEST_CORE, _BEST_CORE_ON_GPU = 256, 1024
# What a tile reads beside its core, on both sides together, with the paper's windows.
_HALO = 32
# Share of the free memory that a tile may take, beside the maps.
_MEMORY_SHARE = 0.25
_CPU = torch.device("cpu")


class LayeredTbsn(nn.Module):
    """Predicts what TBSN predicts in one whole pass, up to rounding, with bounded memory on its device."""

    def __init__(
        self,
        network: Tbsn,
        device: torch.device,
        precision: torch.dtype,
        *,
        core: int | None,
        on_progress: OnProgress | None,
        photo_pixels: int,
        positions: int,
    ) -> None:
        """Prepares a run over one photo.

        Args:
            network: The network, on its device.
            device: Device of the network.
            precision: Precision of its arithmetic.
            core: Side of a tile's core in positions of the map that it is cut from; None chooses it.
            on_progress: Called with the photo's pixels done and in total.
            photo_pixels: Pixels of the photo.
            positions: Positions of all pictures that will be predicted from.
        """
        super().__init__()
        self._network, self._device, self._precision = network, device, precision
        self._core, self._on_progress, self._photo_pixels = core, on_progress, photo_pixels
        self._work, self._done = work_per_position(network) * positions, 0

    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        """Maps (1, 3, H, W) in main memory to (1, 3, t·H, t·W) float32.

        Raises:
            DeviceError: The maps or the smallest tile do not fit, or a result is not finite.
        """
        place = place_for(4 * kept_values(self._network) * x[0, 0].numel(), self._device)
        passes = LayerPasses(
            self._device,
            self._precision,
            core=self._core or self._core_from_memory(),
            step=self._network.config.window_size,
            place=place,
            on_work=self._count,
        )
        with torch.autocast(_CPU.type, enabled=False):
            return predict_by_layers(self._network, x, passes).to(_CPU)

    def _core_from_memory(self) -> int:
        bytes_per_position = self._network.config.spec().values_per_pixel * self._precision.itemsize
        side = math.sqrt(free_memory(self._device) * _MEMORY_SHARE / bytes_per_position)
        best = _BEST_CORE if self._device.type == "cpu" else _BEST_CORE_ON_GPU
        return max(1, min(int(side) - _HALO, best))

    def _count(self, work: int) -> None:
        self._done += work
        if self._on_progress and work:
            self._on_progress(int(self._photo_pixels * self._done / self._work), self._photo_pixels)
