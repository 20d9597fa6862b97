"""The cameras of a machine, with device files that answer as Linux's do."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import IO

import pytest

from fkd_infer.media.camera_list import Camera, find_cameras

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's V4L2")

WEBCAM, METADATA = 0x04200001, 0x04A00000
DEVICES = {
    "video2": (b"Second", WEBCAM),
    "video0": (b"HD Webcam\xff", WEBCAM),
    "video1": (b"HD Webcam", METADATA),
    "video10": (b"Planes", 0x04201000),
    "video7": (b"", None),
    "videotape": (b"", None),
}


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of device files; those without capabilities refuse the request."""

    def answer(device: IO[bytes], request: int, buffer: bytearray) -> int:
        card, capabilities = DEVICES[Path(device.name).name]
        assert request == 0x80685600
        assert len(buffer) == 104
        if capabilities is None:
            raise OSError(25, "Inappropriate ioctl for device")
        struct.pack_into(
            "=16s32s32sIII", buffer, 0, b"uvc", card, b"usb", 1, 0x85A00001, capabilities
        )
        return 0

    for name in DEVICES:
        (tmp_path / name).touch()
    monkeypatch.setattr("fcntl.ioctl", answer)
    return tmp_path


def test_lists_the_nodes_that_give_pictures(devices: Path) -> None:
    assert find_cameras(devices) == [
        Camera(0, "HD Webcam\N{REPLACEMENT CHARACTER}"),
        Camera(2, "Second"),
        Camera(10, "Planes"),
    ]


def test_files_that_are_no_cameras_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "video0").write_bytes(b"no camera")
    assert find_cameras(tmp_path) == []
    assert find_cameras(tmp_path / "missing") == []
