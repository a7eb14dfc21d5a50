"""The authors' files become the same network, and nothing in a .pth file can run."""

from __future__ import annotations

import pickle
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from nsp_cli.cli import main
from nsp_cli.errors import WeightsError
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.networks.tbsn import TbsnConfig
from nsp_cli.weights.file import load_network
from nsp_cli.weights.pth import import_pth

REFERENCE = Path(__file__).parents[1] / "data" / "reference"
CONFIGS = {
    "dbsn_t2": DbsnConfig(base_channels=16, num_modules=2, t=2),
    "dbsn_t4": DbsnConfig(base_channels=16, num_modules=1, t=4),
    "tbsn_t2": TbsnConfig(dim=8, num_blocks=(1, 1, 1), num_refinement_blocks=1, spatial_head_size=4),
}
ATTENTION_MASK = "latent.0.spatial_attn.fixed_pos_emb.attention_mask"


def authors_state(name):
    tensors = load_file(REFERENCE / f"{name}.safetensors")
    return {key.removeprefix("state."): value for key, value in tensors.items() if key.startswith("state.")}


def checkpoint(state):
    """Returns what the authors' training saves: the network beside the optimiser and all random states."""
    network = torch.nn.Linear(3, 3)
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.ones(3)).sum().backward()
    optimiser.step()
    return {
        "epoch": 750,
        "model_state_dict": {f"module.{key}": value for key, value in state.items()},
        "optimizer_state_dict": optimiser.state_dict(),
        "torch_rng_state": torch.get_rng_state(),
        "cuda_rng_state": torch.get_rng_state(),
        "cuda_rng_state_all": [torch.get_rng_state()],
        "numpy_rng_state": np.random.get_state(),
        "random_rng_state": random.getstate(),
    }


def write(tmp_path, content, **options):
    path = tmp_path / "authors.pth"
    torch.save(content, path, **options)
    return path


