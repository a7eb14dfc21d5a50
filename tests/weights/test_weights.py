"""From a name, a path or an address to a checked local file: nothing damaged or swapped gets through."""

from __future__ import annotations

import hashlib
import json

import pytest
from safetensors.torch import save_file

import nsp_cli.weights.manifest
from nsp_cli.cli import main
from nsp_cli.errors import WeightsError
from nsp_cli.weights.file import load_network, save_weights
from nsp_cli.weights.hub import parse_hub_file
from nsp_cli.weights.manifest import AUTOMATIC, load_manifest, weights_folder
from nsp_cli.weights.resolve import resolve, sha256_of

ENTRY = """
[weights.{name}]
file = "{name}.safetensors"
sha256 = "{sha256}"
network = "dbsn"
summary = "Only for tests."
licence = "CC0-1.0"
card = "{name}.md"
bundled = {bundled}
"""


@pytest.fixture
def weights(tmp_path, tiny_config):
    path = tmp_path / "own.safetensors"
    save_weights(
        path, tiny_config.build(), network_name="dbsn", config=tiny_config, metadata={"licence": "CC0-1.0"}
    )
    return path


@pytest.fixture
def folder(tmp_path, weights, monkeypatch):
    """A folder like weights/, with a bundled entry `tiny` and a hub entry `large`, made nsp's own."""
    folder = tmp_path / "weights"
    folder.mkdir()
    content = weights.read_bytes()
    (folder / "tiny.safetensors").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    (folder / "manifest.toml").write_text(
        'default = "tiny"\n'
        + ENTRY.format(name="tiny", sha256=sha256, bundled="true")
        + ENTRY.format(name="large", sha256=sha256, bundled="false")
    )
    monkeypatch.setattr(nsp_cli.weights.manifest, "weights_folder", lambda: folder)
    monkeypatch.delenv("NSP_HUB_REPO", raising=False)
    return folder


def refusal(model, **options):
    with pytest.raises(WeightsError) as caught:
        resolve(model, **options)
    assert caught.value.hint
    return f"{caught.value.message} {caught.value.hint}"


def flip(path):
    """Changes one bit of the last number, which leaves the file readable."""
    content = bytearray(path.read_bytes())
    content[-4] ^= 1
    path.write_bytes(content)


# Names


@pytest.mark.parametrize("model", ["auto", "tiny"])
def test_bundled_weights_are_found_and_load(folder, model):
    found = resolve(model)
    assert (found.path, found.name) == (folder / "tiny.safetensors", "tiny")
    assert found.sha256 == sha256_of(found.path)
    load_network(found.path)


def test_bundled_weights_that_changed_are_refused(folder):
    flip(folder / "tiny.safetensors")
    assert "was changed or is damaged" in refusal("tiny")


def test_bundled_weights_that_are_gone(folder):
    (folder / "tiny.safetensors").unlink()
    assert "missing" in refusal("tiny")


def test_an_unknown_name_lists_the_known_ones(folder):
    assert "known names are tiny, large" in refusal("huge")


def test_without_a_hub_repository_the_error_says_how_to_set_one(folder):
    assert "NSP_HUB_REPO=owner/name" in refusal("large")


@pytest.mark.parametrize("repository", ["nonsense", "../..", "a/b/c", "https://huggingface.co/a/b"])
def test_a_wrong_hub_repository(folder, monkeypatch, repository):
    monkeypatch.setenv("NSP_HUB_REPO", repository)
    assert f"NSP_HUB_REPO={repository}" in refusal("large")


def test_a_given_sha256_must_be_the_manifests(folder, weights):
    assert resolve("tiny", sha256=sha256_of(weights).upper()).name == "tiny"
    assert "not the one given" in refusal("tiny", sha256="0" * 64)


def test_without_a_default_auto_says_so(folder):
    (folder / "manifest.toml").write_text("")
    assert "has no weights" in refusal("auto")


# The manifest


def test_nsp_knows_its_own_weights():
    manifest = load_manifest()
    for entry in manifest.entries.values():
        assert (manifest.folder / entry.card).is_file()
        if entry.bundled:
            assert load_network(resolve(entry.name).path)[1].network == entry.network


