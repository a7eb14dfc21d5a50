"""Training pairs: each pixel is used once and never shared, for all four strategies (paper Sec. 3.3)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nsp_cli.training.data.pairs import STRATEGIES, make_pairs, max_targets


def numbered(height: int, width: int, batch: int = 2) -> Tensor:
    """Pictures in which the value of every pixel is its index."""
    count = batch * height * width
    return torch.arange(count, dtype=torch.float64).view(batch, 1, height, width)


def by_pair(image: Tensor, batch: int) -> Tensor:
    return image.view(-1, batch, *image.shape[1:])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("s", "t", "n"), [(5, 2, 1), (5, 2, 3), (5, 2, 4), (4, 2, 2), (3, 1, 2), (7, 3, 4)])
def test_pairs_are_a_permutation_of_every_patch(strategy, s, t, n):
    image = numbered(3 * s, 4 * s)
    inputs, targets = make_pairs(image, s=s, t=t, n=n, strategy=strategy)
    count = s * s - n * t * t
    inputs, targets = by_pair(inputs, 2), by_pair(targets, 2)
    assert len(inputs) == len(targets) == n * count
    # Pair p = target · count + input, so the inputs repeat for every target.
    assert torch.equal(inputs[:count], inputs[-count:])
    patches = image.view(2, 1, 3, s, 4, s).transpose(3, 4).flatten(4).sort(dim=4).values
    dealt = [inputs[k].unsqueeze(4) for k in range(count)]
    dealt += [targets[k * count].view(2, 1, 3, t, 4, t).transpose(3, 4).flatten(4) for k in range(n)]
    assert torch.equal(torch.cat(dealt, dim=4).sort(dim=4).values, patches)


def test_default_gives_the_papers_21_pairs_and_34_39_36_for_more_targets():
    counts = [len(make_pairs(numbered(5, 5, batch=1), n=n)[0]) for n in (1, 2, 3, 4)]
    assert counts == [21, 34, 39, 36]


def rows_and_columns(targets: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Coordinates of each patch's four target pixels, inside the patch."""
    groups = targets.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4).long()
    return groups // width % 5, groups % width % 5


def test_consecutive_targets_are_contiguous_windows_and_all_sixteen_occur():
    _, targets = make_pairs(numbered(100, 100, batch=1), pairs=1)
    rows, columns = rows_and_columns(targets, 100)
    assert (rows == rows[..., :1] + torch.tensor([0, 0, 1, 1])).all()
    assert (columns == columns[..., :1] + torch.tensor([0, 1, 0, 1])).all()
    assert len((rows[..., 0] * 5 + columns[..., 0]).unique()) == 16


def test_intersected_targets_are_rows_times_columns_and_not_always_neighbours():
    _, targets = make_pairs(numbered(100, 100, batch=1), strategy="intersected", pairs=1)
    rows, columns = rows_and_columns(targets, 100)
    assert (rows[..., 0] == rows[..., 1]).all()
    assert (rows[..., 2] == rows[..., 3]).all()
    assert (rows[..., 0] < rows[..., 2]).all()
    assert (columns[..., 0] == columns[..., 2]).all()
    assert (columns[..., 0] < columns[..., 1]).all()
    assert (columns[..., 1] - columns[..., 0] > 1).any()


@pytest.mark.parametrize(("strategy", "in_order"), [("sorted", True), ("random", False)])
def test_only_sorted_targets_keep_row_major_order(strategy, in_order):
    _, targets = make_pairs(numbered(50, 50, batch=1), strategy=strategy, pairs=1)
    rows, columns = rows_and_columns(targets, 50)
    place = rows * 5 + columns
    assert bool((place.diff(dim=4) > 0).all()) is in_order


def test_patches_are_drawn_independently():
    _, targets = make_pairs(numbered(50, 50, batch=1), pairs=1)
    rows, _ = rows_and_columns(targets, 50)
    assert len(rows[..., 0].unique()) > 1


def test_random_pairs_are_different_pairs_of_all():
    inputs, targets = make_pairs(numbered(10, 10), n=2, pairs=34)
    pairs = torch.cat([by_pair(inputs, 2).flatten(1), by_pair(targets, 2).flatten(1)], dim=1)
    assert len(pairs.unique(dim=0)) == 34
    assert len(make_pairs(numbered(10, 10), n=2, pairs=3)[0]) == 3 * 2


def test_same_generator_state_gives_same_pairs():
    image = torch.rand(1, 3, 20, 20)
    drawn = [make_pairs(image, generators=[torch.Generator().manual_seed(7)]) for _ in range(2)]
    assert torch.equal(drawn[0][0], drawn[1][0])
    assert torch.equal(drawn[0][1], drawn[1][1])
    other, _ = make_pairs(image, generators=[torch.Generator().manual_seed(8)])
    assert not torch.equal(drawn[0][0], other)


def test_tightest_packing_always_fits():
    # Nine 2×2 windows fit a 6×6 patch in only one way, which random draws hardly find.
    inputs, _ = make_pairs(numbered(60, 60), s=6, n=8, pairs=1)
    assert inputs.shape == (2, 1, 10, 10)
    assert max_targets(6, 2, "consecutive") == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 5}, "room for 1 to 4"),
        ({"n": 0}, "room for 1 to 4"),
        ({"s": 4}, "not multiples of s=4"),
        ({"pairs": 22}, "the 21 there are"),
        ({"strategy": "sideways"}, "unknown strategy"),
    ],
)
def test_impossible_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_pairs(numbered(10, 10), **arguments)
