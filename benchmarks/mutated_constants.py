"""Scales every constant of noise estimation and restoration in turn; says which the pinned quality notices.

    python -m benchmarks.mutated_constants [--factor 1.25]
    python -m benchmarks.mutated_constants --pin

With --pin it prints the scores for `PINNED` in tests/test_quality.py instead.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib
import math
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

import nsp_cli.noise
import nsp_cli.restoration
from nsp_cli.noise.bands import Band
from nsp_cli.restoration.inference import Restorer
from tests.quality import Case, load, score
from tests.test_quality import PINNED, PSNR_TOLERANCE, SSIM_TOLERANCE

PACKAGES = nsp_cli.noise, nsp_cli.restoration


class Remembering(nn.Module):
    """A network that answers an input that it has seen without computing: most constants come after it."""

    def __init__(self, network: nn.Module) -> None:
        """Takes the network that computes."""
        super().__init__()
        self.network, self.answers = network, dict[bytes, Tensor]()

    def forward(self, *inputs: Tensor) -> Tensor:
        """Answers as the network does."""
        seen = hashlib.sha256()
        for one in inputs:
            seen.update(repr((one.shape, one.dtype)).encode() + one.contiguous().numpy().tobytes())
        key = seen.digest()
        if key not in self.answers:
            self.answers[key] = self.network(*inputs)
        return self.answers[key]


@dataclass(frozen=True)
class Constant:
    """A number in a module-level constant, by its place in nested tuples."""

    module: ModuleType
    name: str
    place: tuple[int, ...]

    def __str__(self) -> str:
        """Names it, such as noise.estimation._LUMA_BY_CHROMA[1]."""
        module = self.module.__name__.removeprefix("nsp_cli.")
        return f"{module}.{self.name}" + "".join(f"[{index}]" for index in self.place)


def constants() -> Iterator[Constant]:
    """Yields all numbers that a factor changes; zero and infinity are none."""
    for package in PACKAGES:
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            for name in _assigned(module):
                for place, number in _numbers(getattr(module, name)):
                    if number and math.isfinite(number):
                        yield Constant(module, name, place)


def _assigned(module: ModuleType) -> list[str]:
    """Names that a module assigns at its top level."""
    tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def _numbers(value: object, place: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], float]]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield place, value
    elif isinstance(value, tuple | Band):
        for index, one in enumerate(_parts(value)):
            yield from _numbers(one, (*place, index))


def _parts(value: Any) -> tuple[Any, ...]:
    return astuple(value) if isinstance(value, Band) else value


def _scaled(value: Any, place: tuple[int, ...], factor: float) -> Any:
    if place:
        first, *rest = place
        parts = [
            _scaled(one, tuple(rest), factor) if index == first else one
            for index, one in enumerate(_parts(value))
        ]
        return Band(*parts) if isinstance(value, Band) else tuple(parts)
    return round(value * factor) if isinstance(value, int) else value * factor


@contextmanager
def scaled(constant: Constant, factor: float) -> Iterator[None]:
    """Scales a constant in its module and wherever it was imported, for as long as the block runs."""
    value = getattr(constant.module, constant.name)
    holders = [module for module in _loaded() if getattr(module, constant.name, None) is value]
    _set(holders, constant.name, _scaled(value, constant.place, factor))
    try:
        yield
    finally:
        _set(holders, constant.name, value)


def _loaded() -> list[ModuleType]:
    return [module for name, module in sys.modules.items() if name.startswith("nsp_cli.")]


def _set(holders: list[ModuleType], name: str, value: object) -> None:
    for module in holders:
        setattr(module, name, value)
    for module in _loaded():  # what was computed with the former value
        for one in vars(module).values():
            if hasattr(one, "cache_clear"):
                one.cache_clear()


def deviation(case: Case, restorers: dict[str, Restorer]) -> float:
    """How far a case is from its pinned quality, in tolerances; infinite if it fails."""
    try:
        psnr, ssim = score(case, restorers[case.weights])
    except Exception:  # a scaled block size, for one, may fit nothing
        return math.inf
    pinned_psnr, pinned_ssim = PINNED[case]
    return max(abs(psnr - pinned_psnr) / PSNR_TOLERANCE, abs(ssim - pinned_ssim) / SSIM_TOLERANCE)


def report(restorers: dict[str, Restorer], factor: float) -> None:
    """Prints a line for every constant with the case that moves most, then how many are noticed."""
    assert max(deviation(case, restorers) for case in PINNED) < 1, "the pinned quality does not hold as it is"
    noticed, unnoticed = 0, []
    for constant in constants():
        with scaled(constant, factor):
            most, case = max((deviation(case, restorers), str(case)) for case in PINNED)
        print(f"{constant!s:42} {most:8.2f}  {case if most > 0 else '-'}", flush=True)
        noticed += most > 1
        unnoticed += [str(constant)] if most <= 1 else []
    print(f"{noticed} of {noticed + len(unnoticed)} noticed; not: {', '.join(unnoticed)}")


def main() -> None:
    """Reports, or prints what to pin."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--factor", type=float, default=1.25)
    parser.add_argument("--pin", action="store_true")
    settings = parser.parse_args()
    torch.set_num_threads(1)
    restorers = {name: load(name) for name in {case.weights for case in PINNED}}
    if settings.pin:
        for case in PINNED:
            psnr, ssim = score(case, restorers[case.weights])
            print(f"{case}: ({psnr:.3f}, {ssim:.4f}),")
        return
    for restorer in restorers.values():
        restorer.network = Remembering(restorer.network)
    report(restorers, settings.factor)


if __name__ == "__main__":
    main()
