"""The mean of several runs' weights: how the bundled nsp-fast was made of three that began alike.

    python benchmarks/mean_of_weights.py OUT.safetensors FIRST.safetensors:2 SECOND.safetensors:1 ...

What follows the colon says how much a file counts. Runs that go on from the same weights stay near enough for
their mean to do as well as the best of them or better (Wortsman et al., "Model soups", ICML 2022). What
the file says of itself is what the first says, and how it was made.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from nsp_cli.weights.file import load_network, save_weights


@dataclass(frozen=True)
class Part:
    """A weights file, and how much it counts."""

    path: Path
    counts: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Takes FILE:NUMBER apart."""
        path, _, counts = text.rpartition(":")
        return cls(Path(path), float(counts))


def mean_of(parts: list[Part], out: Path) -> None:
    """Writes the mean as float16; networks of another kind than the first are refused by PyTorch."""
    total = sum(part.counts for part in parts)
    shares = [part.counts / total for part in parts]
    loaded = [load_network(part.path) for part in parts]
    states = [network.state_dict() for network, _ in loaded]
    mean = {
        name: sum(share * state[name] for share, state in zip(shares, states, strict=True))
        for name in states[0]
    }
    network, info = loaded[0]
    network.load_state_dict(mean)
    made_of = ", ".join(f"{part.path.stem} {share:.0%}" for part, share in zip(parts, shares, strict=True))
    metadata = {**info.metadata, "start": f"mean of {made_of}"}
    save_weights(
        out,
        network,
        network_name=info.network,
        config=info.config,
        metadata=metadata,
        half_precision=True,
    )


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("parts", type=Part.parse, nargs="+", metavar="FILE:COUNTS")
    arguments = parser.parse_args()
    mean_of(arguments.parts, arguments.out)


if __name__ == "__main__":
    main()
