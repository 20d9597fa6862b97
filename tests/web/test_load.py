"""The library in a browser: its thread, its errors, videos; skips as test_page.py does."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

pytest.importorskip("playwright", reason="needs pip install playwright")
pytest.importorskip("skimage", reason="needs the demo extra's photo")

from browser import open_page
from npm_package import run_npm

import fkd_infer
from tools.static_host import serve
from tools.web_fixtures.pictures import astronaut

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.serial,  # a browser of several processes beside its networks
]

CONFIG = "test/browser/vite.config.ts"
SETUP = """async (png) => {
  window.photo = await (await fetch(`data:image/png;base64,${png}`)).blob();
  window.pipeline = await fkd.load({ model, detector, provider: "wasm" });
}"""


@pytest.fixture(scope="module")
def page(npm: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page with the library, a loaded `pipeline` and a `photo`."""
    folder = tmp_path_factory.mktemp("library")
    build = ("run", "build", "--", "--config", CONFIG, "--outDir", str(folder), "--emptyOutDir")
    run_npm(npm, *build, "--logLevel", "error")
    png = base64.b64encode(cv2.imencode(".png", astronaut())[1].tobytes()).decode()
    with serve(folder, isolated=True) as host, open_page(host.address, ignored="404") as page:
        page.wait_for_function("window.fkd")
        page.evaluate(SETUP, png)
        yield page


@pytest.fixture(scope="module")
def points() -> Any:
    """The points that Python places on the photo."""
    return fkd_infer.load(provider="cpu", tuned=False)(astronaut())[0].points


@pytest.mark.parametrize(
    "picture",
    [
        "photo",
        "await createImageBitmap(photo)",
        "drawn",
        "drawn.getContext('2d').getImageData(0, 0, 512, 512)",
    ],
)
def test_every_kind_of_picture_has_pythons_points(page: Page, picture: str, points: Any) -> None:
    faces = page.evaluate(
        f"""async () => {{
          const drawn = new OffscreenCanvas(512, 512);
          drawn.getContext("2d").drawImage(await createImageBitmap(photo), 0, 0);
          return pipeline({picture});
        }}"""
    )
    assert len(faces) == 1
    assert faces[0]["id"] is None
    np.testing.assert_allclose(faces[0]["points"], points, atol=0.2)


def test_calls_at_once_are_answered_in_order(page: Page) -> None:
    counts = page.evaluate(
        """async () => {
          const empty = new ImageData(300, 200);
          const faces = await Promise.all([photo, empty, photo].map((each) => pipeline(each)));
          return faces.map((each) => each.length);
        }"""
    )
    assert counts == [1, 0, 1]


def test_a_face_keeps_its_id_in_a_video(page: Page, points: Any) -> None:
    frames = page.evaluate(
        """async () => {
          const track = await pipeline.tracker({ smoothing: "high" });
          const frames = [];
          for (let n = 0; n < 6; n++) {
            const frame = new VideoFrame(await createImageBitmap(photo), { timestamp: 40000 * n });
            frames.push(await track(frame, n / 25));
            frame.close();
          }
          await track.close();
          return frames;
        }"""
    )
    assert [[face["id"] for face in faces] for faces in frames] == [[1]] * 6
    np.testing.assert_allclose(frames[-1][0]["points"], points, atol=2)


@pytest.mark.parametrize(
    ("call", "name", "message"),
    [
        ("fkd.load({ model: 'none.onnx', detector })", "DownloadError", "cannot be loaded: 404"),
        ("fkd.load({ model: detector, detector })", "WrongTaskError", "use it as detector"),
        ("fkd.load({ model: new Blob(['no']), detector })", "InvalidModelError", "the model: it "),
        ("fkd.load({ model, detector, provider: 'webgpu' })", "ProviderError", "'webgpu': cannot"),
        ("fkd.load({ model })", "SettingsError", "the detector: is missing"),
        ("pipeline(photo, { maxSize: -3 })", "SettingsError", "maxSize: is -3"),
        ("pipeline.tracker({ maxSize: 0 })", "SettingsError", "maxSize: is 0"),
        ("pipeline(new Blob(['no']))", "InvalidImageError", "a picture: cannot be read"),
        ("pipeline.tracker({ smoothing: 'x' })", "SettingsError", "smoothing: is 'x'"),
    ],
)  # fmt: skip
def test_a_mistake_is_an_error_of_its_class(page: Page, call: str, name: str, message: str) -> None:
    error = page.evaluate(
        f"""() => {call}.then(
          () => null,
          (error) => [error.name, error instanceof fkd[error.name], error.message],
        )"""
    )
    assert error[:2] == [name, True]
    assert message in error[2]
    assert "\n" not in error[2]


def test_a_closed_pipeline_says_so(page: Page) -> None:
    message = page.evaluate(
        """async () => {
          const closed = await fkd.load({ model, detector, provider: "wasm" });
          closed.close();
          return closed(photo).catch((error) => error.message);
        }"""
    )
    assert message == "the pipeline: is closed"