def test_the_folder_of_a_source_checkout_holds_the_manifest():
    assert (weights_folder() / "manifest.toml").is_file()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('default = "tiny"', 'default = "none"'),
        ('default = "tiny"', 'default = "tiny'),
        ('default = "tiny"', 'hub_repository = "nonsense"'),
        ('file = "tiny.safetensors"', 'file = "../tiny.safetensors"'),
        ('card = "tiny.md"', 'card = "/etc/passwd"'),
        ("bundled = false", 'bundled = false\nrevision = "../../main"'),
        ("bundled = false", 'bundled = false\nrevision = ""'),
        ("bundled = false", 'bundled = false\nrepository = "../.."'),
        ('file = "tiny.safetensors"', 'file = "/etc/passwd"'),
        ('file = "tiny.safetensors"', "file = 5"),
        ('card = "tiny.md"', 'card = "a/b.md"'),
        ("bundled = true", 'bundled = "yes"'),
        ("bundled = true", "bundled = true\nunknown = 1"),
        ("[weights.tiny]", '[weights."../tiny"]'),
        ("[weights.tiny]", "[weights.auto]"),
        ('sha256 = "', 'sha256 = "x'),
        ('licence = "CC0-1.0"', ""),
        ("[weights.tiny]", "[weights]\nx = 5\n[weights.tiny]"),
        ("bundled = false", 'bundled = false\nrepository = "nonsense"'),
    ],
)
def test_a_wrong_manifest_is_refused(folder, old, new):
    path = folder / "manifest.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert str(path) in refusal("tiny")


def test_no_manifest(folder):
    (folder / "manifest.toml").unlink()
    assert "manifest.toml" in refusal("tiny")


# Paths


def test_a_file_of_ones_own(weights):
    found = resolve(str(weights))
    assert (found.path, found.name, found.sha256) == (weights, "own", sha256_of(weights))
    assert resolve(str(weights), sha256=sha256_of(weights)).path == weights


def test_a_file_with_another_sha256(weights):
    assert "has sha256" in refusal(str(weights), sha256="0" * 64)


@pytest.mark.parametrize("sha256", ["", "abc", "g" * 64, "0" * 63])
def test_what_is_no_sha256(weights, sha256):
    assert "not a sha256" in refusal(str(weights), sha256=sha256)


def test_a_damaged_file(weights):
    weights.write_bytes(weights.read_bytes()[:-10])
    assert "damaged" in refusal(str(weights))


def test_a_missing_file(tmp_path):
    assert "does not exist" in refusal(str(tmp_path / "x.safetensors"))


def test_a_folder(tmp_path):
    refusal(str(tmp_path))


@pytest.mark.parametrize("ending", [".pth", ".pt", ".ckpt"])
def test_files_that_can_carry_code_are_not_loaded(tmp_path, ending):
    assert "nsp weights import" in refusal(str(tmp_path / f"x{ending}"))


def test_only_addresses_have_a_revision(weights):
    assert "only hf:// addresses" in refusal(str(weights), revision="v1")


# Addresses


def test_an_address_in_parts():
    file = parse_hub_file("hf://some.one/re_po-1/folder/x.safetensors@refs/pr/1")
    assert (file.repository, file.path, file.revision) == (
        "some.one/re_po-1",
        "folder/x.safetensors",
        "refs/pr/1",
    )
    assert parse_hub_file(str(file)) == file
    assert parse_hub_file("hf://a/b/x.safetensors").revision == "main"
    assert parse_hub_file("hf://a/b/x.safetensors@v1", "v2").revision == "v2"


