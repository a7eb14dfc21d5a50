"""Tests of pages are skipped where there is no browser, and only where that may be."""

from __future__ import annotations

import pytest

from tests import browser


@pytest.fixture(autouse=True)
def _no_chromium(monkeypatch) -> None:
    monkeypatch.setattr(browser, "chromium", lambda: None)


def test_an_absent_browser_is_a_reason_to_skip(monkeypatch):
    monkeypatch.delenv("NSP_NEEDS_BROWSER", raising=False)
    assert browser.why_absent()


def test_an_absent_browser_is_an_error_where_one_is_needed(monkeypatch):
    monkeypatch.setenv("NSP_NEEDS_BROWSER", "1")
    with pytest.raises(pytest.UsageError, match="NSP_NEEDS_BROWSER"):
        browser.why_absent()
