"""Speed of a network, compared with the peak of the hardware and with naive inference."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from nsp_cli.bench.photos import synthetic_photo
from nsp_cli.bench.timing import PeakMemory, alternated
from nsp_cli.device import describe_precision, free_memory
from nsp_cli.errors import WeightsError
from nsp_cli.networks import PRESETS, NetworkSpec
from nsp_cli.networks.base import CONDITIONING_SIZE
from nsp_cli.noise.noise_map import NoiseMap
from nsp_cli.ops.pixels import to_unit_range
from nsp_cli.restoration.execution import Execution
from nsp_cli.restoration.inference import Restorer
from nsp_cli.restoration.noise_mapping import map_noise
from nsp_cli.weights.file import load_network
from nsp_cli.weights.resolve import resolve

# The paper's network at full size. No trained weights of it are bundled, and speed does not depend on them.
PAPER_NETWORK = "dbsn"
# Share of the free memory that naive inference may use: it holds the whole picture in float32.
_NAIVE_MEMORY_SHARE = 0.7
_SMALL_MEGAPIXELS, _SMALL_CORE = 0.15, 160


@dataclass(frozen=True, eq=False)
class Subject:
    """A network to measure.

    Attributes:
        name: Name of its weights.
        network: The network, on the CPU, in its usual memory layout.
        spec: What a caller must know about it.
        multiplications: Multiplications per photo pixel, without those for halos.
    """

    name: str
    network: nn.Module
    spec: NetworkSpec
    multiplications: float


@dataclass(frozen=True)
class Speed:
    """Speed of one network on one size of photo.

    Attributes:
        network: Name of the network.
        megapixels: Size of the photo.
        precision: Precision of the arithmetic.
        seconds: Time for inference, with tiles, halos and copies.
        megapixels_per_second: The same as speed.
        share_of_peak: Operations per second, without those for halos, divided by the measured peak of a
            matrix product.
        memory_bytes: Peak memory; None if the system does not report it.
    """

    network: str
    megapixels: float
    precision: str
    seconds: float
    megapixels_per_second: float
    share_of_peak: float
    memory_bytes: int | None


@dataclass(frozen=True)
class NaiveComparison:
    """One network compared with naive inference: the whole picture at once, float32, contiguous.

    Attributes:
        network: Name of the network.
        megapixels: Size of the photo; smaller than requested if naive inference needs too much memory.
        naive_seconds: Time for naive inference.
        times_faster: How many times faster nsp is, by precision.
        float32_difference: Largest difference between nsp's float32 result and the naive one; white is 1.
        decibels: PSNR between the result in the default precision and the naive one.
        tiles_difference: Largest difference between float32 results in small tiles and in one tile.
    """

    network: str
    megapixels: float
    naive_seconds: float
    times_faster: dict[str, float]
    float32_difference: float
    decibels: float
    tiles_difference: float


def load_subject(name: str) -> Subject:
    """Loads weights by name; "dbsn" is the paper's network with random weights.

    Raises:
        WeightsError: The weights are unknown, cannot be loaded, or do not work on pictures.
    """
    if name == PAPER_NETWORK:
        torch.manual_seed(0)
        _, config = PRESETS[PAPER_NETWORK]
        network = config.build()
    else:
        network, info = load_network(resolve(name).path)
        config = info.config
    spec = config.spec()
    if not works_on_pictures(spec):
        raise WeightsError(
            f"{name} does not work on pictures, whose speed nsp bench measures.", "Leave out --model."
        )
    return Subject(name, network.eval(), spec, multiplications_per_pixel(network, spec))


def works_on_pictures(spec: NetworkSpec) -> bool:
    """Whether a network makes pictures of pictures."""
    return not (spec.is_raw or spec.is_noise_estimator)


def multiplications_per_pixel(network: nn.Module, spec: NetworkSpec) -> float:
    """Returns the multiplications of a network per input pixel, counted on a small picture."""
    side = 2 * max(32, spec.input_multiple)
    inputs = [torch.zeros(1, 3, side, side)]
    if spec.is_noise_conditioned:
        inputs.append(torch.zeros(1, CONDITIONING_SIZE, 1, 1))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(*inputs)
    return float(counter.get_total_flops()) / 2 / side**2


def measure_speed(subject: Subject, megapixels: float, execution: Execution, peak: float) -> Speed:
    """Measures how fast a network processes a photo.

    Args:
        subject: The network.
        megapixels: Size of the photo.
        execution: Device and precision.
        peak: Operations per second of a matrix product in that precision.
    """
    photo = synthetic_photo(megapixels)
    run = _way(subject, execution, photo)
    _way(subject, execution, synthetic_photo(_SMALL_MEGAPIXELS))()  # so that one-time set-up is not measured
    memory = PeakMemory(execution.device)
    taken = alternated({"": run})[""]
    pixels = photo[0].numel()
    return Speed(
        subject.name,
        pixels / 1e6,
        describe_precision(execution.precision),
        taken,
        pixels / 1e6 / taken,
        2 * subject.multiplications * pixels / taken / peak,
        memory.peak_bytes(),
    )


def compare_with_naive(subject: Subject, megapixels: float, execution: Execution) -> NaiveComparison:
    """Compares nsp's inference with naive inference, and small tiles with one tile.

    Args:
        subject: The network.
        megapixels: Size of the photo, at most.
        execution: Device, and the precision to measure besides float32.
    """
    photo = _whole_multiples(subject, min(megapixels, _most_naive_megapixels(subject, execution.device)))
    exact = Execution(execution.device, torch.float32)
    results: dict[str, Tensor] = {}
    ways = {
        "naive": _naive_way(subject, execution.device, photo),
        "float32": _way(subject, exact, photo),
        describe_precision(execution.precision): _way(subject, execution, photo),
    }
    taken = alternated({name: _kept(results, name, way) for name, way in ways.items()})
    return NaiveComparison(
        subject.name,
        photo[0].numel() / 1e6,
        taken["naive"],
        {name: taken["naive"] / taken[name] for name in list(ways)[1:]},
        _largest(results["naive"], results["float32"]),
        _decibels(results[describe_precision(execution.precision)], results["naive"]),
        _tiles_difference(subject, exact),
    )


def _way(subject: Subject, execution: Execution, photo: Tensor) -> Callable[[], Tensor]:
    """Returns a function that runs nsp's direct pass in tiles."""
    restorer = Restorer(copy.deepcopy(subject.network), subject.spec, execution)
    noise = _noise(subject, photo)
    return lambda: restorer.denoise(photo, mode="direct", noise=noise)


