"""Makes the README's first picture: the bundled sample beside the result of `nsp denoise`.

make demo && .venv/bin/python .github/assets/make_before_after.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
GAP = 6


def main() -> None:
    """Reads the sample and demo/sample_denoised.jpg, and writes before_after.png beside this script."""
    before = Image.open(ROOT / "tests/data/sample_noisy.jpg")
    after = Image.open(ROOT / "demo/sample_denoised.jpg")
    both = Image.new("RGB", (2 * before.width + GAP, before.height), "white")
    both.paste(before, (0, 0))
    both.paste(after, (before.width + GAP, 0))
    both.save(Path(__file__).with_name("before_after.png"), optimize=True)


if __name__ == "__main__":
    main()
