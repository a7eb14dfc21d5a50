"""Every test runs offline, with a cache of its own and one thread, so that none depends on the machine."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"  # of torch in the processes that tests start

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported

from nsp_cli import load_weights
from nsp_cli.cli import main
from nsp_cli.networks.dbsn import DbsnConfig
from nsp_cli.restoration.inference import Restorer
from nsp_cli.weights.file import save_weights
from tests.browser import why_absent

SHARED = Path(os.environ.get("NSP_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def pytest_configure() -> None:
    """Makes Ctrl-C work in tests and the processes they start, even if the shell ignores it for this one.

    A shell starts background jobs with SIGINT ignored, and children inherit that: what a test interrupts
    would never end.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what this machine cannot run, saying why."""
    absent = {
        "shared": None if SHARED.is_dir() else f"{SHARED} is absent",
        "cuda": None if torch.cuda.is_available() else "no CUDA device",
        "browser": why_absent(),
        "network": None if os.environ.get("NSP_TEST_NETWORK") else "NSP_TEST_NETWORK is not set",
    }
    for item in items:
        for marker, reason in absent.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("NSP_CACHE_DIR", str(tmp_path / "cache"))
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def tiny_config() -> DbsnConfig:
    """A DBSN of a few hundred parameters: everything but the picture is real."""
    return DbsnConfig(base_channels=4, num_modules=1)


@pytest.fixture
def tiny_weights(tmp_path: Path, tiny_config: DbsnConfig) -> Path:
    """A weights file of a tiny network, for commands that need one and do not mind the picture."""
    path = tmp_path / "tiny.safetensors"
    torch.manual_seed(0)
    save_weights(path, tiny_config.build(), network_name="dbsn", config=tiny_config, metadata={})
    return path


@pytest.fixture(scope="session")
def bundled() -> Callable[[str], Restorer]:
    """Returns a function that loads bundled weights on the CPU, each once."""
    return cache(partial(load_weights, device="cpu"))


@dataclass(frozen=True)
class Run:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def statuses(self) -> dict[str, str]:
        """What became of each photo, by its name, as --json tells in order."""
        lines = [json.loads(line) for line in self.out.splitlines()]
        assert len({line["source"] for line in lines}) == len(lines), "a photo was reported twice"
        return {Path(line["source"]).name: line["status"] for line in lines}


@pytest.fixture
def run_nsp(capfd: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """Returns a function that runs nsp through main() as a shell would."""

    def run(*arguments: object) -> Run:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Run(code, captured.out, captured.err)

    return run


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """A tiny student with random weights."""
    from tests.students import save_student

    return save_student(tmp_path)


@pytest.fixture
def shots(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder of two noisy photos; 620 pixels wide, if a test asks for no other width."""
    from tests.students import save_shots

    return save_shots(tmp_path, getattr(request, "param", 620))
