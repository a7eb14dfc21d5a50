"""Scales every constant of noise estimation and restoration in turn; says which the pinned quality notices.

    python -m benchmarks.mutated_constants [--factor 1.25]
    python -m benchmarks.mutated_constants --pin

With --pin it prints the scores for `PINNED` in tests/test_quality.py instead.
"""

from __future__ import annotations

import argparse
import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

import torch
from torch import Tensor, nn

from nsp_cli.noise.constants import CONSTANTS
from nsp_cli.restoration.inference import Restorer
from tests.quality import Case, load, score
from tests.test_quality import PINNED, PSNR_TOLERANCE, SSIM_TOLERANCE


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


@contextmanager
def scaled(name: str, factor: float) -> Iterator[None]:
    """Scales a constant for as long as the block runs."""
    value = getattr(CONSTANTS, name)
    object.__setattr__(CONSTANTS, name, value * factor)
    try:
        yield
    finally:
        object.__setattr__(CONSTANTS, name, value)


def deviation(case: Case, restorers: dict[str, Restorer]) -> float:
    """How far a case is from its pinned quality, in tolerances; infinite if it fails."""
    try:
        psnr, ssim = score(case, restorers[case.weights])
    except Exception:
        return math.inf
    pinned_psnr, pinned_ssim = PINNED[case]
    return max(abs(psnr - pinned_psnr) / PSNR_TOLERANCE, abs(ssim - pinned_ssim) / SSIM_TOLERANCE)


def report(restorers: dict[str, Restorer], factor: float) -> None:
    """Prints a line for every constant with the case that moves most, then how many are noticed."""
    assert max(deviation(case, restorers) for case in PINNED) < 1, "the pinned quality does not hold as it is"
    noticed, unnoticed = 0, []
    for field in fields(CONSTANTS):
        with scaled(field.name, factor):
            most, case = max((deviation(case, restorers), str(case)) for case in PINNED)
        print(f"{field.name:20} {most:8.2f}  {case if most > 0 else '-'}", flush=True)
        noticed += most > 1
        unnoticed += [field.name] if most <= 1 else []
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
