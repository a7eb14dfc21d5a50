"""Averages the weights of several runs. The bundled nsp-fast is such a mean of three runs.

    python benchmarks/mean_of_weights.py OUT.safetensors FIRST.safetensors:2 SECOND.safetensors:1 ...

The number after the colon is a file's weight in the mean. Runs that continue from the same weights stay close
enough for their mean to be as good as the best of them or better (Wortsman et al., "Model soups", ICML 2022).
The result has the metadata of the first file, and says how it was made.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from nsp_cli.weights.file import load_network, save_weights


@dataclass(frozen=True)
class Part:
    """A weights file, and its weight in the mean."""

    path: Path
    counts: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Splits FILE:NUMBER."""
        path, _, counts = text.rpartition(":")
        return cls(Path(path), float(counts))


def mean_of(parts: list[Part], out: Path) -> None:
    """Writes the mean as float16. PyTorch refuses networks of another kind than the first."""
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
