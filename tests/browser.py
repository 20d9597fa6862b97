"""Debian's Chromium, driven by Playwright, for tests of pages; with axe-core for accessibility."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from repo_paths import NODE_MODULES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MIN_TARGET = 44
"""Pixels of what a finger has to meet, on both sides (WCAG 2.5.5)."""

_SMALL_TARGETS = """(smallest) => {
  const found = [];
  for (const target of document.querySelectorAll('button, a, select, label:has(input)')) {
    const { width, height } = target.getBoundingClientRect();
    if (target.checkVisibility() && (width < smallest || height < smallest)) {
      found.push(`${target.innerText.trim()}: ${width} × ${height}`);
    }
  }
  return found;
}"""


def missing(what: str) -> NoReturn:
    """Skips a test that needs something, or fails it where `.ci/run` has seen to it."""
    if os.environ.get("FKD_REQUIRE_PAGES") == "1":
        pytest.fail(f"{what}; without FKD_REQUIRE_PAGES this test would be skipped")
    pytest.skip(what)


def find_chromium() -> str:
    """Chromium's command; without it, the test is skipped or fails."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing("there is no chromium on the PATH")
    return path


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser without a window."""
    path = find_chromium()
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing("needs pip install playwright")
    with sync_playwright() as driver:
        # Containers give Chromium no sandbox of its own; the pages are ours.
        started = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@contextmanager
def open_page(address: str, ignored: str | None = None) -> Iterator[Page]:
    """A page; anything on the console fails, but for lines with an ignored word."""
    complaints: list[str] = []
    with open_browser() as browser:
        page = browser.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        yield page
    assert not [line for line in complaints if ignored is None or ignored not in line]


def small_targets(page: Page) -> list[str]:
    """The visible controls that are too small for a finger."""
    found: list[str] = page.evaluate(_SMALL_TARGETS, MIN_TARGET)
    return found


def accessibility_problems(page: Page) -> list[str]:
    """What axe-core finds wrong: its rule, and the element."""
    script = NODE_MODULES / "axe-core" / "axe.min.js"
    if not script.is_file():
        missing("needs axe-core from `npm ci --prefix tests/node`")
    page.evaluate(script.read_text(encoding="utf-8"))
    result: dict[str, Any] = page.evaluate("axe.run()")
    return [
        f"{problem['id']}: {node['html']}"
        for problem in result["violations"]
        for node in problem["nodes"]
    ]
