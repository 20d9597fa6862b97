"""The built page in a browser; skips where there is no Chromium, or no Playwright to drive it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

pytest.importorskip("playwright", reason="needs pip install playwright")
pytest.importorskip("skimage", reason="needs the demo extra's photo")

from browser_pages import CHROMIUM, opened, served
from npm_package import run_npm
from playwright.sync_api import expect

import fkd_infer
from fkd_infer.drawing.annotator import Annotator
from fkd_infer.filters.filter import load_filter
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.types import Face
from tools.web_fixtures.pictures import astronaut

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.serial,  # a browser of several processes beside its networks
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]


@pytest.fixture(scope="module")
def page(npm: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The built page, with its networks loaded."""
    folder = tmp_path_factory.mktemp("page")
    run_npm(npm, "run", "build", "--", "--outDir", str(folder), "--logLevel", "error")
    with served(folder) as address, opened(address) as page:
        page.wait_for_selector("#picture:enabled")
        yield page


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    cv2.imwrite(str(path), astronaut())
    return path


@pytest.fixture(scope="module")
def faces() -> list[Face]:
    return fkd_infer.load(provider="cpu", tuned=False)(astronaut())


def shown(page: Page, picture: Path, name: str) -> Pixels:
    """The canvas with a picture and what is drawn on it."""
    page.select_option("#filter", name)
    page.set_input_files("#picture", picture)
    expect(page.locator("#status")).to_have_text("1 face", timeout=30_000)
    url: str = page.evaluate("document.getElementById('canvas').toDataURL()")
    data = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def test_it_runs_in_threads_of_webassembly_where_there_is_no_gpu(page: Page) -> None:
    expect(page.locator("#status")).to_have_text("Runs on wasm: WebGPU has no adapter here.")
    assert page.evaluate("crossOriginIsolated")


def test_points_are_drawn_where_python_draws_them(
    page: Page, picture: Path, faces: list[Face]
) -> None:
    drawn = astronaut()
    Annotator(IBUG68).draw(drawn, faces)
    changed, unlike = differences(shown(page, picture, ""), drawn)
    # Discs and lines have other edges; half a pixel off, a third of them differs.
    assert unlike < 0.1 * changed


@pytest.mark.parametrize("name", ["dog", "party", "sunglasses"])
def test_filters_look_as_in_python(name: str, page: Page, picture: Path, faces: list[Face]) -> None:
    drawn = astronaut()
    load_filter(name).draw(drawn, faces)
    changed, unlike = differences(shown(page, picture, name), drawn)
    assert changed > 1000
    assert unlike < 0.005 * changed


def differences(image: Pixels, expected: Pixels) -> tuple[int, int]:
    """Pixels that were drawn on, and those that are unlike: by more than 48 of 255."""
    changed = np.abs(expected.astype(int) - astronaut()).max(axis=2) > 2
    unlike = np.abs(expected.astype(int) - image).max(axis=2) > 48
    return int(changed.sum()), int(unlike.sum())
