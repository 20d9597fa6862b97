"""The preview window: the reasons why none can be opened, and one with a fake OpenCV."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from fkd_infer.drawing.preview_window import PreviewWindow, check_window
from fkd_infer.errors import WindowError
from fkd_infer.types import Frame

FRAME = Frame(np.zeros((40, 60, 3), np.uint8), "drawn")


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An OpenCV with windows, and a display."""
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "QT5")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(sys, "platform", "linux")


def test_reports_an_opencv_without_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "")
    with pytest.raises(WindowError, match=r"pip install 'opencv-python<6'; or use fkd-infer live"):
        PreviewWindow("fkd")


@pytest.mark.usefixtures("toolkit")
def test_reports_a_machine_without_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY")
    with pytest.raises(WindowError, match=r"there is no display \(DISPLAY is not set\)"):
        check_window()


@pytest.mark.usefixtures("toolkit")
def test_a_display_that_aborts_the_process_aborts_only_the_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fkd_infer.drawing.preview_window._OPEN_WINDOW", "import os; os.abort()")
    with pytest.raises(WindowError, match="the display ':0' cannot be used"):
        check_window()


@pytest.mark.usefixtures("toolkit")
def test_reports_a_display_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "fkd_infer.drawing.preview_window._OPEN_WINDOW", "import time; time.sleep(60)"
    )
    monkeypatch.setattr("fkd_infer.drawing.preview_window._OPEN_TIMEOUT_S", 0.2)
    with pytest.raises(WindowError, match="the display does not answer"):
        check_window()


@pytest.mark.usefixtures("toolkit")
@pytest.mark.parametrize("how", ["q", "button"])
def test_a_window_shows_frames_until_it_is_closed(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    calls: list[str] = []
    visible, key = [1.0], [-1]
    functions = {
        "namedWindow": lambda *_: calls.append("open"),
        "resizeWindow": lambda _, width, height: calls.append(f"{width}x{height}"),
        "imshow": lambda *_: calls.append("show"),
        "waitKey": lambda _: key[0],
        "getWindowProperty": lambda *_: visible[0],
        "destroyWindow": lambda _: calls.append("close"),
    }
    for name, function in functions.items():
        monkeypatch.setattr(cv2, name, function)
    success: subprocess.CompletedProcess[str] = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: success)
    with PreviewWindow("fkd") as window:
        window.write(FRAME)
        closed = [window.closed]
        if how == "q":
            key[0] = ord("q")
        else:
            visible[0] = 0.0
        window.write(FRAME)
        closed.append(window.closed)
        window.write(FRAME)
    assert closed == [False, True]
    opened = ["open", "60x40", "show"]
    assert calls == ([*opened, "show", "close"] if how == "q" else opened)
