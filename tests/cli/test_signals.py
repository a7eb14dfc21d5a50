"""What becomes of Ctrl-C."""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest

from nsp_cli.cli.signals import kept_interrupts


class Thing:
    """Something that a weak reference can be of."""


def drop(error: type[BaseException]) -> None:
    """Raises an error where Python can only drop it, as it does when Ctrl-C comes at such a moment."""

    def fail(_reference: object) -> None:
        raise error

    thing = Thing()
    reference = weakref.ref(thing, fail)
    del thing
    assert reference() is None


def drop_and_wait(error: type[BaseException], seconds: float) -> None:
    drop(error)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)


def drop_and_read(pipe: int) -> None:
    drop(KeyboardInterrupt)
    os.read(pipe, 1)


def test_an_interrupt_that_python_drops_comes_again():
    hook = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), kept_interrupts():
        drop_and_wait(KeyboardInterrupt, 10)
    assert sys.unraisablehook is hook


def test_it_wakes_what_waits():
    nothing_comes, end = os.pipe()
    hang_guard = threading.Timer(60, os.write, (end, b"x"))
    hang_guard.start()
    with pytest.raises(KeyboardInterrupt), kept_interrupts():
        drop_and_read(nothing_comes)
    assert hang_guard.is_alive()
    hang_guard.cancel()
    os.close(nothing_comes)
    os.close(end)


def test_it_interrupts_nobody_after_the_command():
    with kept_interrupts():
        drop(KeyboardInterrupt)
    time.sleep(0.3)


def test_other_errors_that_python_drops_are_reported_as_ever(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    with kept_interrupts():
        drop_and_wait(ZeroDivisionError, 0.2)
    assert [one.exc_type for one in reported] == [ZeroDivisionError]


def test_a_command_ends_though_python_dropped_the_interrupt(
    run_nsp, tmp_path: Path, tiny_weights, monkeypatch
):
    def nothing_arrives(_plan):
        drop_and_wait(KeyboardInterrupt, 10)
        pytest.fail("nobody interrupted")
        yield

    monkeypatch.setattr("nsp_cli.batch.arriving_jobs", nothing_arrives)
    assert run_nsp("watch", tmp_path, "-o", tmp_path / "out", "-m", tiny_weights).code == 0
