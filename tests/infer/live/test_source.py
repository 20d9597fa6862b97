"""Titles of sources: all that viewers learn of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fkd_infer.limits import Limits
from fkd_infer.live.source import camera_title, live_source
from fkd_infer.media.camera_list import Camera
from fkd_infer.media.sources import expand_sources


@pytest.mark.parametrize(
    ("argument", "title", "repeated"),
    [
        ("{folder}/clip.mp4", "clip.mp4", True),
        ("3", "camera 3", False),
        ("rtsp://user:secret@camera.example/live?key=secret", "rtsp://camera.example", False),
    ],
)
def test_a_title_has_neither_folders_nor_passwords(
    tmp_path: Path, argument: str, title: str, repeated: bool
) -> None:
    (tmp_path / "clip.mp4").touch()
    (source,) = expand_sources([argument.format(folder=tmp_path)])
    live = live_source(source, Limits())
    assert (live.title, live.repeated) == (title, repeated)


def test_a_cameras_name_is_printable() -> None:
    assert camera_title(Camera(2, "Cam\x1b[31m")) == "camera 2 (Cam\ufffd[31m)"
