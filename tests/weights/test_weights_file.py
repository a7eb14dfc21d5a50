"""Weights files come back as the same network; forged or damaged ones are refused before they cost much."""

from __future__ import annotations

import json
import os
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from nsp_cli.errors import OutputError, WeightsError
from nsp_cli.networks.tbsn import TbsnConfig
from nsp_cli.weights.file import describe_weights, load_network, read_header, save_weights
from nsp_cli.weights.network_config import config_from_json, config_to_json

TINY_TBSN = TbsnConfig(dim=8, num_blocks=(1, 1, 1), num_refinement_blocks=1, spatial_head_size=4)


@pytest.fixture
def network(tiny_config):
    return tiny_config.build()


@pytest.fixture
def saved(tmp_path, tiny_config, network):
    path = tmp_path / "tiny.safetensors"
    metadata = {"pd_factor": "4", "licence": "CC0-1.0", "data": "Ährenfeld"}
    save_weights(path, network, network_name="dbsn", config=tiny_config, metadata=metadata)
    return path


def forge(path, *, tensors=None, **metadata):
    """Writes the file again with some tensors or metadata changed; None takes them away."""
    held = read_header(path).metadata | metadata
    state = load_file(path) | (tensors or {})
    save_file(
        {name: tensor for name, tensor in state.items() if tensor is not None},
        path,
        {key: value for key, value in held.items() if value is not None},
    )


def refusal(path):
    with pytest.raises(WeightsError) as caught:
        load_network(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value.message


def test_a_saved_network_comes_back_equal(saved, network, tiny_config):
    loaded, info = load_network(saved)
    assert (info.network, info.config, info.pd_factor, info.dtype) == ("dbsn", tiny_config, 4, "float32")
    assert info.metadata["data"] == "Ährenfeld"
    assert info.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert not loaded.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_tuples_in_a_config_survive_json(tmp_path):
    path = tmp_path / "tbsn.safetensors"
    save_weights(path, TINY_TBSN.build(), network_name="tbsn", config=TINY_TBSN, metadata={})
    loaded, info = load_network(path)
    assert info.config == TINY_TBSN
    assert info.pd_factor == 5
    assert loaded(torch.rand(1, 3, 32, 32)).shape == (1, 3, 64, 64)


def test_half_precision_is_half_the_size_and_loads_as_float32(saved, network, tiny_config, tmp_path):
    path = tmp_path / "half.safetensors"
    save_weights(path, network, network_name="dbsn", config=tiny_config, metadata={}, half_precision=True)
    loaded, info = load_network(path)
    assert info.dtype == "float16"
    assert path.stat().st_size < saved.stat().st_size
    for name, tensor in network.state_dict().items():
        assert loaded.state_dict()[name].dtype is torch.float32
        assert torch.allclose(loaded.state_dict()[name], tensor, rtol=6e-4, atol=1e-6)


def test_equal_weights_give_equal_files(saved, network, tiny_config, tmp_path):
    contents = set()
    for number in range(4):
        path = tmp_path / f"{number}.safetensors"
        metadata = {"pd_factor": "4", "data": "Ährenfeld", "licence": "CC0-1.0"}
        save_weights(path, network, network_name="dbsn", config=tiny_config, metadata=metadata)
        contents.add(path.read_bytes())
    assert contents == {saved.read_bytes()}


def test_a_memory_format_does_not_change_the_file(saved, network, tiny_config, tmp_path):
    path = tmp_path / "again.safetensors"
    network.to(memory_format=torch.channels_last)
    save_weights(path, network, network_name="dbsn", config=tiny_config, metadata=read_header(saved).metadata)
    assert path.read_bytes() == saved.read_bytes()


def test_the_file_is_written_beside_and_moved(saved, network, tiny_config, monkeypatch):
    before = saved.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OutputError, match="No space left"):
        save_weights(saved, network, network_name="dbsn", config=tiny_config, metadata={})
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir() if path.is_file()] == [saved.name]


def test_weights_that_diverged_are_not_written(tmp_path, network, tiny_config):
    with torch.no_grad():
        network.head[0].bias[0] = float("nan")
    with pytest.raises(WeightsError, match=r"head\.0\.bias"):
        save_weights(
            tmp_path / "x.safetensors", network, network_name="dbsn", config=tiny_config, metadata={}
        )
    assert not list(tmp_path.glob("*.safetensors*"))


def test_no_file(tmp_path):
    assert "does not exist" in refusal(tmp_path / "absent.safetensors")


def test_a_folder(tmp_path):
    refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 100, b"PK\x03\x04" + bytes(200), b"{}" * 50])
