"""Compares nsp's own way of running nsp-fast on a CPU with onnxruntime and OpenVINO, in one thread each.

    pip install "nsp-cli[onnx]" openvino
    nsp export nsp-fast -o fast.onnx
    python benchmarks/other_runtimes.py fast.onnx [--height 1024] [--width 1024] [--precision float32]

Random pictures, by turns. The other runtimes take strips of 1024 rows with a halo of 128; nsp passes rows
through without one. Prints medians of seconds of the processor and on the clock, how many times nsp takes
them, and the largest difference from nsp. For a CPU that has AVX2 alone, set ONEDNN_MAX_CPU_ISA=AVX2 and
ATEN_CPU_CAPABILITY=avx2; onnxruntime has no such switch. It is left out with bfloat16.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import openvino
import torch

from nsp_cli import load_weights
from nsp_cli.noise.noise_map import NoiseMap

ROWS, HALO, CELL = 1024, 128, 8
HINTS = {"float32": "f32", "bfloat16": "bf16"}
Run = Callable[[Any, Any], Any]


def in_strips(run: Run, photo: Any, noise: Any) -> Any:
    """The result of a runtime for (1, 3, H, W), strip by strip."""
    height, result = photo.shape[2], np.empty_like(photo)
    for top in range(0, height, ROWS):
        bottom = min(height, top + ROWS)
        first, last = max(0, top - HALO), min(height, bottom + HALO)
        cells = noise[:, :, first // CELL : last // CELL]
        answer = run(np.ascontiguousarray(photo[:, :, first:last]), np.ascontiguousarray(cells))
        result[:, :, top:bottom] = answer[:, :, top - first : bottom - first]
    return result[0]


def openvino_of(path: str, precision: str) -> Run:
    """The network in OpenVINO."""
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": HINTS[precision]}
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    return lambda photo, noise: compiled([photo, noise])[0]


def onnxruntime_of(path: str) -> Run:
    """The network in onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda photo, noise: session.run(None, {"photo": photo, "noise": noise})[0]


def main() -> None:
    """Measures all ways by turns."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("onnx", help="From nsp export nsp-fast.")
    parser.add_argument("--height", type=int, default=1024)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--precision", choices=HINTS, default="float32")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    photo = torch.rand(3, given.height, given.width)
    noise = 0.1 * torch.rand(6, given.height // CELL, given.width // CELL)
    restorer = load_weights("nsp-fast", device="cpu", precision=given.precision)
    runtimes = {"OpenVINO": openvino_of(given.onnx, given.precision)}
    if given.precision == "float32":
        runtimes["onnxruntime"] = onnxruntime_of(given.onnx)
    ways: dict[str, Callable[[], Any]] = {
        "nsp": lambda: restorer.denoise(photo, mode="direct", noise=NoiseMap(noise)).numpy()
    }
    for name, run in runtimes.items():
        ways[name] = lambda run=run: in_strips(run, photo[None].numpy(), noise[None].numpy())  # type: ignore[misc]
    compare(ways, given.rounds)


def compare(ways: dict[str, Callable[[], Any]], rounds: int) -> None:
    """Runs each way once to warm up, then by turns; prints a line for each."""
    right = ways["nsp"]()
    differences = {name: float(np.abs(way() - right).max()) for name, way in ways.items()}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            begun = time.process_time(), time.perf_counter()
            way()
            seconds[name].append((time.process_time() - begun[0], time.perf_counter() - begun[1]))
    medians = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in seconds.items()
    }
    for name, (processor, clock) in medians.items():
        times = medians["nsp"][0] / processor, medians["nsp"][1] / clock
        print(
            f"{name:12} processor {processor:.3f} s, clock {clock:.3f} s; nsp takes {times[0]:.2f} and "
            f"{times[1]:.2f} times that; differs by {differences[name]:.1g}"
        )


if __name__ == "__main__":
    main()
