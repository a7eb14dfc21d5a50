"""Inference: runs a network over a photo in tiles (paper Sec. 3.2, Eq. 6–9)."""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from nsp_cli.device import free_memory, to_device
from nsp_cli.errors import WeightsError
from nsp_cli.networks import NetworkSpec
from nsp_cli.networks.tbsn import Tbsn
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.ops.pixel_shuffle import pd_downsample, pd_upsample
from nsp_cli.ops.progress import OnProgress
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.layered_tbsn import LayeredTbsn
from nsp_cli.restoration.row_streaming import can_stream, stream_rows
from nsp_cli.restoration.tile_passes import Predict, run_in_tiles
from nsp_cli.tiling.grid import Tile, TileGrid

if TYPE_CHECKING:
    from nsp_cli.weights.resolve import ResolvedWeights

InferenceMode = Literal["pd", "direct"]
INFERENCE_MODES: tuple[str, ...] = get_args(InferenceMode)

# Share of the free memory that a tile may take: allocators round up, and other programs run too.
_MEMORY_SHARE = 0.4
# Best side of a core if any side is exact, in pixels that the network treats as neighbours. Larger cores read
# fewer pixels twice, but on a CPU their fresh memory costs more than that (.github/docs/speed.md).
_BEST_CORE, _BEST_CORE_ON_CUDA = 1024, 2048
# A core that holds any photo.
_WHOLE = 2**40


_NEEDS_NOISE = "noise is required for noise-conditioned networks and not accepted by others"


