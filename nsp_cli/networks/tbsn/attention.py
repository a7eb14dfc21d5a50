"""The layers of a TBSN block (paper Sec. 3.2; layer names are the authors')."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from nsp_cli.networks.base import Gelu

# As in torch's `normalize`.
_SMALLEST_NORM = 1e-12


class ChannelNorm(nn.Module):
    """Divides each pixel by the standard deviation over its channels, without subtracting their mean."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = ChannelScale(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, channels, H, W) to the same shape; the squares of large values need float32."""
        scaled: Tensor = self.body(x * torch.rsqrt(x.var(dim=1, keepdim=True, correction=0) + 1e-5))
        return scaled


class ChannelScale(nn.Module):
    """Multiplies each channel by a learnt weight."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, channels, H, W) to the same shape."""
        return x * self.weight.view(-1, 1, 1)


class ChannelAttention(nn.Module):
    """Mixes channels by how alike they are over the whole picture.

    This is the only place where TBSN is not blind: `mixing` pools over every position, including positions
    whose features saw the predicted pixel. Given the mixing matrices, the rest is exactly blind.
    """

    reach = 2

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.qkv_dwconv = nn.Conv2d(
            3 * channels, 3 * channels, 3, padding=2, dilation=2, groups=3 * channels, bias=False
        )
        self.project_out = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor, mixing: Tensor | None = None) -> Tensor:
        """Maps (B, channels, H, W) to the same shape.

        Args:
            x: The whole picture's features, or a part of them if `mixing` is given.
            mixing: Matrices of the whole picture from `mixing_from`; None to compare channels over `x`.
        """
        q, k, v = self._in_heads(self.project(x))
        mixing = self.mixing(q, k) if mixing is None else mixing.to(v.dtype)
        projected: Tensor = self.project_out((mixing @ v).reshape(x.shape))
        return projected

    def project(self, x: Tensor) -> Tensor:
        """Maps (B, channels, H, W) to queries, keys and values: (B, 3·channels, H, W)."""
        projected: Tensor = self.qkv_dwconv(self.qkv(x))
        return projected

    def _in_heads(self, projected: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values as (B, heads, C, positions) each."""
        return projected.reshape(projected.shape[0], 3, self.heads, -1, projected[0, 0].numel()).unbind(dim=1)

    def mixing(self, q: Tensor, k: Tensor) -> Tensor:
        """Compares channels: two (B, heads, C, positions) give (B, heads, C, C), whose rows sum to 1."""
        q, k = functional.normalize(q, dim=-1), functional.normalize(k, dim=-1)
        return (q @ k.transpose(-2, -1) * self.temperature).softmax(dim=-1)

    def sums(self, projected: Tensor) -> Tensor:
        """What `mixing_from` needs of a part of a picture; of the whole, it is the sum over disjoint parts.

        Args:
            projected: A part of what `project` returns, (B, 3·channels, h, w).

        Returns:
            (B, heads, C, C + 2) float32: products of every query with every key, squares of the queries,
            squares of the keys.
        """
        # Sums over many positions exceed float16, and bfloat16 has too few digits for them.
        with torch.autocast(projected.device.type, enabled=False):
            q, k, _ = (part.float() for part in self._in_heads(projected))
            squares = torch.stack([q.square().sum(dim=-1), k.square().sum(dim=-1)], dim=-1)
            return torch.cat([q @ k.transpose(-2, -1), squares], dim=-1)

    def mixing_from(self, sums: Tensor) -> Tensor:
        """The mixing matrices of a whole picture, (B, heads, C, C), from its `sums`, of the same type."""
        norms = sums[..., -2:].sqrt().clamp(min=_SMALLEST_NORM)
        alike = sums[..., :-2] / norms[..., :1] / norms[..., 1:].transpose(-2, -1)
        return (alike * self.temperature.to(sums)).softmax(dim=-1)


class RelativePosition(nn.Module):
    """A learnt vector for every horizontal and vertical distance between a query and a key.

    The mask leaves only even distances, so every other one of the authors' 2·key_size − 1 rows is never
    read.
    """

    rows: Tensor

    def __init__(self, query_size: int, key_size: int, head_size: int) -> None:
        super().__init__()
        rows = 2 * key_size - 1
        self.rel_height = nn.Parameter(torch.randn(rows, head_size) * head_size**-0.5)
        self.rel_width = nn.Parameter(torch.randn(rows, head_size) * head_size**-0.5)
        # Steps of one on a parity's grid are steps of two pixels.
        steps = torch.arange(key_size // 2)[None, :] - torch.arange(query_size // 2)[:, None]
        self.register_buffer("rows", 2 * steps + key_size - 1, persistent=False)

    def forward(self, q: Tensor) -> Tensor:
        """Maps queries (..., y, x, head_size) to logits (..., y, x, key y, key x)."""
        along_y = torch.einsum("...yxc,ykc->...yxk", q, self.rel_height[self.rows])
        along_x = torch.einsum("...yxc,xkc->...yxk", q, self.rel_width[self.rows])
        return along_y[..., :, None] + along_x[..., None, :]


class SpatialAttention(nn.Module):
    """Lets every pixel of a window look at pixels an even number of rows and columns away, near the window.

    The authors mask 3/4 of each window's logits for that. Here the pixels are first sorted by the parity
    of row and column. The result is the same without a mask, with a quarter of the work and memory.
    """

    def __init__(self, channels: int, heads: int, head_size: int, window: int, margin: int) -> None:
        super().__init__()
        self.heads = heads
        self.head_size = head_size
        # On one parity's grid everything is half as large.
        self.window = window // 2
        self.margin = margin // 2
        self.qkv = nn.Conv2d(channels, 3 * heads * head_size, 1, bias=False)
        self.rel_pos_emb = RelativePosition(window, window + 2 * margin, head_size)
        self.project_out = nn.Conv2d(heads * head_size, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, channels, H, W) to the same shape; H and W are multiples of the window."""
        q, k, v = self._sort_by_parity(self.qkv(x)).unbind(dim=1)
        q = q * self.head_size**-0.5
        queries = q.unfold(-2, self.window, self.window).unfold(-2, self.window, self.window).movedim(2, -1)
        # (B, heads, parity y, parity x, window y, window x, y, x, size). From here on, y and x are one
        # dimension where queries or keys are listed.
        logits = queries.flatten(-3, -2) @ self._surroundings(k).transpose(-2, -1)
        logits = logits + self.rel_pos_emb(queries).flatten(-2).flatten(-3, -2)
        answers = (logits.softmax(dim=-1) @ self._surroundings(v)).reshape(queries.shape)
        # (B, heads, size, window y, y, parity y, window x, x, parity x)
        answers = answers.permute(0, 1, 8, 4, 6, 2, 5, 7, 3)
        projected: Tensor = self.project_out(answers.reshape(x.shape[0], -1, *x.shape[-2:]))
        return projected

    def _sort_by_parity(self, qkv: Tensor) -> Tensor:
        """Maps (B, 3·heads·size, H, W) to (B, 3, heads, size, parity y, parity x, H/2, W/2)."""
        batch, _, height, width = qkv.shape
        shape = (batch, 3, self.heads, self.head_size, height // 2, 2, width // 2, 2)
        return qkv.reshape(shape).permute(0, 1, 2, 3, 5, 7, 4, 6)

    def _surroundings(self, part: Tensor) -> Tensor:
        """What each window can look at: (B, heads, 2, 2, windows y, windows x, keys, size).

        Past the picture's edge are zeros, which take part in the attention as in the authors' code.
        """
        size = self.window + 2 * self.margin
        padded = functional.pad(part, [self.margin] * 4)
        windows = padded.unfold(-2, size, self.window).unfold(-2, size, self.window)
        return windows.flatten(-2).movedim(2, -1)


class FeedForward(nn.Module):
    """Convolves twice with dilation 2, so that parities stay apart."""

    reach = 4

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project_in = nn.Conv2d(channels, channels, 3, padding=2, dilation=2, bias=False)
        self.gelu = Gelu()
        self.project_out = nn.Conv2d(channels, channels, 3, padding=2, dilation=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, channels, H, W) to the same shape."""
        projected: Tensor = self.project_out(self.gelu(self.project_in(x)))
        return projected
