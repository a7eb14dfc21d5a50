"""What must hold for every damaged or forged weights file, manifest and .pth."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.random import Generator

from fuzz.mutations import BLIND, flip_bits
from fuzz.photo_cases import FaultError
from nsp_cli.errors import NspError
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.networks.tbsn import TbsnConfig
from nsp_cli.networks.unet import UnetConfig
from nsp_cli.weights.file import load_network, save_weights
from nsp_cli.weights.manifest import load_manifest
from nsp_cli.weights.network_config import config_to_json
from nsp_cli.weights.pth import import_pth
from nsp_cli.weights.resolve import resolve

_SEED = 60
CONFIGS: dict[str, Any] = {
    "dbsn": DbsnConfig(base_channels=4, num_modules=1),
    "tbsn": TbsnConfig(dim=8, num_blocks=(1, 1, 1), num_refinement_blocks=1, spatial_head_size=4),
    "unet": UnetConfig(widths=(2, 2, 2), encoder=(1, 1, 1), decoder=(1, 1)),
}
_ABSURD = (0, -1, 1, 2**15, 2**31, 2**32, 2**53, 2**63, 2**64, 10**30, 0.5, "4", None, True, [], {}, "F64")
_DTYPES = ("F64", "F16", "BF16", "I8", "U8", "BOOL", "F8_E4M3", "I64", "")
_NAMES = ("../../evil", "/etc/passwd", "..", "a/../b", "C:\\evil", "a\0b", "", ".", "a\nb", "ｎame")


@cache
def _safetensors_seeds() -> tuple[bytes, ...]:
    torch.manual_seed(0)
    seeds = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.safetensors"
        for name, config in CONFIGS.items():
            for half in (False, True):
                save_weights(
                    path,
                    config.build(),
                    network_name=name,
                    config=config,
                    metadata={"pd_factor": "5"},
                    half_precision=half,
                )
                seeds.append(path.read_bytes())
    return tuple(seeds)


def _random(kind: int, number: int) -> Generator:
    return np.random.default_rng([_SEED, kind, number])


def check_safetensors(kind: str, number: int, folder: Path, weights: Path) -> str:
    """Loads a forged file; what loads must be exactly what the file says."""
    random = _random(0, number)
    seeds = _safetensors_seeds()
    data = _forged(seeds[number % len(seeds)], random)
    path = folder / "case.safetensors"
    path.write_bytes(data)
    try:
        network, info = load_network(path)
    except NspError:
        return "refused"
    header, numbers = _opened(data)
    told = header.pop("__metadata__")
    if (
        json.loads(told["config"]) != json.loads(config_to_json(info.config))
        or told["network"] != info.network
    ):
        raise FaultError(f"{info.config} is not what the file says")
    state = network.state_dict()
    if state.keys() != header.keys():
        raise FaultError("other tensors than the file's")
    for name, about in header.items():
        first, end = about["data_offsets"]
        if not np.array_equal(state[name].numpy().ravel(), _floats(numbers[first:end], about["dtype"])):
            raise FaultError(f"{name} is not what the file holds")
    return "read"


def _floats(stored: bytes, dtype: str) -> Any:
    if dtype == "BF16":  # the upper half of a float32
        return (np.frombuffer(stored, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(stored, {"F32": "<f4", "F16": "<f2"}[dtype]).astype(np.float32)


def _opened(data: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def _forged(data: bytes, random: Generator) -> bytes:
    way = random.integers(5)
    if way == 0:
        return BLIND[random.integers(len(BLIND))](data, random)
    if way == 4:  # other numbers, same header: nothing is wrong but a number that is none
        length = 8 + int.from_bytes(data[:8], "little")
        return data[:length] + flip_bits(data[length:], random)
    if way == 1:
        length = (0, 1, 7, 2**20, 2**27, 2**31, 2**40, 2**63, 2**64 - 1)[random.integers(9)]
        return struct.pack("<Q", length) + data[8:]
    header, numbers = _opened(data)
    for _ in range(int(random.integers(1, 4))):
        _forge_header(header, random)
    text = json.dumps(header).encode()
    if way == 2:
        text = BLIND[random.integers(len(BLIND))](text, random)
    return struct.pack("<Q", len(text)) + text + numbers[: None if random.random() < 0.8 else -4]


def _forge_header(header: dict[str, Any], random: Generator) -> None:
    names = [name for name in header if name != "__metadata__"]
    absurd = _ABSURD[random.integers(len(_ABSURD))]
    way = random.integers(7)
    if way == 0 or not names:
        _forge_metadata(header, absurd, random)
        return
    name = names[random.integers(len(names))]
    entry = header[name]
    if way == 1 and isinstance(entry.get("shape"), list) and entry["shape"]:
        entry["shape"][random.integers(len(entry["shape"]))] = absurd
    elif way == 2:
        entry["dtype"] = _DTYPES[random.integers(len(_DTYPES))]
    elif way == 3:
        entry["data_offsets"] = [absurd, entry["data_offsets"][1]][:: int(random.choice([-1, 1]))]
    elif way == 4:
        header[_NAMES[random.integers(len(_NAMES))]] = header.pop(name)
    elif way == 5:  # a tensor without numbers may have any side
        end = max(part["data_offsets"][1] for part in (header[name] for name in names) if _is_sound(part))
        header["empty"] = {"dtype": "F32", "shape": [2**31, 0], "data_offsets": [end, end]}
    else:
        other = names[random.integers(len(names))]
        header[name], header[other] = header[other], header[name]


def _is_sound(entry: dict[str, Any]) -> bool:
    return all(type(place) is int for place in entry["data_offsets"])


def _forge_metadata(header: dict[str, Any], absurd: Any, random: Generator) -> None:
    told = header.get("__metadata__")
    if not isinstance(told, dict) or not told or random.random() < 0.1:
        header["__metadata__"] = absurd
        return
    key = list(told)[random.integers(len(told))]
    if key == "config" and random.random() < 0.8:
        config = json.loads(told["config"])
        config[list(config)[random.integers(len(config))]] = absurd
        told["config"] = json.dumps(config)
    else:
        told[key] = absurd if random.random() < 0.3 else str(absurd)


_MANIFEST = """
default = "one"
hub_repository = "owner/name"

