"""A real browser for tests of pages: Chromium, driven by Selenium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# As root and without a screen, and with nothing of its own to ask the network for.
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-device-scale-factor=1",
)


def chromium() -> str | None:
    """Returns the path of a Chromium or Chrome, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def why_absent() -> str | None:
    """Says what a browser test lacks here; None where it can run.

    Raises:
        pytest.UsageError: Something is lacking where NSP_NEEDS_BROWSER says that it must not.
    """
    reason = _lacking()
    # A skip would pass for a success, and nobody would see that the pages are no longer tested.
    if reason and os.environ.get("NSP_NEEDS_BROWSER"):
        raise pytest.UsageError(f"NSP_NEEDS_BROWSER is set, but {reason}")
    return reason


def _lacking() -> str | None:
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "selenium is not installed"
    if chromium() is None or shutil.which("chromedriver") is None:
        return "there is no Chromium with chromedriver"
    return None


@contextmanager
def browser(profile: Path, width: int = 1200, height: int = 900) -> Iterator[Any]:
    """Starts a browser with a window of that size and an empty profile; it logs console and network."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium() or ""
    for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        # A headless window may not be narrower than 500 pixels; what the page sees may be.
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        yield driver
    finally:
        driver.quit()
