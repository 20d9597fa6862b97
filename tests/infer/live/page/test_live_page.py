"""The live page in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("uvicorn", reason="needs the live extra: pip install 'fkd[live]'")
pytest.importorskip("starlette", reason="needs the live extra: pip install 'fkd[live]'")

from browser import accessibility_problems, open_browser, small_targets
from live_page import TOKEN, drawn_frames, live_runner, serve, wait_until

from fkd_infer.errors import CameraError
from fkd_infer.live.runner import LiveRunner
from fkd_infer.live.server import LiveServer
from fkd_infer.live.source import LiveSource
from fkd_infer.media.images.file import read_image
from fkd_infer.media.video.reader import read_video
from fkd_infer.types import Frame

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.serial,  # a browser of several processes beside a server and its video
]

WIDTH, HEIGHT = 400, 300
"""Small pictures: this machine draws them, compresses them and paints them in the browser."""
TITLES = ["clip.mp4", "small.mp4", "camera 7"]
PIXEL = """() => {
  const video = document.getElementById('video');
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 8, 8, 0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
}"""
"""Red, green and blue of the shown video's corner."""
SCREENS = {
    "desktop": {"width": 1280, "height": 800},
    "phone upright": {"width": 360, "height": 740},
    "phone sideways": {"width": 667, "height": 375},
    "tablet": {"width": 820, "height": 1180},
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as started:
        yield started


def small_runner(others: Sequence[LiveSource] = ()) -> LiveRunner:
    return live_runner(drawn_frames(None, rate=20, size=(WIDTH, HEIGHT)), others=others)


def missing_camera() -> Iterator[Frame]:
    raise CameraError(7)


@pytest.fixture
def live() -> LiveRunner:
    small = LiveSource("small.mp4", drawn_frames(None, rate=20, size=(64, 48)), repeated=True)
    others = [small, LiveSource("camera 7", missing_camera)]
    return small_runner(others)


@pytest.fixture
def server(live: LiveRunner) -> Iterator[LiveServer]:
    with serve(live, TOKEN, titles=TITLES) as running:
        yield running


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """All pages of a viewer: a context for each test takes seconds to start."""
    opened = browser.new_context(accept_downloads=True)
    opened.set_default_timeout(15_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, server: LiveServer) -> Iterator[Page]:
    """The open page; complaints on the console and requests to other sites fail the test."""
    complaints: list[str] = []
    opened = context.new_page()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: complaints.extend(foreign(request.url, server)))
    opened.goto(server.urls[0])
    opened.wait_for_selector("[data-state=live]")
    yield opened
    opened.close()
    assert complaints == []


def foreign(url: str, server: LiveServer) -> list[str]:
    return [] if url.startswith(f"http://127.0.0.1:{server.port}/") else [url]


def pixel(page: Page) -> list[int]:
    values: list[int] = page.evaluate(PIXEL)
    return values


def box_of(page: Page, selector: str) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of an element in the window."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


def test_the_video_moves_and_is_counted(page: Page, server: LiveServer) -> None:
    assert page.title() == "clip.mp4 – fkd live"
    assert page.url == f"http://127.0.0.1:{server.port}/", "the token does not stay in the address"
    wait_until(lambda: page.evaluate("document.getElementById('video').naturalWidth") == WIDTH)
    seen: set[int] = set()

    def looked() -> int:
        seen.add(pixel(page)[0])
        return len(seen)

    wait_until(lambda: looked() >= 4)
    wait_until(lambda: re.match("[1-9]", page.locator("#fps").inner_text()))
    assert page.locator("#faces").inner_text() == "1"
    assert f"{WIDTH} × {HEIGHT}" in page.locator("#more").inner_text()


def test_switches_change_what_is_shown(page: Page, live: LiveRunner) -> None:
    page.get_by_label("Red corner").check()
    wait_until(lambda: live.settings.filters == ("red",))
    wait_until(lambda: pixel(page)[0] > 230 and pixel(page)[1] < 30)
    page.get_by_role("button", name="All off: filters").click()
    wait_until(lambda: live.settings.filters == ())
    page.get_by_label("High", exact=True).check()
    for name in ("Boxes", "Scores", "Ids", "Point numbers"):
        page.get_by_label(name, exact=True).check()
    page.get_by_role("button", name="Mirror").click()
    wait_until(lambda: live.settings.mirrored and len(live.settings.layers) == 4)
    assert live.settings.smoothing == "high"
    page.get_by_role("button", name="All off: drawn on faces").click()
    wait_until(lambda: live.settings.layers == ())
    page.wait_for_selector(".off[data-group=layers]:disabled")


def test_a_pause_holds_the_picture(page: Page) -> None:
    page.get_by_role("button", name="Pause").click()
    page.wait_for_selector("[data-state=paused]")
    page.wait_for_timeout(500)  # what was on its way has arrived
    held = pixel(page)
    page.wait_for_timeout(500)
    assert pixel(page) == held
    page.get_by_role("button", name="Pause").click()
    wait_until(lambda: pixel(page) != held)


def test_another_source_is_chosen_and_one_that_fails_is_explained(page: Page) -> None:
    choice = page.get_by_label("Source")
    assert choice.locator("option").all_inner_texts() == TITLES
    choice.select_option("small.mp4")
    page.wait_for_function("() => document.title.startsWith('small.mp4')")
    wait_until(lambda: page.evaluate("document.getElementById('video').naturalWidth") == 64)
    choice.select_option("camera 7")
    page.get_by_role("alert").filter(has_text="camera 7: does not open").wait_for()
    wait_until(lambda: choice.input_value() == "1")