@pytest.mark.parametrize(
    "address",
    [
        "hf://",
        "hf://a",
        "hf://a/b",
        "hf://a/b/",
        "hf://a/b/x.pth",
        "hf://a/b/.safetensors",
        "hf://a/b/../../x",
        "hf://a/b/../../x.safetensors",
        "hf://a/../x.safetensors",
        "hf://../b/x.safetensors",
        "hf://a/b//x.safetensors",
        "hf://a/b/c/../x.safetensors",
        "hf://a/b/..\\x.safetensors",
        "hf://a/b/c:x.safetensors",
        "hf://a/b/%2e%2e/x.safetensors",
        "hf://a/b/x.safetensors@",
        "hf://a/b/x.safetensors@../../y",
        "hf://a/b/x.safetensors@v1@v2",
        "hf://a/b/x y.safetensors",
        "hf://a/b/x.safetensors\n",
        "hf://a\n/b/x.safetensors",
        "hf://http://a/b/x.safetensors",
    ],
)
def test_addresses_that_lead_elsewhere_are_refused(address):
    assert "not the address of a weights file" in refusal(address)


# Commands


def run(capsys, *arguments):
    code = main(["weights", *arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_list_shows_where_the_weights_are(folder, capsys):
    code, out, _ = run(capsys, "list", "--json")
    rows = json.loads(out)
    assert code == 0
    assert [(row["name"], row["where"], row["default"]) for row in rows] == [
        ("tiny", "bundled", True),
        ("large", "absent", False),
    ]
    code, out, _ = run(capsys, "list")
    assert code == 0
    assert "Only for tests." in out


def test_list_says_what_each_bundled_default_is_for(capsys):
    code, _, err = run(capsys, "list")
    assert code == 0
    (line,) = (line for line in err.splitlines() if line.startswith("Default:"))
    assert line.count("(") == len(load_manifest().defaults) == len(AUTOMATIC)


def test_list_of_nothing(folder, capsys):
    (folder / "manifest.toml").write_text("")
    assert run(capsys, "list", "--json")[:2] == (0, "[]\n")
    assert "knows no weights by name" in run(capsys, "list")[2]


def test_info_of_a_name_and_of_a_file(folder, weights, capsys):
    code, out, _ = run(capsys, "info", "tiny", "--json")
    facts = json.loads(out)
    assert code == 0
    assert (facts["network"], facts["pd_factor"], facts["licence"]) == ("dbsn", 5, "CC0-1.0")
    assert facts["card"] == str(folder / "tiny.md")
    code, out, _ = run(capsys, "info", str(weights))
    assert code == 0
    assert f"file: {weights}" in out
    assert "card" not in out


@pytest.mark.parametrize("model", ["large", "huge", "hf://a/b/x.safetensors", "absent.safetensors"])
def test_info_fetches_nothing(folder, capsys, model):
    code, out, err = run(capsys, "info", model)
    assert (code, out) == (1, "")
    assert model in err


def test_info_of_a_foreign_file(tmp_path, capsys):
    path = tmp_path / "foreign.safetensors"
    save_file({}, path)
    code, _, err = run(capsys, "info", str(path))
    assert code == 1
    assert "not made by nsp" in err


def test_path_and_pull_print_the_path_alone(folder, capsys):
    expected = f"{folder / 'tiny.safetensors'}\n"
    assert run(capsys, "path", "tiny")[:2] == (0, expected)
    assert run(capsys, "pull", "tiny")[:2] == (0, expected)


def test_path_checks_what_it_names(folder, capsys):
    flip(folder / "tiny.safetensors")
    code, out, err = run(capsys, "path", "tiny")
    assert (code, out) == (1, "")
    assert "differs" in err


def test_verify_passes_what_is_right_and_skips_what_is_absent(folder, capsys):
    code, out, _ = run(capsys, "verify")
    assert (code, out) == (0, "tiny: ok\nlarge: absent\n")
    assert run(capsys, "verify", "tiny")[0] == 0


def test_verify_fails_what_differs_and_what_was_asked_for_and_is_absent(folder, capsys):
    assert run(capsys, "verify", "large")[0] == 1
    flip(folder / "tiny.safetensors")
    code, out, err = run(capsys, "verify")
    assert (code, out) == (1, "tiny: differs\nlarge: absent\n")
    assert "missing or differ from those published: tiny." in err
    assert run(capsys, "verify", "huge")[0] == 1


@pytest.mark.parametrize(
    "arguments", [["info"], ["pull"], ["path"], ["import"], ["pull", "tiny", "--sha"], ["x"]]
)
def test_usage_errors(folder, capsys, arguments):
    assert run(capsys, *arguments)[0] == 2