def test_a_foreign_file(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    assert "damaged or not a safetensors file" in refusal(path)


@pytest.mark.parametrize("cut", [1, 4, 500, 3000])
def test_a_truncated_file(saved, cut):
    saved.write_bytes(saved.read_bytes()[:-cut])
    assert "damaged" in refusal(saved)


def test_a_file_with_something_behind_it(saved):
    saved.write_bytes(saved.read_bytes() + b"more")
    assert "damaged" in refusal(saved)


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"nsp_format": None}, "not made by nsp"),
        ({"nsp_format": "2"}, "has format 2, but this nsp reads format 1"),
        ({"network": None}, "not one of dbsn, tbsn, unet"),
        ({"network": "vit"}, "not one of dbsn, tbsn, unet"),
        ({"config": None}, "not JSON"),
        ({"config": "{"}, "not JSON"),
        ({"config": "[" * 100_000}, "not JSON"),
        ({"config": "[]"}, "does not consist of"),
        ({"config": '{"base_channels": 4, "num_modules": 1}'}, "does not consist of"),
        ({"config": '{"base_channels": 4, "num_modules": 1, "t": 2, "x": 1}'}, "does not consist of"),
        ({"config": '{"base_channels": "4", "num_modules": 1, "t": 2}'}, "base_channels = '4'"),
        ({"config": '{"base_channels": 4, "num_modules": true, "t": 2}'}, "num_modules = True"),
        ({"config": '{"base_channels": 4, "num_modules": 1.5, "t": 2}'}, "num_modules = 1.5"),
        ({"config": '{"base_channels": 4, "num_modules": -1, "t": 2}'}, "num_modules = -1"),
        ({"config": '{"base_channels": 4, "num_modules": 1, "t": 0}'}, "do not divide"),
        ({"config": '{"base_channels": 4, "num_modules": 1, "t": 1}'}, "do not fit"),
        ({"config": '{"base_channels": 8, "num_modules": 1, "t": 2}'}, "do not fit"),
        ({"pd_factor": "five"}, "pd_factor"),
        ({"pd_factor": "0"}, "pd_factor"),
        ({"pd_factor": "²"}, "pd_factor"),
    ],
)
def test_forged_metadata(saved, metadata, why):
    forge(saved, **metadata)
    assert why in refusal(saved)


@pytest.mark.parametrize("setting", ["base_channels", "num_modules", "t"])
@pytest.mark.parametrize("value", [10**6, 10**9, 10**30])
def test_an_absurd_config_is_refused_before_it_costs_memory_or_time(saved, setting, value):
    config = {"base_channels": 4, "num_modules": 1, "t": 2} | {setting: value}
    forge(saved, config=json.dumps(config))
    assert setting in refusal(saved)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_values_that_are_not_finite(saved, number):
    forge(saved, tensors={"head.0.bias": torch.tensor([0, number, 0, 0])})
    assert "head.0.bias contains values that are not finite" in refusal(saved)


@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        ({"head.0.bias": torch.zeros(5)}, "head.0.bias is (5,) and should be (4,)"),
        ({"head.0.bias": None}, "head.0.bias is absent"),
        ({"extra": torch.zeros(1)}, "extra is (1,) and should be absent"),
        ({"head.0.bias": torch.zeros(4, dtype=torch.int8)}, "values of type I8"),
    ],
)
def test_tensors_of_another_network(saved, tensors, why):
    forge(saved, tensors=tensors)
    assert why in refusal(saved)


def test_describing_reads_only_the_header(saved):
    content = bytearray(saved.read_bytes())
    content[-4:] = b"\xff\xff\xff\xff"  # not a number
    saved.write_bytes(content)
    assert describe_weights(saved).parameters > 0
    assert "not finite" in refusal(saved)


def test_a_config_with_numbers_in_lists_is_checked_all_the_way():
    text = config_to_json(TINY_TBSN)
    assert config_from_json("tbsn", text, limit=100) == TINY_TBSN
    for forged in ("[1, 1]", "[1, 1, 1, 1]", '[1, 1, "1"]', "[1, 1, 101]", "[1, 1, [1]]", "3"):
        with pytest.raises(ValueError, match="num_blocks"):
            config_from_json("tbsn", text.replace("[1, 1, 1]", forged), limit=100)


def test_a_config_says_what_it_does_not_allow():
    with pytest.raises(ValueError, match="window"):
        config_from_json(
            "tbsn", config_to_json(TINY_TBSN).replace('"window_size": 8', '"window_size": 7'), limit=100
        )


def test_a_header_tells_shapes_and_sorted_metadata(saved):
    header = read_header(saved)
    assert header.shapes["head.0.weight"] == (4, 3, 1, 1)
    assert list(header.metadata) == sorted(header.metadata)


def test_a_header_is_not_read_before_its_length_is_plausible(saved):
    saved.write_bytes((2**40).to_bytes(8, "little") + saved.read_bytes()[8:])
    assert "its header has 1099511627776 bytes" in refusal(saved)


def test_a_file_larger_than_any_network_is_refused_unread(saved):
    with saved.open("r+b") as file:
        file.truncate(500 * 10**9)  # a hole, which takes no space
    assert "has 500 GB" in refusal(saved)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "x.safetensors")
    assert "not a file" in refusal(tmp_path / "x.safetensors")


@pytest.mark.parametrize("shape", [[2**31, 0], [0, 2**53]])
def test_a_tensor_without_numbers_makes_no_setting_plausible(saved, shape):
    """Its side would otherwise allow that many modules, which take hours to build."""
    content = saved.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    end = len(content) - 8 - length
    header["empty"] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end]}
    header["__metadata__"]["config"] = json.dumps({"base_channels": 4, "num_modules": max(shape), "t": 2})
    text = json.dumps(header).encode()
    saved.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    assert "num_modules" in refusal(saved)


@pytest.mark.parametrize("setting", ["channel_heads", "window_size", "t", "dim", "spatial_head_size"])
def test_a_zero_where_something_is_divided_is_refused(tmp_path, setting):
    path = tmp_path / "tbsn.safetensors"
    save_weights(path, TINY_TBSN.build(), network_name="tbsn", config=TINY_TBSN, metadata={})
    config = json.loads(config_to_json(TINY_TBSN))
    config[setting] = [0, 0, 0] if isinstance(config[setting], list) else 0
    forge(path, config=json.dumps(config))
    refusal(path)
