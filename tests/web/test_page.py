"""The built page in Chromium, on a plain host and with a camera that is a file."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import onnx
import pytest

pytest.importorskip("playwright", reason="needs pip install playwright")
pytest.importorskip("skimage", reason="needs the demo extra's photo")

from camera_file import HEIGHT, WIDTH, write_camera_file
from playwright.sync_api import expect, sync_playwright
from repo_paths import ROOT
from tiny_models import MODELS

import fkd_infer
from fkd_infer.drawing.annotator import Annotator
from fkd_infer.filters.filter import load_filter
from fkd_infer.formats.json_lines import JsonLinesSink
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.pipeline import Pipeline
from fkd_infer.types import Face, Frame
from tools.static_host import Host, serve
from tools.web_fixtures.pictures import astronaut

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Download, Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.serial,  # a browser of several processes beside its networks
]

OFFLINE = "Works without a network from now on."
LOAD_MS = 60_000
UPDATE_CHECKS = {"/service-worker.js", "/precache.js"}
"""What browsers ask by themselves: whether there is a newer version of the page."""


@dataclass
class Visit:
    """A page that is loaded, and what its browser complained of since."""

    page: Page
    complaints: list[str]

    def ready(self) -> None:
        """Waits until the networks are loaded and the page is stored."""
        expect(self.page.locator("#offline")).to_have_text(OFFLINE, timeout=LOAD_MS)

    def open(self, file: Path) -> None:
        """Opens a photo, unless it is the one that is open, and waits for its faces."""
        if self.page.inner_text("#source") == file.name:
            return
        self.page.set_input_files("#file", file)
        expect(self.page.locator("#source")).to_have_text(file.name)
        expect(self.page.locator("#status")).to_have_text("1 face", timeout=30_000)

    def choose(self, group: str, *values: str) -> None:
        """Turns these checkboxes of a group on, and others off."""
        for box in self.page.locator(f"#{group} input").all():
            box.set_checked(box.input_value() in values, force=True)
        expect(self.page.locator(f"#{group}")).not_to_have_attribute("aria-busy", "true")

    def shown(self) -> Pixels:
        """The canvas with what is drawn on it, BGR."""
        url: str = self.page.evaluate("document.getElementById('canvas').toDataURL()")
        data = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)

    def start_camera(self) -> None:
        """Starts the camera, and waits for a face."""
        self.page.click("#camera")
        expect(self.page.locator("#size")).to_have_text(f"{WIDTH} × {HEIGHT}", timeout=30_000)
        expect(self.page.locator("#faces")).to_have_text("1", timeout=30_000)


@pytest.fixture(scope="module")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, whose camera shows the astronaut and is allowed."""
    camera = tmp_path_factory.mktemp("camera") / "pan.y4m"
    write_camera_file(camera, astronaut())
    arguments = [
        "--no-sandbox",  # containers give Chromium none of its own; the page is ours
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
    ]
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=arguments)
        yield started
        started.close()


def visit(browser: Browser, address: str) -> Visit:
    opened = Visit(browser.new_page(permissions=["camera", "microphone"]), [])
    opened.page.on("console", lambda message: opened.complaints.append(message.text))
    opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.page.goto(address)
    return opened


@pytest.fixture(scope="module")
def host(built: Path) -> Iterator[Host]:
    with serve(built, isolated=False) as running:
        yield running


@pytest.fixture(scope="module")
def first(browser: Browser, host: Host) -> Iterator[Visit]:
    """A first visit. All that tests do in it asks the host for nothing, and no rule is broken."""
    opened = visit(browser, host.address)
    opened.ready()
    requested: list[str] = []
    opened.page.on("request", lambda request: requested.append(request.url))
    host.asked.clear()
    yield opened
    assert set(host.asked) <= UPDATE_CHECKS
    own = (host.address, f"blob:{host.address}")
    assert [url for url in requested if not url.startswith(own)] == []
    assert opened.complaints == []
    opened.page.close()


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    cv2.imwrite(str(path), astronaut())
    return path


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return fkd_infer.load(provider="cpu", tuned=False)


