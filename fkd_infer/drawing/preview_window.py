"""A preview window of frames, where this OpenCV and this machine can open one."""

from __future__ import annotations

import os
import subprocess
import sys
from types import TracebackType
from typing import Self

import cv2

from fkd_infer.errors import WindowError
from fkd_infer.types import Frame

_CLOSING = {ord("q"), 27}
"""Keys that close the window: q and Escape."""
_TRIAL = "import cv2; cv2.namedWindow('fkd'); cv2.waitKey(1); cv2.destroyAllWindows()"
_PATIENCE = 30
"""Seconds that a window may take to open."""
_LIVE = "use fkd-infer live"


class PreviewWindow:
    """Shows each frame at once; `closed` turns true when the person closes it, or types q.

    A context manager. Raises WindowError where no window can be opened.
    """

    def __init__(self, title: str) -> None:
        check_window()
        self.title = title
        self.closed = False
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            cv2.destroyWindow(self.title)
            cv2.waitKey(1)

    def write(self, frame: Frame) -> None:
        """Shows a frame; does nothing once the window is closed."""
        if self.closed:
            return
        if self._shown and cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1:
            self.closed, self._shown = True, False
            return
        if not self._shown:
            cv2.namedWindow(self.title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
            cv2.resizeWindow(self.title, frame.width, frame.height)
            self._shown = True
        cv2.imshow(self.title, frame.image)
        self.closed = (cv2.waitKey(1) & 0xFF) in _CLOSING


def check_window() -> None:
    """Raises WindowError where no window can be opened.

    OpenCV's toolkit ends the whole program where it does not reach the display, so a child tries.
    """
    if not cv2.currentUIFramework():
        raise WindowError(
            "this OpenCV is made without windows",
            "mend it with: pip uninstall -y opencv-python-headless && "
            "pip install 'opencv-python<6'; or use fkd-infer live",
        )
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        raise WindowError("there is no display (DISPLAY is not set)", _LIVE)
    try:
        tried = subprocess.run(  # this Python, and the lines above  # nosec B603
            [sys.executable, "-c", _TRIAL], capture_output=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise WindowError("the display does not answer", _LIVE) from error
    if tried.returncode:
        display = os.environ.get("DISPLAY", "")
        raise WindowError(f"the display {display!r} cannot be used", _LIVE)
