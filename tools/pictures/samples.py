"""What the pictures of the tutorials need: the samples, the commands, and the blocks of a page."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from runpy import run_path
from tempfile import TemporaryDirectory

import av
import cv2
import numpy as np

from fkd_infer.cli.main import main as command
from fkd_infer.geometry.arrays import Pixels
from tools.site.blocks import Block, blocks

ROOT = Path(__file__).parents[2]
FACE = (slice(0, 240), slice(110, 340))
"""The part of photo.jpg around its face."""
_MAKE = ROOT / "examples" / "samples" / "make.py"
_MAX_BYTES, _QUALITIES = 60_000, (90, 85, 80, 75, 70, 60, 50)


@contextmanager
def samples(data: bool = False) -> Iterator[Path]:
    """Makes a folder with the samples of the tutorials, and works in it meanwhile; with `data`,
    drawn faces too."""
    with TemporaryDirectory() as name, chdir(name):
        with redirect_stdout(StringIO()):
            options = [] if data else ["--no-data"]
            run_path(str(_MAKE))["main"](options, standalone_mode=False)
        yield Path(name)


def fkd_infer(arguments: str) -> None:
    """Runs `fkd-infer` with the arguments of a command line; raises click's and fkd's errors."""
    with redirect_stdout(StringIO()):
        command(shlex.split(arguments), standalone_mode=False)


def write_titled_blocks(page: str, version: int = 0) -> None:
    """Writes the files that a page of docs/ shows to this folder.

    Of one that it shows more than once, the first if `version` is 0, the second if it is 1, and so
    on; the last if there are fewer.
    """
    versions: dict[str, list[Block]] = {}
    for block in blocks(ROOT / "docs" / page):
        if block.title:
            versions.setdefault(block.title, []).append(block)
    for shown in versions.values():
        shown[min(version, len(shown) - 1)].write()


def read(path: str | Path) -> Pixels:
    """Reads a picture as BGR."""
    image = cv2.imread(str(path))
    if image is None:
        raise FileNotFoundError(path)
    return image.astype(np.uint8, copy=False)


def frames(path: str, seconds: Sequence[float]) -> list[Pixels]:
    """Reads the frames of a video that are shown at these times, which increase."""
    found: list[Pixels] = []
    with av.open(path) as container:
        for frame in container.decode(video=0):
            if len(found) < len(seconds) and frame.time >= seconds[len(found)]:
                found.append(frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False))
    return found


def scaled(image: Pixels, factor: float) -> Pixels:
    """Enlarges or reduces a picture."""
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(image, None, fx=factor, fy=factor, interpolation=method)
    return resized.astype(np.uint8, copy=False)


def side_by_side(images: Sequence[Pixels], gap: int = 8) -> Pixels:
    """Puts pictures of one height in a row, with white between them."""
    space = np.full((len(images[0]), gap, 3), 255, np.uint8)
    row = [part for image in images for part in (space, image)]
    return np.hstack(row[1:])


def save(path: Path, image: Pixels) -> None:
    """Writes a JPEG, of the best quality with which it stays small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for quality in _QUALITIES:
        done, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if done and content.size <= _MAX_BYTES:
            path.write_bytes(content.tobytes())
            return
    raise ValueError(f"{path}: more than {_MAX_BYTES} bytes in any quality")