def test_a_snapshot_and_a_recording_are_saved(page: Page, tmp_path: Path) -> None:
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Snapshot").click()
    assert waiting.value.suggested_filename.startswith("fkd-")
    waiting.value.save_as(tmp_path / "saved.png")
    assert read_image(tmp_path / "saved.png").shape == (HEIGHT, WIDTH, 3)

    page.get_by_label("Source").select_option("small.mp4")  # quick to encode
    wait_until(lambda: "64 × 48" in page.locator("#more").inner_text())
    page.get_by_role("button", name="Record").click()
    page.get_by_text("Recording 0:01").wait_for()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Record").click()
    waiting.value.save_as(tmp_path / "saved.mp4")
    frames = list(read_video(tmp_path / "saved.mp4", "saved"))
    assert (frames[0].width, frames[0].height) == (64, 48)
    assert 1 < frames[-1].time < 5
    page.get_by_role("link", name="Save the recording").wait_for()


def test_all_of_it_works_from_the_keyboard(page: Page, live: LiveRunner) -> None:
    names: list[str] = []
    for _ in range(8):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate(
                "(document.activeElement.labels?.[0]?.querySelector('span')"
                " ?? document.activeElement).innerText.trim()"
            )
        )
        outline = page.evaluate(
            """() => { const e = document.activeElement, next = e.nextElementSibling;
               const seen = getComputedStyle(e).opacity === '0' ? next : e;
               return getComputedStyle(seen).outlineStyle; }"""
        )
        assert outline == "solid", f"{names[-1]}: the focus cannot be seen"
    page.keyboard.press("Space")
    wait_until(lambda: live.settings.filters == ("green",))
    tools = ["Pause", "Mirror", "Snapshot", "Record", "Full screen"]
    assert names == [*tools, "Source", "Red corner", "Green corner"]
    page.keyboard.press("m")
    page.keyboard.press("p")
    wait_until(lambda: live.settings.mirrored and live.settings.paused)


def test_another_viewers_change_is_seen(page: Page, live: LiveRunner) -> None:
    live.settings = type(live.settings)(("green",), "medium", ("points",), mirrored=True)
    page.wait_for_selector("#filters input[value=green]:checked")
    page.wait_for_selector("#smoothing input[value=medium]:checked")
    page.wait_for_selector("#layers input[value=points]:checked")
    page.wait_for_selector("#mirrored[aria-pressed=true]")


def test_every_screen_shows_the_whole_picture_and_controls_for_fingers(page: Page) -> None:
    for name, size in SCREENS.items():
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        wait_until(lambda: f"{WIDTH} × {HEIGHT}" in page.locator("#more").inner_text())
        left, top, right, bottom = box_of(page, "#video")
        assert left >= 0, name
        assert top >= 0, name
        assert right <= size["width"], name
        assert bottom <= size["height"], name
        assert (right - left) * (bottom - top) > 0.3 * size["width"] * size["height"], name
        fit = page.evaluate("getComputedStyle(document.getElementById('video')).objectFit")
        assert fit == "contain"
        assert page.evaluate("document.documentElement.scrollWidth") == size["width"], name
        assert small_targets(page) == [], name
        page.mouse.wheel(0, 300)  # to the controls, beside which the picture stays
        wait_until(lambda: page.evaluate("scrollY") > 0)
        assert box_of(page, "#video")[1] >= 0, name
        page.evaluate("scrollTo(0, 0)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_hinders_people_with_disabilities(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    lightness = sum(map(int, re.findall(r"\d+", background)[:3])) / 3
    assert (lightness > 128) == (scheme == "light")
    page.get_by_label("Red corner").check()
    assert accessibility_problems(page) == []


def test_the_page_recovers_when_the_program_is_back(context: BrowserContext) -> None:
    page = context.new_page()
    with serve(small_runner()) as server:
        page.goto(server.urls[0])
        page.wait_for_selector("[data-state=live]")
    page.wait_for_selector("[data-state=lost]")
    page.get_by_role("heading", name="No connection to the program").wait_for()
    assert not page.locator("#video").is_visible()
    assert page.locator("#figures dd").all_inner_texts() == ["–"] * 3
    enabled = page.locator("#panel :is(button, input, select):enabled:visible").all_inner_texts()
    assert [name.split() for name in enabled] == [["Full", "screen"]]
    assert accessibility_problems(page) == []
    with serve(small_runner(), port=server.port):
        page.wait_for_selector("[data-state=live]")
        assert page.locator("#video").is_visible()
        wait_until(lambda: pixel(page) != [0, 0, 0])
        assert page.get_by_role("button", name="Pause").is_enabled()
    with serve(small_runner(), TOKEN, port=server.port):
        page.get_by_role("heading", name="This page is no longer valid").wait_for()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_a_token_the_way_in_is_explained(
    context: BrowserContext, server: LiveServer, scheme: Any
) -> None:
    context.clear_cookies()
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.emulate_media(color_scheme=scheme)
    answer = page.goto(f"http://127.0.0.1:{server.port}/")
    assert answer is not None
    assert answer.status == 401
    assert page.get_by_role("heading").inner_text() == "This page needs its complete address"
    assert "?token=…" in page.locator("main").inner_text()
    assert page.evaluate("getComputedStyle(document.body).marginTop") == "0px", "it has its style"
    assert [text for text in complaints if "401" not in text] == []
    assert accessibility_problems(page) == []
    page.close()
