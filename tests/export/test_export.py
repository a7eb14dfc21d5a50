"""nsp export writes ONNX files that give what torch gives, say how to use them, and are whole or absent."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nsp_cli.export import onnx_file
from nsp_cli.export.interface import interface_of, random_inputs
from nsp_cli.networks import NetworkConfig
from nsp_cli.networks.bayer import BayerConfig
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.networks.noise_map import NoiseMapConfig
from nsp_cli.networks.unet import UnetConfig, from_planes
from nsp_cli.ops.block_dct import dct_kernels
from nsp_cli.weights.file import save_weights

needs_onnx = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="needs the extra nsp-cli[onnx]",
)
SMALL = {"widths": (4, 4, 4), "encoder": (1, 1, 1), "decoder": (1, 1)}
NETWORKS: dict[str, tuple[str, NetworkConfig]] = {
    "unet": ("unet", UnetConfig(**SMALL)),
    "unet-x2": ("unet", UnetConfig(**SMALL, scale=2)),
    "bayer": ("bayer", BayerConfig(**SMALL)),
    "noise-map": ("noise-map", NoiseMapConfig(width=4, blocks=1, heads=2, mixed=4)),
    "dbsn": ("dbsn", DbsnConfig(base_channels=4, num_modules=1)),
}


def random_network(config: NetworkConfig) -> nn.Module:
    """A network whose layers all count: as built, some begin with zeros."""
    torch.manual_seed(0)
    network = config.build().eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return network


def saved(folder: Path, name: str) -> tuple[Path, nn.Module, NetworkConfig]:
    kind, config = NETWORKS[name]
    path, network = folder / f"{name}.safetensors", random_network(config)
    save_weights(path, network, network_name=kind, config=config, metadata={"licence": "CC0-1.0"})
    return path, network, config


def answers_of(path: Path, inputs: tuple[Tensor, ...]) -> Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]
    given = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
    return torch.from_numpy(session.run(None, given)[0])


def metadata_of(path: Path) -> dict[str, str]:
    import onnx

    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_pictures_of_any_size_become_what_torch_makes_of_them(name, tmp_path, run_nsp):
    path, network, config = saved(tmp_path, name)
    spec = config.spec()
    dct_kernels.cache_clear()  # so that a constant could come from tracing, and break what follows
    run = run_nsp("export", path, "-o", tmp_path / "a.onnx")
    assert (run.code, run.out) == (0, f"{tmp_path / 'a.onnx'}\n"), run.err
    assert "Agrees with torch" in run.err
    inputs = random_inputs(spec, 40, 200, seed=7)
    with torch.inference_mode():
        right = network(*inputs)
    right = from_planes(right) if spec.is_noise_estimator else right
    answer = answers_of(tmp_path / "a.onnx", inputs)
    assert float((answer - right).abs().max() / right.abs().max()) < 1e-5
    told = metadata_of(tmp_path / "a.onnx")
    assert (told["name"], told["licence"], told["size"], told["opset"]) == (name, "CC0-1.0", "any", "18")
    assert told["input_multiple"] == str(spec.input_multiple)
    assert told["radius"] == str(spec.radius)
    assert told["scale"] == str(spec.scale)
    assert {key for key in told if key.startswith("input ")} == {
        f"input {each}" for each in interface_of(spec).inputs
    }
    assert str(Path(torch.__file__).parent).encode() not in (tmp_path / "a.onnx").read_bytes()


@needs_onnx
@pytest.mark.slow
def test_a_network_that_has_run_can_be_exported(tmp_path, run_nsp):
    path, network, config = saved(tmp_path, "noise-map")
    dct_kernels.cache_clear()
    with torch.inference_mode():  # what is kept between calls then comes from here
        network(*random_inputs(config.spec(), 64, 64, seed=0))
    assert run_nsp("export", path, "-o", tmp_path / "a.onnx").code == 0


@needs_onnx
@pytest.mark.slow
def test_a_file_for_one_size_takes_that_size_alone(tmp_path, run_nsp):
    path, network, config = saved(tmp_path, "unet")
    run = run_nsp("export", path, "-o", tmp_path / "a.onnx", "--size", "96x64")
    assert run.code == 0, run.err
    assert metadata_of(tmp_path / "a.onnx")["size"] == "96x64"
    inputs = random_inputs(config.spec(), 64, 96, seed=7)
    with torch.no_grad():
        assert torch.allclose(answers_of(tmp_path / "a.onnx", inputs), network(*inputs), atol=1e-5)
    with pytest.raises(Exception, match="invalid dimensions"):
        answers_of(tmp_path / "a.onnx", random_inputs(config.spec(), 96, 64, seed=7))


@needs_onnx
@pytest.mark.slow
def test_a_file_that_differs_from_torch_does_not_appear(tmp_path, tiny_weights, run_nsp, monkeypatch):
    monkeypatch.setattr(onnx_file, "_largest_difference", lambda *_: float("nan"))
    run = run_nsp("export", tiny_weights, "-o", tmp_path / "a.onnx")
    assert run.code == 1
    assert "differs from torch" in run.err
    assert list(tmp_path.glob("*onnx*")) == []


@needs_onnx
@pytest.mark.slow
def test_without_onnxruntime_the_user_is_told_that_nothing_was_compared(
    tmp_path, tiny_weights, run_nsp, monkeypatch
):
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None if name == "onnxruntime" else name)
    run = run_nsp("export", tiny_weights, "-o", tmp_path / "a.onnx")
    assert run.code == 0
    assert "not compared" in run.err
    assert (tmp_path / "a.onnx").is_file()


def test_without_the_extra_the_error_names_it(tmp_path, tiny_weights, run_nsp, monkeypatch):
    monkeypatch.setattr(onnx_file, "find_spec", lambda _: None)
    run = run_nsp("export", tiny_weights, "-o", tmp_path / "a.onnx")
    assert run.code == 1
    assert 'pip install "nsp-cli[onnx]"' in run.err


class TestBadInput:
    """Errors come before the network is traced, so these tests need no extra."""

    @pytest.fixture(autouse=True)
    def _with_extra(self, monkeypatch) -> None:
        monkeypatch.setattr(onnx_file, "find_spec", lambda name: name)

    def test_sides_must_suit_the_network(self, tmp_path, run_nsp):
        path = saved(tmp_path, "unet")[0]
        run = run_nsp("export", path, "-o", tmp_path / "a.onnx", "--size", "1000x766")
        assert run.code == 1
        assert "multiples of 8, not 1000×766" in run.err
        assert "--size 1000x768" in run.err

    def test_a_picture_that_memory_cannot_hold_is_refused(self, tmp_path, run_nsp):
        path = saved(tmp_path, "unet")[0]
        run = run_nsp("export", path, "-o", tmp_path / "a.onnx", "--size", "800000x800000")
        assert run.code == 1
        assert "does not fit in memory" in run.err

    @pytest.mark.parametrize("size", ["96", "0x64", "96x", "-8x8", "８x8", "96x64x3"])
    def test_a_size_that_is_none_is_wrong_usage(self, size, tmp_path, tiny_weights, run_nsp):
        assert run_nsp("export", tiny_weights, "-o", tmp_path / "a.onnx", f"--size={size}").code == 2

    def test_an_existing_file_stays_without_overwrite(self, tmp_path, tiny_weights, run_nsp):
        (tmp_path / "a.onnx").write_bytes(b"mine")
        run = run_nsp("export", tiny_weights, "-o", tmp_path / "a.onnx")
        assert run.code == 1
        assert "--overwrite" in run.err
        assert (tmp_path / "a.onnx").read_bytes() == b"mine"

    def test_other_suffixes_are_refused(self, tmp_path, tiny_weights, run_nsp):
        run = run_nsp("export", tiny_weights, "-o", tmp_path / "a.safetensors", "--overwrite")
        assert (run.code, ".onnx" in run.err) == (1, True)

    def test_unknown_weights_and_folders_are_errors(self, tmp_path, tiny_weights, run_nsp):
        assert "no weights named" in run_nsp("export", "nsp-best", "-o", tmp_path / "a.onnx").err
        assert run_nsp("export", tiny_weights, "-o", tmp_path / "no" / "a.onnx").code == 1
