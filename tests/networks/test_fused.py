"""DBSN's fused kernels in Triton's interpreter; `test_gpu` runs them on a GPU, where there is one."""

from __future__ import annotations

import pytest
import torch

from nsp_cli.networks.dbsn import DbsnConfig, fused

CONFIGS = [DbsnConfig(32, 2), DbsnConfig(16, 1, t=1), DbsnConfig(32, 1, t=4), DbsnConfig(128, 1)]
pytest.importorskip("triton")
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="test_gpu does this where a GPU is")


def test_what_is_tried_first_works_and_a_failure_is_no_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    assert fused._kernels_work(torch.device("cpu"), torch.float32, 64)

    def fail(*_arguments: object, **_settings: object) -> None:
        raise RuntimeError("Failed to find C compiler.")

    monkeypatch.setattr(fused, "pointwise", fail)
    assert not fused._kernels_work(torch.device("cpu"), torch.float32, 32)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    assert not fused._kernels_work(torch.device("cpu"), torch.float32, 16)


# The layout is brought in order before the first kernel, whatever the network's size.
@pytest.mark.parametrize(
    ("config", "layout"),
    [
        *((config, torch.channels_last) for config in CONFIGS),
        *((config, torch.contiguous_format) for config in CONFIGS[:2]),
    ],
    ids=str,
)
def test_fused_layers_answer_as_single_ones(config, layout, monkeypatch):
    network = config.build().eval()
    picture = torch.rand(2, 3, 20, 14).contiguous(memory_format=layout)
    with torch.no_grad():
        one_by_one = network(picture)
        monkeypatch.setattr(fused, "can_fuse", lambda *_: True)
        torch.testing.assert_close(network(picture), one_by_one, atol=2e-6, rtol=0)