[weights.one]
file = "one.safetensors"
sha256 = "{sha256}"
network = "dbsn"
summary = "One."
licence = "CC0-1.0"
card = "one.md"
bundled = true

[weights.two]
file = "two.safetensors"
sha256 = "{sha256}"
network = "dbsn"
summary = "Two."
licence = "CC0-1.0"
card = "two.md"
bundled = false
revision = "v1"
repository = "owner/other"
"""


def check_manifest(kind: str, number: int, folder: Path, weights: Path) -> str:
    """Reads a forged manifest; no entry may name a file elsewhere, or weights that are not its own."""
    from nsp_cli.weights.resolve import sha256_of

    os.environ["HF_HUB_OFFLINE"] = "1"
    sha256 = sha256_of(weights)
    (folder / "one.safetensors").write_bytes(weights.read_bytes())
    (folder / "manifest.toml").write_bytes(
        _forged_manifest(_MANIFEST.format(sha256=sha256), _random(1, number))
    )
    try:
        manifest = load_manifest(folder)
    except NspError:
        return "refused"
    for entry in manifest.entries.values():
        parts = [entry.file, entry.card, *entry.revision.split("/")]
        parts += entry.repository.split("/") if entry.repository else []
        if any(Path(part).name != part or part in ("..", ".") or {"\\", "\0"} & set(part) for part in parts):
            raise FaultError(f"{entry} names a place elsewhere")
    return _resolve_all(manifest, sha256)


def _resolve_all(manifest: Any, sha256: str) -> str:
    outcome = "refused"
    for name in manifest.entries:
        try:
            resolved = resolve(name, manifest=manifest)
        except NspError:
            continue
        if resolved.sha256 != sha256 or resolved.path.resolve().parent != manifest.folder.resolve():
            raise FaultError(f"{name} became {resolved}")
        outcome = "read"
    return outcome


def _forged_manifest(text: str, random: Generator) -> bytes:
    lines = text.splitlines()
    for _ in range(int(random.integers(1, 3))):
        index = int(random.integers(len(lines)))
        key, equals, _ = lines[index].partition(" = ")
        absurd = (*_ABSURD, *_NAMES)[random.integers(len(_ABSURD) + len(_NAMES))]
        if equals and random.random() < 0.7:
            lines[index] = f"{key} = {json.dumps(absurd)}"
        elif random.random() < 0.5:
            lines[index] = lines[random.integers(len(lines))]
        else:
            lines[index] = flip_bits(lines[index].encode(), random).decode("latin-1")
    data = "\n".join(lines).encode()
    return BLIND[random.integers(len(BLIND))](data, random) if random.random() < 0.15 else data


class _Call:
    """Pickles as a call, which is how a .pth runs code."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@cache