def refusal(path):
    with pytest.raises(WeightsError) as caught:
        import_pth(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value.message


def error_against_reference(network, name):
    path = REFERENCE / f"{name}.safetensors"
    with safe_open(path, framework="pt") as file:
        white = 255 if file.metadata()["value_range"] == "[0,255]" else 1
        given, expected = file.get_tensor("input") / white, file.get_tensor("output") / white
    with torch.no_grad():
        return float((network(given) - expected).abs().max())


@pytest.mark.parametrize("form", [dict, checkpoint], ids=["state_dict", "checkpoint"])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_authors_networks_are_recognised_and_answer_the_same(tmp_path, name, form):
    imported = import_pth(write(tmp_path, form(authors_state(name))))
    assert imported.config == CONFIGS[name]
    assert imported.network_name == name[:4]
    assert error_against_reference(imported.network, name) < 1e-5


def test_files_without_masks_and_in_the_old_format(tmp_path):
    state = {key: value for key, value in authors_state("tbsn_t2").items() if not key.endswith("mask")}
    path = write(tmp_path, state, _use_new_zipfile_serialization=False)
    assert import_pth(path).config == CONFIGS["tbsn_t2"]


def test_numpy_1_and_2_pickles_are_both_read(tmp_path):
    """Their names for the same function differ; the length must not, for the pickle to stay intact."""
    content = pickle.dumps(np.random.get_state(), protocol=2)
    assert b"numpy._core.multiarray" in content or b"numpy.core.multiarray" in content
    path = write(tmp_path, checkpoint(authors_state("dbsn_t2")), _use_new_zipfile_serialization=False)
    old, new = b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n"
    held = path.read_bytes()
    assert held.count(new) + held.count(old) == 1
    for other in (held.replace(new, old), held.replace(old, new)):
        path.write_bytes(other)
        assert import_pth(path).config == CONFIGS["dbsn_t2"]


def test_the_command_writes_weights_that_load(tmp_path, capsys):
    path, output = write(tmp_path, checkpoint(authors_state("dbsn_t2"))), tmp_path / "out.safetensors"
    assert (
        main(["weights", "import", str(path), "-o", str(output), "--name", "authors", "--pd-factor", "4"])
        == 0
    )
    assert capsys.readouterr().out.strip() == str(output)
    network, info = load_network(output)
    assert error_against_reference(network, "dbsn_t2") < 1e-5
    assert (info.metadata["name"], info.pd_factor) == ("authors", 4)
    assert "authors.pth, sha256 " in info.metadata["source"]


def test_the_command_replaces_nothing_unasked(tmp_path, capsys):
    path, output = write(tmp_path, authors_state("dbsn_t2")), tmp_path / "out.safetensors"
    output.write_text("precious")
    assert main(["weights", "import", str(path), "-o", str(output)]) == 1
    assert "already exists" in capsys.readouterr().err
    assert output.read_text() == "precious"
    assert main(["weights", "import", str(path), "-o", str(output), "--overwrite"]) == 0
    load_network(output)


@pytest.mark.parametrize("output", ["out.pth", "no-such-folder/out.safetensors"])
def test_the_command_refuses_a_wrong_output(tmp_path, output):
    path = write(tmp_path, authors_state("dbsn_t2"))
    assert main(["weights", "import", str(path), "-o", str(tmp_path / output)]) == 1


def test_the_command_wants_an_output(tmp_path):
    assert main(["weights", "import", str(tmp_path / "x.pth")]) == 2


class Malicious:
    """Its pickle creates a file when it is loaded carelessly."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize("place", ["alone", "beside", "in_state"])
@pytest.mark.parametrize("call", [open, exec, np.fromfile, np.load])
def test_no_code_runs(tmp_path, call, place):
    mark = tmp_path / "was-here"
    argument = f"open({str(mark)!r}, 'w')" if call is exec else str(mark)
    bomb = Malicious(call, argument, "w") if call is open else Malicious(call, argument)
    content = {
        "alone": bomb,
        "beside": checkpoint(authors_state("dbsn_t2")) | {"epoch": bomb},
        "in_state": authors_state("dbsn_t2") | {"head.0.bias": bomb},
    }[place]
    assert "None of its code was run" in refusal(write(tmp_path, content))
    assert not mark.exists()


def test_other_numpy_objects_are_refused(tmp_path):
    assert "numpy" in refusal(write(tmp_path, checkpoint({}) | {"loss": np.float64(3)}))


def test_reading_leaves_torch_as_strict_as_it_was(tmp_path):
    path = write(tmp_path, checkpoint(authors_state("dbsn_t2")))
    import_pth(path)
    with pytest.raises(pickle.UnpicklingError, match="numpy"):
        torch.load(path, weights_only=True)


@pytest.mark.parametrize("content", [b"", b"abc" * 100, b"PK\x03\x04" + bytes(100), b"\x80\x02]q\x00."])
def test_a_foreign_file(tmp_path, content):
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    refusal(path)


def test_a_truncated_file(tmp_path):
    path = write(tmp_path, authors_state("dbsn_t2"))
    path.write_bytes(path.read_bytes()[:-2000])
    assert "damaged" in refusal(path)


def test_no_file(tmp_path):
    assert "does not exist" in refusal(tmp_path / "x.pth")


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {},
        {"model_state_dict": 5},
        {"model_state_dict": {}},
        {"epoch": 5},
        {5: torch.zeros(2)},
        {"x": torch.zeros(2, dtype=torch.int64)},
        {"x": torch.zeros(2).to_sparse()},
        {"x": torch.zeros(2)},
        {"head.0.weight": torch.zeros(())},
        {"head.0.weight": torch.zeros(4), "tail.5.weight": torch.zeros(0)},
        {"head.0.weight": torch.zeros(4), "tail.5.weight": torch.zeros(4, 0)},
        {"patch_embed.proj.weight": torch.zeros(4)},
    ],
    ids=str,
)
def test_something_else(tmp_path, content):
    refusal(write(tmp_path, content))


@pytest.mark.parametrize("name", ["dbsn_t2", "tbsn_t2"])
def test_every_key_counts(tmp_path, name):
    state = authors_state(name)
    last = [key for key in state if not key.endswith("mask")][-1]
    assert "extra is (1,) and should be absent" in refusal(write(tmp_path, state | {"extra": torch.zeros(1)}))
    assert "(1, 2, 3)" in refusal(write(tmp_path, state | {last: torch.zeros(1, 2, 3)}))
    del state[last]
    assert last in refusal(write(tmp_path, state))


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("dbsn_t2", "branch1.body.0.mask"),
        ("tbsn_t2", "patch_embed.proj.mask"),
        ("tbsn_t2", ATTENTION_MASK),
    ],
)
def test_a_mask_that_would_let_a_pixel_see_itself_is_refused(tmp_path, name, key):
    state = authors_state(name)
    state[key] = torch.ones_like(state[key])
    assert f"{key} is not the mask" in refusal(write(tmp_path, state))


@pytest.mark.parametrize("key", ["tail.0.mask", "nowhere.mask", ATTENTION_MASK])
def test_a_mask_where_none_belongs_is_refused(tmp_path, key):
    state = authors_state("dbsn_t2") | {key: torch.ones(1, 64, 144)}
    assert f"{key} is not the mask" in refusal(write(tmp_path, state))


@pytest.mark.slow
def test_full_size_networks_are_recognised(tmp_path):
    for config, name in ((DbsnConfig(), "dbsn"), (TbsnConfig(), "tbsn")):
        imported = import_pth(write(tmp_path, config.build().state_dict()))
        assert (imported.network_name, imported.config) == (name, config)


def rezipped(path, change):
    """Packs a .pth anew, as `change` gives its (name, content) entries back."""
    with zipfile.ZipFile(path) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(entries):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    path = write(tmp_path, authors_state("dbsn_t2"))
    rezipped(path, lambda entries: [(entries[0][0], bytes(2**26)), *entries[1:]])
    assert path.stat().st_size < 2**24
    assert "unpack to" in refusal(path)


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "archive/../../evil"])
def test_names_in_the_zip_lead_nowhere(tmp_path, name):
    (tmp_path / "below").mkdir()
    path = write(tmp_path / "below", authors_state("dbsn_t2"))
    rezipped(path, lambda entries: [*entries, (name, b"evil"), (f"{name}/data.pkl", b"evil")])
    refusal(path)
    assert {found.name for found in tmp_path.rglob("*")} == {"below", "authors.pth"}


@pytest.mark.parametrize("shape", [(2**30, 2**10), (2**40,)])
def test_one_number_repeated_a_billion_times_is_refused(tmp_path, shape):
    state = authors_state("dbsn_t2") | {"head.0.weight": torch.zeros(1, dtype=torch.float16).expand(shape)}
    assert "the limit for weights" in refusal(write(tmp_path, state))


def test_a_mask_of_any_size_is_not_made_to_compare_with(tmp_path):
    """The window's side is read off one mask: 3,000² × 6,000² numbers would be three hundred terabytes."""
    state = authors_state("tbsn_t2")
    rows = {name: torch.zeros(11_999, tensor.shape[1]) for name, tensor in state.items() if "rel_" in name}
    mask = {"encoder_level1.0.spatial_attn.fixed_pos_emb.attention_mask": torch.zeros(1, 3000**2, 1)}
    refusal(write(tmp_path, state | rows | mask))


@pytest.mark.parametrize("protocol", [0, 3, 4, 5])
def test_other_pickle_protocols_are_refused_without_a_warning(tmp_path, protocol):
    path = tmp_path / "a.pth"
    path.write_bytes(pickle.dumps({"head.0.weight": 1.0}, protocol=protocol))
    assert "Warning" not in refusal(path)


def test_a_refusal_does_not_pass_on_advice_to_load_unsafely(tmp_path):
    path = tmp_path / "photo.pth"
    path.write_bytes(b"\xff\xd8\xff\xe0" * 100)
    message = refusal(path)
    assert "damaged or not a .pth file (UnpicklingError)" in message
    assert "weights_only" not in message
