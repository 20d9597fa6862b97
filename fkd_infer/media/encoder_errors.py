"""Errors of encoders, translated in one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from fkd_infer.errors import OutputError


@contextmanager
def encoder_errors(path: Path) -> Iterator[None]:
    """Turns an error of OpenCV or libav in the block into an OutputError that names `path`."""
    from av.error import FFmpegError

    try:
        yield
    except cv2.error as error:
        raise OutputError(path, error.err) from error
    except FFmpegError as error:
        raise OutputError(path, error.strerror or str(error)) from error