class Restorer:
    """A network on its device, ready to denoise and enlarge photos.

    Photos are (3, H, W), uint8, uint16 or float32 in [0, 1], of any size. The result has the same type
    unless `dtype` names another. Integer results are clipped to the type's range, float results are not.
    """

    def __init__(
        self,
        network: nn.Module,
        spec: NetworkSpec,
        execution: Execution,
        metadata: dict[str, str] | None = None,
        weights: ResolvedWeights | None = None,
    ) -> None:
        """Moves the network to its device.

        Args:
            network: The network.
            spec: How to feed it.
            execution: Where and how it runs.
            metadata: Metadata of its weights file.
            weights: The weights file, for callers that record it.

        Raises:
            WeightsError: The network makes no pictures.
        """
        if spec.is_noise_estimator:
            raise WeightsError(
                f"{weights.name if weights else 'The network'} measures noise and does not remove it.",
                "Leave out --model, or choose other weights from nsp weights list.",
            )
        if execution.device.type == "cuda":
            # float32 is a request for accuracy: TF32 has only the digits of float16.
            torch.backends.cudnn.allow_tf32 = False
        self.network = network.eval().to(execution.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.spec = spec
        self.execution = execution
        self.metadata = metadata or {}
        self.weights = weights

    def denoise(
        self,
        noisy: Tensor,
        *,
        mode: InferenceMode = "pd",
        noise: NoiseMap | None = None,
        dtype: torch.dtype | None = None,
        on_progress: OnProgress | None = None,
    ) -> Tensor:
        """Predicts the photo without its noise: an enlargement by t, averaged over t×t pixels.

        Args:
            noisy: (3, H, W).
            mode: "pd" averages the predictions from the t² sub-images, as in the paper (Eq. 7). "direct"
                keeps more detail, and noise that correlates between neighbours. Only blind-spot networks
                can run as "pd".
            noise: The photo's noise map for a noise-conditioned network; None for other networks.
            dtype: Type of the result; None for that of `noisy`.
            on_progress: Called with the photo's pixels done and in total.

        Returns:
            (3, H, W).

        Raises:
            ValueError: The mode is unknown, or the mode or `noise` does not suit the network.
            DeviceError: The smallest tile does not fit in memory, or the result is not finite.
        """
        stride = self._check_mode(mode)
        if self._needs_layers(noisy, stride):
            layered = self._by_layers(noisy, stride, on_progress)
            return layered.denoise(noisy, mode=mode, noise=noise, dtype=dtype)
        process = self._average_sub_images if mode == "pd" else self._predict_and_reduce
        result = _empty(noisy.shape[1], noisy.shape[2], dtype or noisy.dtype)
        if self._streams:
            return self._stream(noisy, noise, result, on_progress)
        return self._run(noisy, noise, process, result, stride=stride, on_progress=on_progress)

    def upscale(
        self,
        noisy: Tensor,
        *,
        mode: InferenceMode = "direct",
        noise: NoiseMap | None = None,
        dtype: torch.dtype | None = None,
        on_progress: OnProgress | None = None,
    ) -> Tensor:
        """Denoises and enlarges by t in one step (Eq. 8, 9).

        Args:
            noisy: (3, H, W).
            mode: "pd" interleaves the predictions from the sub-images. "direct" passes the photo itself
                to the network, for noise that hardly correlates between neighbours.
            noise: As for `denoise`.
            dtype: Type of the result; None for that of `noisy`.
            on_progress: Called with the photo's pixels done and in total.

        Returns:
            (3, t·H, t·W).

        Raises:
            ValueError, DeviceError: As for `denoise`.
        """
        stride, scale = self._check_mode(mode), self.spec.scale
        if self._needs_layers(noisy, stride):
            layered = self._by_layers(noisy, stride, on_progress)
            return layered.upscale(noisy, mode=mode, noise=noise, dtype=dtype)
        process = self._interleave_sub_images if mode == "pd" else self.network
        result = _empty(noisy.shape[1] * scale, noisy.shape[2] * scale, dtype or noisy.dtype)
        if self._streams:
            return self._stream(noisy, noise, result, on_progress)
        return self._run(noisy, noise, process, result, stride=stride, on_progress=on_progress)

    def demosaic(
        self,
        mosaic: Tensor,
        noise: Tensor,
        *,
        phase: tuple[int, int] = (0, 0),
        on_progress: OnProgress | None = None,
    ) -> Tensor:
        """Denoises and demosaics a Bayer mosaic with a RAW network.

        Args:
            mosaic: (H, W) float32 linear, white-balanced, with black at 0 and the white of green at 1.
            noise: (2, 4) variance per unit of signal and variance at black, of the sites from a red pixel on:
                red, green, green, blue.
            phase: Row and column of the first red pixel, 0 or 1.
            on_progress: As for `denoise`.

        Returns:
            (3, H, W) float32 linear, in the colours of the camera, white-balanced like the mosaic.

        Raises:
            ValueError: The network is none for RAW.
            DeviceError: As for `denoise`.
        """
        if not self.spec.is_raw:
            raise ValueError("this network takes pictures, not mosaics")
        # Reflection keeps the mosaic's parity, and puts a red pixel first.
        whole = functional.pad(mosaic[None, None], (phase[1], 0, phase[0], 0), mode="reflect")[0]
        result = _empty(whole.shape[1], whole.shape[2], torch.float32)
        if self._streams:
            self._stream(whole, noise, result, on_progress)
        else:
            process = partial(self.network, noise=to_device(noise, self.execution.device)[None])
            self._run(whole, None, process, result, stride=1, on_progress=on_progress)
        return result[:, phase[0] :, phase[1] :]

    def _check_mode(self, mode: InferenceMode) -> int:
        """Distance of the pixels that the network treats as neighbours."""
        if self.spec.is_raw:
            raise ValueError("a RAW network takes mosaics, not pictures")
        if mode not in INFERENCE_MODES:
            raise ValueError(f"unknown mode {mode!r}; known are {', '.join(INFERENCE_MODES)}")
        if mode == "pd" and not self.spec.is_blind_spot:
            raise ValueError("mode 'pd' is for blind-spot networks")
        return self.spec.scale if mode == "pd" else 1

    def _predict_and_reduce(self, tile: Tensor, *noise: Tensor) -> Tensor:
        return functional.avg_pool2d(self.network(tile, *noise).float(), self.spec.scale)

    def _average_sub_images(self, tile: Tensor) -> Tensor:
        predictions = self._predict_each(pd_downsample(tile, self.spec.scale))
        return predictions.float().view(-1, *tile.shape).mean(dim=0)

    def _interleave_sub_images(self, tile: Tensor) -> Tensor:
        predictions = self._predict_each(pd_downsample(tile, self.spec.scale))
        return pd_upsample(predictions, self.spec.scale)

    def _predict_each(self, sub_images: Tensor) -> Tensor:
        """Predicts from sub-images: at once on a GPU; one by one on a CPU, as fast and with less memory."""
        if self._is_cpu:
            return torch.cat([self.network(sub_image[None]) for sub_image in sub_images])
        predictions: Tensor = self.network(sub_images)
        return predictions

    @property
    def _is_cpu(self) -> bool:
        return self.execution.device.type == "cpu"

    @property
    def _streams(self) -> bool:
        """Whether photos go through row by row; not if the user chose the side of tiles."""
        return self.execution.core is None and can_stream(self.network, self.execution.device)

    def _stream(
        self, noisy: Tensor, noise: NoiseMap | Tensor | None, result: Tensor, on_progress: OnProgress | None
    ) -> Tensor:
        if noise is None:
            raise ValueError(_NEEDS_NOISE)
        stream_rows(
            self.network,
            self.spec.radius,
            noisy,
            noise,
            result,
            precision=self.execution.precision,
            on_progress=on_progress,
        )
        return result

    def _needs_layers(self, noisy: Tensor, stride: int) -> bool:
        """Whether the photo takes several tiles, and tiles would change the result."""
        return not self.spec.exact_tiling and len(self._tiles(noisy, stride)[1]) > 1

    def _by_layers(self, noisy: Tensor, stride: int, on_progress: OnProgress | None) -> Restorer:
        """A restorer that takes this photo whole: its network passes over it in tiles, layer by layer."""
        assert isinstance(self.network, Tbsn)  # the only network with `exact_tiling` false
        chosen, (whole,) = self.execution, self._tiles(noisy, stride, core=_WHOLE)[1]
        layered = copy(self)
        layered.execution = Execution(torch.device("cpu"), torch.float32, _WHOLE)
        layered.network = LayeredTbsn(
            self.network,
            chosen.device,
            chosen.precision,
            core=chosen.core and max(1, chosen.core // stride),
            on_progress=on_progress,
            photo_pixels=whole.core_pixels,
            positions=whole.rows.read_stop * whole.columns.read_stop,
        )
        return layered

    def _tiles(self, noisy: Tensor, stride: int, core: int | None = None) -> tuple[TileGrid, list[Tile]]:
        # One pixel of a sub-image spans `stride` photo pixels, and its phase adds up to one stride less.
        halo = self.spec.radius * stride + stride - 1
        grid = TileGrid(noisy.shape[1], noisy.shape[2], halo, step=stride * self.spec.input_multiple)
        return grid, grid.plan(core or self.execution.core or self._core_from_memory(stride))

    def _run(
        self,
        noisy: Tensor,
        noise: NoiseMap | None,
        process: Predict,
        result: Tensor,
        *,
        stride: int,
        on_progress: OnProgress | None,
    ) -> Tensor:
        if self.spec.is_noise_conditioned != (noise is not None):
            raise ValueError(_NEEDS_NOISE)
        run_in_tiles(
            process,
            *self._tiles(noisy, stride),
            noisy,
            noise,
            result,
            self.execution,
            on_progress=on_progress,
        )
        return result

    def _core_from_memory(self, stride: int) -> int:
        free = free_memory(self.execution.device) * _MEMORY_SHARE
        bytes_per_pixel = self.spec.values_per_pixel * self.execution.precision.itemsize
        # Run one by one, each sub-image of a tile may be as large as a whole tile otherwise.
        apart = stride if self._is_cpu else 1
        side = int((free / bytes_per_pixel) ** 0.5) * apart - 2 * self.spec.radius * stride
        best = _BEST_CORE_ON_CUDA if self.execution.device.type == "cuda" else _BEST_CORE * apart
        return min(side, best) if self.spec.exact_tiling else side


def _empty(height: int, width: int, dtype: torch.dtype) -> Tensor:
    # Photo files hold a pixel's channels together, so the result needs no second copy on its way to one.
    return torch.empty((height, width, 3), dtype=dtype).permute(2, 0, 1)
