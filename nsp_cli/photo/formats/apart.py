"""Runs a decoder in a process of its own: some crash on damaged files, or write to the terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsp_cli.files import temporary_folder

_SECONDS = 30  # and one for each megapixel
_KIND_OF_ERROR = re.compile(r"^[\w.]+: (?=.)")  # with which Python's last line begins; users need the words


def run_apart(module: str, *arguments: str, folder: Path, megapixels: float) -> None:
    """Runs a module of nsp, which must call `end_with_parent`, and waits for it.

    Args:
        module: Its name.
        arguments: For it; paths must be absolute.
        folder: Where it runs.
        megapixels: Size of the picture, which decides how long it may take.

    Raises:
        ValueError: It failed, crashed, or took too long.
    """
    # The other process must import the same packages, wherever they were found.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    own_end, end = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            stdin=own_end,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_SECONDS + megapixels,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError("decoding it would take too long") from error
    finally:
        os.close(own_end)
        os.close(end)
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()
        is_told = done.returncode > 0 and words
        raise ValueError(_KIND_OF_ERROR.sub("", words[-1]) if is_told else "its decoder crashed")


def arrays_apart(module: str, *arguments: str, megapixels: float) -> dict[str, NDArray[Any]]:
    """Arrays that a module of nsp saves in the file of its last argument, as `numpy.savez` does.

    Raises:
        ValueError: As `run_apart`.
    """
    with temporary_folder() as folder:
        result = folder / "picture.npz"
        run_apart(module, *arguments, str(result), folder=folder, megapixels=megapixels)
        with np.load(result) as arrays:
            return dict(arrays)


def end_with_parent() -> None:
    """Lets this process end when nsp has ended."""
    threading.Thread(target=_wait_for_end, daemon=True).start()


def _wait_for_end() -> None:
    """Waits until the system closes nsp's end of the pipe."""
    os.read(0, 1)  # not sys.stdin, whose lock Python wants back when it ends
    os.kill(os.getpid(), signal.SIGTERM)
