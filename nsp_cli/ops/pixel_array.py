"""The type of pixels in arrays, apart from the modules that import torch."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

# (H, W, 3) or (H, W): uint8, uint16 or float32.
Pixels = NDArray[Any]
