"""The live page in a browser; skips where there is no Chromium, or no Playwright to drive it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("uvicorn", reason="needs the live extra: pip install 'fkd[live]'")
pytest.importorskip("starlette", reason="needs the live extra: pip install 'fkd[live]'")
pytest.importorskip("playwright", reason="needs pip install playwright")

from live_page import HEIGHT, TOKEN, WIDTH, endless_frames, live_runner, serve, wait_until
from playwright.sync_api import expect, sync_playwright

from fkd_infer.live.runner import LiveRunner
from fkd_infer.live.server import LiveServer
from fkd_infer.media.images.file import read_image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.serial,  # a browser of several processes beside a server and its video
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]

PIXEL = """() => {
  const video = document.getElementById('video');
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 8, 8, 0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
}"""
"""Red, green and blue of the shown video's corner."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        # Containers give Chromium no sandbox of its own; the page is ours.
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def live() -> LiveRunner:
    return live_runner(endless_frames())


@pytest.fixture
def server(live: LiveRunner) -> Iterator[LiveServer]:
    with serve(live, TOKEN) as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: LiveServer) -> Iterator[Page]:
    """The open page; anything on the console fails the test."""
    complaints: list[str] = []
    context = browser.new_context(accept_downloads=True)
    opened = context.new_page()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(server.urls[0])
    opened.wait_for_selector("#status[data-state=live]")
    yield opened
    context.close()
    assert complaints == []


def pixel(page: Page) -> list[int]:
    values: list[int] = page.evaluate(PIXEL)
    return values


def test_the_video_moves_and_is_counted(page: Page) -> None:
    assert page.title() == "clip.mp4 – fkd live"
    expect(page.locator("#video")).to_have_js_property("naturalWidth", 1280)
    seen: set[int] = set()

    def looked() -> int:
        seen.add(pixel(page)[0])
        return len(seen)

    wait_until(lambda: looked() >= 4)
    expect(page.locator("#fps")).to_have_text(re.compile("[1-9]"))
    assert page.locator("#faces").text_content() == "1"
    assert page.locator("#size").text_content() == f"{WIDTH} × {HEIGHT}"


def test_the_token_does_not_stay_in_the_address(page: Page, server: LiveServer) -> None:
    assert page.url == f"http://127.0.0.1:{server.port}/"


def test_switches_change_what_is_shown(page: Page, live: LiveRunner) -> None:
    page.get_by_label("Red corner").check()
    wait_until(lambda: live.settings.filters == ("red",))
    wait_until(lambda: pixel(page)[0] > 230 and pixel(page)[1] < 30)
    page.get_by_label("Red corner").uncheck()
    page.get_by_label("High", exact=True).check()
    page.get_by_label("Boxes").check()
    wait_until(lambda: (live.settings.smoothing, live.settings.layers) == ("high", ("box",)))
    assert live.settings.filters == ()


def test_all_of_it_works_from_the_keyboard(page: Page, live: LiveRunner) -> None:
    names = []
    for _ in range(6):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate(
                "document.activeElement.labels?.[0]?.innerText ?? document.activeElement.innerText"
            )
        )
        if names[-1] == "Green corner":
            page.keyboard.press("Space")
    wait_until(lambda: live.settings.filters == ("green",))
    assert names == [
        "Full screen",
        "Save snapshot",
        "Red corner",
        "Green corner",
        "Off",
        "Contours",
    ]


def test_every_control_has_a_name(page: Page) -> None:
    unnamed = page.evaluate(
        """[...document.querySelectorAll('input, button, a, img')].filter(
          (e) => !(e.labels?.length || e.innerText || e.hasAttribute('alt'))).length"""
    )
    assert unnamed == 0


def test_another_viewers_change_is_seen(page: Page, live: LiveRunner) -> None:
    live.settings = type(live.settings)(("green",), "medium", ("points",))
    page.wait_for_selector("#filters input[value=green]:checked")
    page.wait_for_selector("#smoothing input[value=medium]:checked")
    page.wait_for_selector("#layers input[value=points]:checked")


def test_a_snapshot_is_saved(page: Page, tmp_path: Path) -> None:
    with page.expect_download() as waiting:
        page.get_by_text("Save snapshot").click()
    assert waiting.value.suggested_filename.startswith("fkd-")
    waiting.value.save_as(tmp_path / "saved.png")
    assert read_image(tmp_path / "saved.png").shape == (HEIGHT, WIDTH, 3)


def test_nothing_is_wider_than_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_page_tells_when_the_program_has_ended(browser: Browser) -> None:
    context = browser.new_context()
    with serve(live_runner(endless_frames())) as server:
        page = context.new_page()
        page.goto(server.urls[0])
        page.wait_for_selector("#status[data-state=live]")
    page.wait_for_selector("#status[data-state=lost]")
    assert "has ended" in page.locator("#notice").inner_text()
    context.close()