@pytest.fixture(scope="module")
def faces(pipeline: Pipeline) -> list[Face]:
    return pipeline(astronaut())


def saved(page: Page, *buttons: str) -> dict[str, bytes]:
    """What buttons save, all of the same frame, by its suffix."""
    downloads: list[Download] = []

    def add(download: Download) -> None:
        downloads.append(download)

    page.on("download", add)
    page.evaluate("(ids) => ids.forEach((id) => document.getElementById(id).click())", buttons)
    while len(downloads) < len(buttons):
        page.wait_for_timeout(20)
    page.remove_listener("download", add)
    return {Path(each.suggested_filename).suffix: each.path().read_bytes() for each in downloads}


def test_it_says_what_runs_on_a_plain_host(first: Visit) -> None:
    expect(first.page.locator("#model")).to_contain_text(
        "fkdnet: 68 points, on WebAssembly, 1 thread"
    )
    assert not first.page.evaluate("crossOriginIsolated")


def test_points_are_drawn_where_python_draws_them(
    first: Visit, photo: Path, faces: list[Face]
) -> None:
    drawn = astronaut()
    Annotator(IBUG68).draw(drawn, faces)
    first.open(photo)
    changed, unlike = differences(first.shown(), drawn)
    # Discs and lines have other edges; half a pixel off, a third of them differs.
    assert unlike < 0.1 * changed


@pytest.mark.parametrize("name", ["dog", "party", "sunglasses"])
def test_filters_look_as_in_python(name: str, first: Visit, photo: Path, faces: list[Face]) -> None:
    drawn = astronaut()
    load_filter(name).draw(drawn, faces)
    first.open(photo)
    first.choose("layers")
    first.choose("filters", name)
    changed, unlike = differences(first.shown(), drawn)
    first.choose("filters")
    first.choose("layers", "contours", "points")
    assert changed > 1000
    assert unlike < 0.005 * changed


def test_saved_points_are_a_line_of_fkd_infer(
    first: Visit, photo: Path, faces: list[Face], tmp_path: Path
) -> None:
    frame = Frame(astronaut(), photo.name)
    with JsonLinesSink(tmp_path / "faces.jsonl", IBUG68) as sink:
        sink.write(frame, faces)
    expected = json.loads((tmp_path / "faces.jsonl").read_text())
    first.open(photo)
    record = json.loads(saved(first.page, "points")[".jsonl"])
    assert shape(record) == shape(expected)
    assert record["source"] == expected["source"]
    both = [np.array(each["faces"][0]["points"]) for each in (record, expected)]
    np.testing.assert_allclose(both[0], both[1], atol=0.5)


