"""What viewers can choose to watch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from fkd_infer.limits import Limits
from fkd_infer.media.camera_list import Camera
from fkd_infer.media.frames import frames_from
from fkd_infer.media.sources import Source
from fkd_infer.types import Frame


@dataclass(frozen=True)
class LiveSource:
    """A camera, stream or video; `frames` opens it, `title` is all that viewers learn of it.

    A `repeated` source is a file, which is played at its own speed and from its start again.
    """

    title: str
    frames: Callable[[], Iterator[Frame]]
    repeated: bool = False


def live_source(source: Source, limits: Limits, title: str | None = None) -> LiveSource:
    """A source that the program offers; its own name is the title if none is given."""
    frames = partial(frames_from, source, limits=limits)
    return LiveSource(title or _title(source), frames, repeated=source.kind == "video")


def camera_title(camera: Camera) -> str:
    """The number and the name of a camera."""
    return _printable(f"camera {camera.number} ({camera.name})")


def _title(source: Source) -> str:
    """The name of a source without folders and passwords."""
    if source.camera is not None:
        return f"camera {source.camera}"
    if source.path is not None:
        return _printable(source.path.name)
    return _printable(re.sub(r"//[^/@]*@", "//", source.name).partition("?")[0])


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
