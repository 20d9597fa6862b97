"""The cameras of this machine, found without switching one on."""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from pathlib import Path

_QUERYCAP = 0x80685600
"""The request VIDIOC_QUERYCAP of Linux, which opens no camera's picture."""
_CAPABILITY = struct.Struct("=16s32s32sIII12x")
"""struct v4l2_capability: driver, card, bus, version, capabilities of the whole and of the node."""
_CAPTURES = 0x1 | 0x1000
"""V4L2_CAP_VIDEO_CAPTURE, and the same of several planes."""


@dataclass(frozen=True)
class Camera:
    """A camera: its number as SOURCE, and the name that its maker gave it."""

    number: int
    name: str


def find_cameras(devices: Path = Path("/dev")) -> list[Camera]:
    """The cameras that exist, by number; on Linux alone, since others tell them by opening them."""
    if sys.platform != "linux":
        return []
    numbers = [path.name.removeprefix("video") for path in devices.glob("video*")]
    found = (_camera(devices, int(text)) for text in numbers if text.isascii() and text.isdigit())
    return sorted((camera for camera in found if camera), key=lambda camera: camera.number)


def _camera(devices: Path, number: int) -> Camera | None:
    """The camera of a device file; None if it is no camera, or may not be used."""
    from fcntl import ioctl

    answer = bytearray(_CAPABILITY.size)
    try:
        with (devices / f"video{number}").open("rb", buffering=0) as device:
            ioctl(device, _QUERYCAP, answer)
    except OSError:
        return None
    _, card, _, _, _, capabilities = _CAPABILITY.unpack(answer)
    if not capabilities & _CAPTURES:
        return None  # a node for metadata or output
    return Camera(number, card.partition(b"\0")[0].decode("utf-8", "replace"))