def test_faces_of_the_camera_are_those_that_python_finds(first: Visit, pipeline: Pipeline) -> None:
    first.start_camera()
    first.page.locator("#smoothing input[value=off]").check(force=True)
    first.choose("layers")
    first.page.wait_for_timeout(1000)
    files = saved(first.page, "snapshot", "points")
    first.choose("layers", "contours", "points")
    record = json.loads(files[".jsonl"])
    picture = cv2.imdecode(np.frombuffer(files[".png"], np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    (expected,) = pipeline(np.asarray(picture, np.uint8))
    points = np.array(record["faces"][0]["points"])
    distances = np.hypot(*(points - expected.points).T)
    assert np.median(distances) < 0.01 * np.ptp(expected.points[:, 0])
    assert record["faces"][0]["id"] is not None
    first.page.click("#camera")


def test_a_recording_plays_and_has_sound_and_points(first: Visit) -> None:
    first.start_camera()
    first.page.locator("#sound").check(force=True)
    first.page.click("#record")
    first.page.wait_for_timeout(6000)  # slow machines have a few frames in a second
    first.page.click("#record")
    links = first.page.locator("#recordings a")
    expect(links).to_have_count(2)
    contents = {}
    for link in links.all():
        with first.page.expect_download() as download:
            link.click()
        suffix = Path(download.value.suggested_filename).suffix
        contents[suffix] = download.value.path().read_bytes()
    first.page.click("#camera")
    lines = contents.pop(".jsonl").splitlines()
    assert all(len(json.loads(line)["faces"]) == 1 for line in lines)
    (video,) = contents.values()
    with av.open(BytesIO(video)) as container:
        assert len(container.streams.audio) == 1
        assert isinstance(container, av.container.InputContainer)
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(frames) > 5
    assert len(lines) > 5
    assert {frame.shape for frame in frames} == {(HEIGHT, WIDTH, 3)}


def test_a_video_is_played_and_paused(first: Visit, tmp_path: Path) -> None:
    path = tmp_path / "clip.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", 15)
        stream.width, stream.height, stream.pix_fmt = 512, 512, "yuv420p"
        frame = av.VideoFrame.from_ndarray(astronaut(), "bgr24")
        for number in range(15):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    first.page.set_input_files("#file", path)
    expect(first.page.locator("#size")).to_have_text("512 × 512", timeout=30_000)
    expect(first.page.locator("#faces")).to_have_text("1", timeout=30_000)
    first.page.click("#pause")
    expect(first.page.locator("#pause")).to_have_text("Play")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("notes.txt", b"no picture", "no photo or video that this browser can read"),
        ("broken.onnx", b"no network", "broken.onnx: "),
    ],
)
def test_a_wrong_file_is_explained(
    name: str, content: bytes, problem: str, first: Visit, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    first.page.set_input_files("#file", tmp_path / name)
    expect(first.page.locator("#problem")).to_contain_text(problem)
    expect(first.page.locator("#model")).to_contain_text("fkdnet")


def test_a_network_that_loads_but_does_not_run_is_refused(first: Visit, tmp_path: Path) -> None:
    model = onnx.load(MODELS / "fixed.onnx")
    (last,) = (node for node in model.graph.node if "points" in node.output)
    last.output[list(last.output).index("points")] = "whole"
    beyond = onnx.numpy_helper.from_array(np.full(68, 9999), "beyond")
    model.graph.initializer.append(beyond)
    model.graph.node.append(
        onnx.helper.make_node("Gather", ["whole", "beyond"], ["points"], axis=1)
    )
    onnx.save(model, tmp_path / "broken.onnx")
    first.page.set_input_files("#file", tmp_path / "broken.onnx")
    problem = first.page.locator("#problem")
    expect(problem).to_contain_text("ONNX Runtime does not run it", timeout=LOAD_MS)
    expect(first.page.locator("#model")).to_contain_text("fkdnet: 68 points")


def test_it_is_accessible(first: Visit, photo: Path) -> None:
    first.open(photo)
    first.page.evaluate((ROOT / "web/node_modules/axe-core/axe.min.js").read_text())
    for scheme in ("dark", "light"):
        first.page.emulate_media(color_scheme=scheme)
        found = first.page.evaluate("axe.run()")["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_all_controls_are_reached_by_keyboard_and_large_enough(first: Visit, photo: Path) -> None:
    first.open(photo)
    controls = "button, input, select, a[href]"
    first.page.evaluate("document.body.focus(); document.activeElement.blur()")
    wanted = first.page.evaluate(
        f"[...document.querySelectorAll('{controls}')].filter((e) => e.offsetParent && !e.disabled)"
        ".map((e) => e.type === 'radio' ? e.name : e.id || e.value)"
    )
    reached = set()
    for _ in range(len(wanted) + 5):
        first.page.keyboard.press("Tab")
        reached.add(
            first.page.evaluate(
                "((e) => e.type === 'radio' ? e.name : e.id || e.value)(document.activeElement)"
            )
        )
    assert set(wanted) <= reached
    small = first.page.evaluate(
        "[...document.querySelectorAll('button, select, label, a[href]')]"
        ".filter((e) => e.offsetParent && e.getBoundingClientRect().height < 44)"
        ".map((e) => e.outerHTML)"
    )
    assert small == []


@pytest.mark.parametrize(
    ("width", "height"), [(390, 844), (844, 390), (320, 568)], ids=["upright", "sideways", "small"]
)
def test_it_fits_a_phone(width: int, height: int, first: Visit) -> None:
    before = first.page.viewport_size
    first.page.set_viewport_size({"width": width, "height": height})
    wide = first.page.evaluate("document.documentElement.scrollWidth")
    stage = first.page.locator("#stage").bounding_box()
    assert before is not None
    first.page.set_viewport_size(before)
    assert wide <= width
    assert stage is not None
    assert stage["height"] > 0.4 * height


def test_a_refused_camera_is_explained(first: Visit) -> None:
    first.page.context.clear_permissions()  # nobody answers the browser's question: it refuses
    first.page.click("#camera")
    expect(first.page.locator("#problem")).to_contain_text("The camera is not allowed.")
    expect(first.page.locator("#status")).to_have_text("ready")
    first.page.context.grant_permissions(["camera", "microphone"])


@pytest.mark.parametrize(
    ("name", "words"),
    [("NotFoundError", "No camera was found."), ("NotReadableError", "The camera is taken")],
)
def test_a_camera_that_fails_is_explained(name: str, words: str, first: Visit) -> None:
    first.page.evaluate(
        "(name) => { navigator.mediaDevices.getUserMedia = async () => "
        "{ throw new DOMException('', name); }; }",
        name,
    )
    first.page.click("#camera")
    expect(first.page.locator("#problem")).to_contain_text(words)
    first.page.evaluate("delete navigator.mediaDevices.getUserMedia")


def test_an_unsafe_address_has_no_camera_and_says_so(first: Visit) -> None:
    first.page.evaluate("Object.defineProperty(window, 'isSecureContext', { value: false })")
    first.page.click("#camera")
    expect(first.page.locator("#problem")).to_contain_text("open it by https, or on localhost")


def test_another_network_can_be_opened(first: Visit, photo: Path, fixed_model: Path) -> None:
    first.open(photo)
    first.page.set_input_files("#file", fixed_model)
    expect(first.page.locator("#model")).to_contain_text("fixed: 68 points", timeout=LOAD_MS)
    expect(first.page.locator("#status")).to_contain_text("face", timeout=30_000)
    assert not first.page.locator("#problem").is_visible()


SLOW_DEVICES = """() => {
  const { mediaDevices } = navigator;
  const open = mediaDevices.getUserMedia.bind(mediaDevices);
  window.streams = [];
  mediaDevices.getUserMedia = async (wanted) => {
    await new Promise((resolve) => setTimeout(resolve, 500));
    window.streams.push(await open(wanted));
    return window.streams.at(-1);
  };
}"""
OPEN_DEVICES = """window.streams.flatMap((stream) => stream.getTracks())
  .filter((track) => track.readyState === "live").map((track) => track.kind).sort()"""


@pytest.fixture
def slow(browser: Browser, built: Path) -> Iterator[Visit]:
    """A visit whose camera and microphone take time to start, as if somebody was asked."""
    with serve(built, isolated=False) as running:
        opened = visit(browser, running.address)
        opened.ready()
        opened.page.evaluate(SLOW_DEVICES)
        yield opened
        assert opened.complaints == []
        opened.page.close()


def test_no_device_stays_open_after_double_clicks(slow: Visit) -> None:
    page = slow.page
    page.dblclick("#camera")
    expect(page.locator("#faces")).to_have_text("1", timeout=30_000)
    page.wait_for_timeout(1000)
    assert page.evaluate(OPEN_DEVICES) == ["video"]
    page.locator("#sound").check(force=True)
    page.dblclick("#record")
    page.wait_for_timeout(1500)
    assert page.evaluate(OPEN_DEVICES) == ["audio", "video"]
    page.click("#record")
    expect(page.locator("#recordings li")).to_have_count(1)
    assert page.evaluate(OPEN_DEVICES) == ["video"]
    page.click("#record")
    page.click("#camera")  # before the microphone is there
    page.wait_for_timeout(1500)
    assert page.evaluate(OPEN_DEVICES) == []
    expect(page.locator("#record")).to_have_text("Record")


def test_what_was_chosen_last_is_shown(slow: Visit, photo: Path, fixed_model: Path) -> None:
    slow.page.click("#camera")
    slow.open(photo)
    slow.page.wait_for_timeout(1500)
    expect(slow.page.locator("#source")).to_have_text(photo.name)
    assert slow.page.evaluate(OPEN_DEVICES) == []
    slow.page.set_input_files("#file", ROOT / "models/fkdnet-large.onnx")
    slow.page.set_input_files("#file", fixed_model)
    slow.page.wait_for_timeout(3000)
    expect(slow.page.locator("#model")).to_contain_text("fixed: 68 points", timeout=LOAD_MS)
    assert not slow.page.locator("#problem").is_visible()


def test_a_recording_is_not_lost_without_a_question(slow: Visit) -> None:
    slow.start_camera()
    slow.page.click("#record")
    slow.page.wait_for_timeout(500)
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    slow.page.on("dialog", stay)
    slow.page.evaluate("setTimeout(() => location.reload())")
    slow.page.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    slow.page.click("#record")


def test_forced_colors_show_what_is_on(first: Visit) -> None:
    first.page.emulate_media(forced_colors="active")
    on, off = (
        first.page.evaluate(
            "(box) => getComputedStyle(document.querySelector(box)).backgroundColor", box
        )
        for box in ("#layers input:checked", "#layers input:not(:checked)")
    )
    first.page.emulate_media(forced_colors="none")
    assert on != off


@pytest.mark.parametrize("size", [(568, 320), (320, 256)], ids=["sideways", "magnified"])
def test_small_windows_show_the_picture(size: tuple[int, int], first: Visit) -> None:
    before = first.page.viewport_size
    assert before is not None
    first.page.set_viewport_size({"width": size[0], "height": size[1]})
    stage = first.page.locator("#stage").bounding_box()
    buttons = first.page.locator("#open").bounding_box()
    first.page.set_viewport_size(before)
    assert stage is not None
    assert buttons is not None
    assert min(stage["width"], stage["height"]) >= 160
    assert buttons["x"] + buttons["width"] <= size[0]


def test_without_a_network_it_works_and_has_threads(
    browser: Browser, built: Path, photo: Path
) -> None:
    with serve(built, isolated=False) as running:
        again = visit(browser, running.address)
        again.ready()
    again.page.reload()
    again.ready()
    assert again.page.evaluate("crossOriginIsolated")
    again.choose("filters", "cat")
    again.open(photo)
    expect(again.page.locator("#model")).not_to_contain_text("next visit")
    assert again.complaints == []
    again.page.close()


def shape(record: object) -> object:
    """The names of a record's fields, at all levels, without its numbers."""
    if isinstance(record, dict):
        return {name: shape(value) for name, value in record.items()}
    return [shape(value) for value in record] if isinstance(record, list) else None


def differences(image: Pixels, expected: Pixels) -> tuple[int, int]:
    """Pixels that were drawn on, and those that are unlike: by more than 48 of 255."""
    changed = np.abs(expected.astype(int) - astronaut()).max(axis=2) > 2
    unlike = np.abs(expected.astype(int) - image).max(axis=2) > 48
    return int(changed.sum()), int(unlike.sum())
