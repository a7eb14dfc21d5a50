"""The loss over a run, in a bounded number of points however long the run is."""

from __future__ import annotations

from dataclasses import dataclass, field

_MOST_POINTS = 512


@dataclass
class LossCurve:
    """Mean loss of consecutive groups of steps, all of the same size.

    Attributes:
        means: Mean loss of each complete group.
        width: Steps per group; doubles when there are too many groups.
    """

    means: list[float] = field(default_factory=list)
    width: int = 1
    _sum: float = 0.0
    _count: int = 0

    def add(self, loss: float, steps: int) -> None:
        """Adds the mean loss of the last `steps` steps."""
        # One step at a time, because `steps` may end in the middle of a group or cover several.
        for _ in range(steps):
            self._add_one(loss)

    def _add_one(self, loss: float) -> None:
        self._sum += loss
        self._count += 1
        if self._count < self.width:
            return
        self.means.append(self._sum / self._count)
        self._sum, self._count = 0.0, 0
        if len(self.means) == _MOST_POINTS:
            pairs = zip(self.means[0::2], self.means[1::2], strict=True)
            self.means = [(first + second) / 2 for first, second in pairs]
            self.width *= 2

    @property
    def recent(self) -> float:
        """Mean loss over the last tenth of the run, at least one group; NaN before the first is complete."""
        last = self.means[-max(1, len(self.means) // 10) :]
        return sum(last) / len(last) if last else float("nan")

    def points(self) -> list[tuple[float, float]]:
        """Middle step and mean loss of each group."""
        return [((index + 0.5) * self.width, mean) for index, mean in enumerate(self.means)]
