"""nsp in the process of the tests, with standard streams as Python makes them for pipes."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from nsp_cli.cli import main


def streamed(
    *arguments: object, content: bytes = b"", encoding: str = "utf-8"
) -> subprocess.CompletedProcess[bytes]:
    """Runs nsp and returns what it left in the streams.

    Args:
        arguments: Its command line.
        content: All that standard input gives.
        encoding: Encoding of the streams.
    """
    command, out, err = [str(argument) for argument in arguments], io.BytesIO(), io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding))
        patch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding))
        patch.setattr(sys, "stderr", io.TextIOWrapper(err, encoding, "backslashreplace"))
        code = main(command)
        sys.stdout.flush()
        sys.stderr.flush()
        return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())
