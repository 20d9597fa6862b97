"""A preview window, where OpenCV and the machine can open one."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AbstractContextManager

import cv2

from fkd_infer.errors import WindowError
from fkd_infer.types import Frame

_CLOSE_KEYS = {ord("q"), 27}  # 27: Escape
_OPEN_WINDOW = "import cv2; cv2.namedWindow('fkd'); cv2.waitKey(1); cv2.destroyAllWindows()"
_OPEN_TIMEOUT_S = 30
_USE_LIVE = "use fkd-infer live"


class PreviewWindow(AbstractContextManager["PreviewWindow"]):
    """Shows each frame at once; `closed` becomes true when the user closes it or presses q.

    A context manager. Raises WindowError if no window can be opened.
    """

    def __init__(self, title: str) -> None:
        check_window()
        self.title = title
        self.closed = False
        self._is_open = False

    def __exit__(self, *_: object) -> None:
        if self._is_open:
            cv2.destroyWindow(self.title)
            cv2.waitKey(1)

    def write(self, frame: Frame) -> None:
        """Shows a frame; does nothing once the window is closed."""
        if self.closed:
            return
        if self._is_open and cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1:
            self.closed, self._is_open = True, False
            return
        if not self._is_open:
            cv2.namedWindow(self.title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
            cv2.resizeWindow(self.title, frame.width, frame.height)
            self._is_open = True
        cv2.imshow(self.title, frame.bgr())
        self.closed = (cv2.waitKey(1) & 0xFF) in _CLOSE_KEYS


def check_window() -> None:
    """Raises WindowError if no window can be opened.

    OpenCV aborts the process that cannot reach its display, so a child process tries.
    """
    if not cv2.currentUIFramework():
        raise WindowError(
            "this OpenCV is built without windows",
            "run pip uninstall -y opencv-python-headless && "
            "pip install 'opencv-python<6'; or use fkd-infer live",
        )
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        raise WindowError("there is no display (DISPLAY is not set)", _USE_LIVE)
    try:
        trial = subprocess.run(  # this Python, and the constant above  # nosec B603
            [sys.executable, "-c", _OPEN_WINDOW],
            capture_output=True,
            timeout=_OPEN_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WindowError("the display does not answer", _USE_LIVE) from error
    if trial.returncode:
        display = os.environ.get("DISPLAY", "")
        raise WindowError(f"the display {display!r} cannot be used", _USE_LIVE)