def _naive_way(subject: Subject, device: torch.device, photo: Tensor) -> Callable[[], Tensor]:
    network, noise = copy.deepcopy(subject.network).to(device), _noise(subject, photo)
    inputs = [photo[None].contiguous()] if noise is None else [photo[None].contiguous(), noise.bands[None]]

    @torch.no_grad()  # not inference mode: there networks work in strips
    def run() -> Tensor:
        answer = network(*(given.to(device) for given in inputs))
        return functional.avg_pool2d(answer, subject.spec.scale)[0].cpu()

    return run


def _whole_multiples(subject: Subject, megapixels: float) -> Tensor:
    """Returns a photo whose sides the network accepts without padding."""
    photo = to_unit_range(synthetic_photo(megapixels))
    multiple = subject.spec.input_multiple
    height, width = (size // multiple * multiple for size in photo.shape[1:])
    return photo[:, :height, :width]


def _noise(subject: Subject, photo: Tensor) -> NoiseMap | None:
    return map_noise(photo) if subject.spec.is_noise_conditioned else None


def _most_naive_megapixels(subject: Subject, device: torch.device) -> float:
    return free_memory(device) * _NAIVE_MEMORY_SHARE / (4 * subject.spec.values_per_pixel) / 1e6


def _kept(results: dict[str, Tensor], name: str, way: Callable[[], Tensor]) -> Callable[[], None]:
    def run() -> None:
        results[name] = way()

    return run


def _largest(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())


def _decibels(a: Tensor, b: Tensor) -> float:
    return float(-10 * torch.log10((a - b).square().mean()))


def _tiles_difference(subject: Subject, execution: Execution) -> float:
    photo = to_unit_range(synthetic_photo(_SMALL_MEGAPIXELS))
    tiled = Execution(execution.device, execution.precision, _SMALL_CORE)
    return _largest(_way(subject, execution, photo)(), _way(subject, tiled, photo)())