def _pth_seeds() -> tuple[bytes, ...]:
    torch.manual_seed(0)
    state = CONFIGS["dbsn"].build().state_dict()
    seeds = []
    for content in (
        state,
        {"epoch": 3, "model_state_dict": {f"module.{key}": part for key, part in state.items()}},
    ):
        for is_zip in (True, False):
            file = io.BytesIO()
            torch.save(content, file, _use_new_zipfile_serialization=is_zip)
            seeds.append(file.getvalue())
    return tuple(seeds)


def check_pth(kind: str, number: int, folder: Path, weights: Path) -> str:
    """Imports a forged file: nothing in it may run, and what comes out must be what torch finds in it."""
    random = _random(2, number)
    seeds = _pth_seeds()
    path, canary = folder / "case.pth", folder / "canary"
    path.write_bytes(_forged_pth(seeds[number % len(seeds)], canary, random))
    try:
        imported = import_pth(path)
    except NspError:
        return "refused"
    finally:
        if {found.name for found in folder.iterdir()} != {"case.pth"}:
            raise FaultError("the file did something")
    content = torch.load(path, map_location="cpu", weights_only=True)
    stored = {
        key.removeprefix("module."): part for key, part in content.get("model_state_dict", content).items()
    }
    for name, tensor in imported.network.state_dict().items():
        if not torch.equal(tensor, stored[name].float()) and not tensor.isnan().any():
            raise FaultError(f"{name} is not what the file holds")
    return "read"


def _forged_pth(data: bytes, canary: Path, random: Generator) -> bytes:
    way = random.integers(5)
    if way == 0:
        return _malicious(canary, random)
    if not data.startswith(b"PK"):
        return BLIND[random.integers(len(BLIND))](data, random)
    if way == 1:
        return BLIND[random.integers(len(BLIND))](data, random)
    entries = _entries(data)
    for _ in range(int(random.integers(1, 3))):
        _forge_entry(entries, canary, random)
    return _zipped(entries, random)


def _entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _forge_entry(entries: dict[str, bytes], canary: Path, random: Generator) -> None:
    names = list(entries)
    name = names[random.integers(len(names))]
    way = random.integers(5)
    if way == 0:
        entries[f"{_NAMES[random.integers(len(_NAMES))]}{name}"] = entries.pop(name)
    elif way == 1:
        entries[name] = bytes(2**28)  # deflated it is a bomb: 256 KB
    elif way == 2:
        pickled = next((name for name in names if name.endswith("data.pkl")), name)
        entries[pickled] = BLIND[random.integers(len(BLIND))](entries[pickled], random)
    elif way == 3:
        entries[name] = _malicious(canary, random)
    else:
        entries[name] = BLIND[random.integers(len(BLIND))](entries[name], random)


def _zipped(entries: dict[str, bytes], random: Generator) -> bytes:
    file = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if random.random() < 0.5 else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            is_bomb = len(content) > 2**24
            archive.writestr(
                zipfile.ZipInfo(name.replace("\0", "")),
                content,
                zipfile.ZIP_DEFLATED if is_bomb else method,
                9,
            )
    return file.getvalue()


def _malicious(canary: Path, random: Generator) -> bytes:
    calls = (
        _Call(os.system, f"touch {canary}"),
        _Call(os.mkdir, str(canary)),
        _Call(eval, f"open({str(canary)!r}, 'w')"),
        _Call(exec, f"open({str(canary)!r}, 'w')"),
        _Call(open, str(canary), "w"),
        _Call(torch.save, 1, str(canary)),
        _Call(__import__, "antigravity"),
    )
    call = calls[random.integers(len(calls))]
    content = {"model_state_dict": {"head.0.weight": call}} if random.random() < 0.5 else call
    if random.random() < 0.5:
        return pickle.dumps(content, protocol=int(random.integers(0, 5)))
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=bool(random.random() < 0.7))
    return file.getvalue()
