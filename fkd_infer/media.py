"""Where frames come from and where pictures go: images, videos, cameras, folders, globs."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

import cv2
import numpy as np

from fkd_infer.animation import ANIMATED_SUFFIXES, describe, is_animated, webp_pictures
from fkd_infer.animationsink import AnimationSink
from fkd_infer.errors import (
    CameraError,
    OutputError,
    SourceFolderError,
    SourceNotFoundError,
    StoppedError,
)
from fkd_infer.imagefile import IMAGE_SUFFIXES, read_image, suffix_by_content, write_image
from fkd_infer.imageformat import Size
from fkd_infer.limits import Limits
from fkd_infer.stream import file_stem, is_stream, public_name, read_stream
from fkd_infer.types import Frame
from fkd_infer.video import Cut, count_frames, read_video
from fkd_infer.videosink import CONTAINERS, Encoding, VideoSink
from fkd_infer.wholefile import writing

Kind = Literal["image", "video", "camera", "stream"]

_STDOUT = Path("-")
_BROADCAST = {".mpg", ".mpeg", ".ts", ".mts", ".m2ts"}
_OTHERS = {".webm", ".avi", ".wmv", ".flv", ".3gp", ".ogv"}
VIDEO_SUFFIXES = frozenset({*CONTAINERS, *_BROADCAST, *_OTHERS})
"""Videos are found in folders by these; what CONTAINERS does not hold comes out as .mp4."""
_CAMERAS = 100
"""More than a machine has; larger numbers are names of files that are not there."""
_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Source:
    """Something that gives frames; `output` is the path of its picture within the --out folder.

    Animated images are videos. A `url` may hold a password, so it is not shown; `name` is. A folder
    that could not be searched is a source that fails: `unsearched` says why.
    """

    name: str
    kind: Kind
    output: Path
    path: Path | None = None
    camera: int | None = None
    url: str | None = field(default=None, repr=False)
    unsearched: str | None = None


def expand_sources(given: Sequence[str], out: Path | None = None) -> list[Source]:
    """The images, videos and cameras that files, folders, globs and camera numbers stand for.

    What lies below `out` was made by an earlier run, and is left out of folders and globs. An
    output that changes its suffix keeps the old one too where another has that name: a.avi.mp4.
    """
    sources = [source for text in given for source in _expand(text, out)]
    taken = Counter(source.output for source in sources)
    return [_apart(source) if taken[source.output] > 1 else source for source in sources]


def _apart(source: Source) -> Source:
    """The source with its own suffix in its output's name, where that has another one."""
    if source.path is None or source.path.suffix.lower() == source.output.suffix.lower():
        return source
    name = f"{source.path.name}{source.output.suffix}"
    return replace(source, output=source.output.with_name(name))


def check_outputs(
    sources: Sequence[Source], out: Path | None, records: Sequence[Path] = ()
) -> None:
    """Makes sure, before work starts, that every output has a place of its own to be written to.

    `records` are the files of side outputs. Raises OutputError for two outputs in one place, for
    an output that is a source, and for a folder that cannot be made or written to.
    """
    sources = [source for source in sources if source.unsearched is None]
    originals = {_identity(source.path) for source in sources if source.path}
    for number, record in enumerate(records):
        if record in records[:number]:
            raise OutputError(record, "two outputs would go there", "give each its own file")
        if record != _STDOUT:
            _check_target(record, originals)
    if out is not None:
        _check_pictures(sources, out, originals)


def _check_pictures(
    sources: Sequence[Source], out: Path, originals: set[tuple[int, int] | None]
) -> None:
    taken: dict[Path, Source] = {}
    for source in sources:
        other = taken.setdefault(source.output, source)
        if other is not source:
            raise OutputError(
                out / source.output,
                f"both {other.name} and {source.name} would go there",
                "run them one by one, or give the folder that holds both",
            )
    for source in sources:
        _check_target(out / source.output, originals)


def read_photo(
    source: Source, limits: Limits | None = None, admit: Callable[[Size], object] = lambda _: None
) -> Frame:
    """The picture of a source that is an image; `admit` as in read_image, which tells of errors."""
    if source.path is None:
        raise SourceNotFoundError(source.name)
    if source.unsearched is not None:
        raise SourceFolderError(source.path, source.unsearched)
    return Frame(read_image(source.path, limits, admit), source.name)


def frames_from(
    source: Source,
    cut: Cut = Cut(),  # noqa: B008 (frozen)
    gray: bool = False,
    limits: Limits | None = None,
) -> Iterator[Frame]:
    """The frames of a source, read as they are asked for; of what moves, those of a cut.

    `gray` reads the luma of video files alone, as (H, W), which is quicker. Raises what its readers
    do, LimitError for pictures that are too large, and LimitStoppedError where it goes on too long.
    """
    limits = limits or Limits()
    if source.kind == "image":
        yield read_photo(source, limits)
    else:
        yield from limits.watched(_moving(source, cut, gray, limits), source.name)


def _moving(source: Source, cut: Cut, gray: bool, limits: Limits) -> Iterator[Frame]:
    if source.camera is not None:
        yield from cut(_read_camera(source.camera, source.name))
    elif source.url is not None:
        yield from cut(read_stream(source.url, gray, limits=limits))
    elif source.path is None:
        raise SourceNotFoundError(source.name)
    else:
        animation = describe(source.path)
        if animation is not None:
            limits.check_moving(source.path, *animation.size)
        if animation is not None and animation.suffix == ".webp":
            yield from cut(_read_webp(source.path, source.name, cut, gray))
        else:
            yield from read_video(source.path, source.name, cut, gray, limits)


def frame_count(source: Source, cut: Cut = Cut()) -> int | None:  # noqa: B008 (frozen)
    """How many frames a source is expected to give; None where that is not known."""
    if source.path is None:
        return cut.max_frames
    if source.kind == "image":
        return 1
    animation = describe(source.path)
    if animation is not None:
        count = len(animation.durations)
        length = sum(animation.durations)
        return cut.count(count, count / length if length else None)
    return count_frames(source.path, cut)


class FrameSink(Protocol):
    """Takes annotated frames; a context manager, at whose end the output is complete."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def write(self, frame: Frame) -> None:
        """Takes one frame."""
        ...


class NullSink:
    """Takes frames and does nothing with them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def write(self, frame: Frame) -> None:
        """Does nothing."""


class ImageSink(NullSink):
    """An image file, in the format of its suffix."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, frame: Frame) -> None:
        """Writes the file."""
        write_image(self._path, frame.image)


def open_sink(
    source: Source,
    out: Path | None,
    encoding: Encoding = Encoding(),  # noqa: B008 (frozen)
    cut: Cut = Cut(),  # noqa: B008 (frozen)
) -> FrameSink:
    """The sink for a source's pictures, to be entered with `with`; does nothing without `out`.

    `cut` is what frames are taken by.
    """
    if out is None:
        return NullSink()
    target = out / source.output
    if source.kind == "image":
        return ImageSink(target)
    if target.suffix.lower() in ANIMATED_SUFFIXES:
        return AnimationSink(target, source.path, encoding.quality, cut)
    return VideoSink(target, source.path, encoding, cut)


def _expand(text: str, out: Path | None) -> list[Source]:
    path = Path(text)
    if not _exists(text):
        if is_stream(text):
            return [Source(public_name(text), "stream", Path(f"{file_stem(text)}.mp4"), url=text)]
        if text.isascii() and text.isdigit() and int(text) < _CAMERAS:
            number = int(text)
            return [Source(text, "camera", Path(f"camera{number}.mp4"), camera=number)]
        if _WILDCARDS & set(text):
            return _glob(text, out)
        raise SourceNotFoundError(text)
    if path.is_dir():
        return _folder(path, out)
    return [_known(path, Path(path.name)) or _sniffed(path)]


def _exists(text: str) -> bool:
    """False also for what no file can be called, such as a name that is too long."""
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):
        return False


def _folder(folder: Path, out: Path | None) -> list[Source]:
    """Sources below a folder; folders in it that cannot be searched fail when their turn comes."""
    unsearched: list[Source] = []

    def fail(error: OSError) -> None:
        closed, why = Path(error.filename), error.strerror or str(error)
        if closed == folder:
            raise SourceFolderError(folder, why) from error
        place = closed.relative_to(folder)
        unsearched.append(Source(str(closed), "image", place, closed, unsearched=why))

    found: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in files if not name.startswith(".")]
    sources = _known_below(folder, found, out)
    if not sources and not unsearched:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES | ANIMATED_SUFFIXES | VIDEO_SUFFIXES))
        raise SourceFolderError(folder, f"no image or video in it; looked for {kinds}")
    return sorted([*sources, *unsearched], key=lambda source: source.name)


def _glob(pattern: str, out: Path | None) -> list[Source]:
    """Matching files, with outputs relative to the part of the pattern before any wildcard."""
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if _WILDCARDS & set(part))
    base = Path(*parts[:fixed])
    found = [
        path
        for path in _matches(base, str(Path(*parts[fixed:])))
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(base).parts)
    ]
    sources = _known_below(base, found, out)
    if not sources:
        raise SourceNotFoundError(pattern)
    return sources


def _matches(base: Path, pattern: str) -> Iterator[Path]:
    try:
        yield from base.glob(pattern)
    except ValueError as error:
        raise SourceNotFoundError(str(base / pattern)) from error


def _known_below(base: Path, paths: Sequence[Path], out: Path | None) -> list[Source]:
    made = None if out is None or _real(out) == _real(base) else _real(out)
    sources = [
        _known(path, path.relative_to(base))
        for path in sorted(paths)
        if made is None or made not in _real(path).parents
    ]
    return [source for source in sources if source]


def _known(path: Path, output: Path) -> Source | None:
    """A source by its suffix."""
    suffix = path.suffix.lower()
    if suffix in ANIMATED_SUFFIXES and is_animated(path):
        true_suffix = suffix_by_content(path) or suffix
        return Source(str(path), "video", output.with_suffix(true_suffix), path)
    if suffix == ".gif":
        # A still one: its few colours would not do for what is drawn.
        return Source(str(path), "image", output.with_suffix(".png"), path)
    if suffix in IMAGE_SUFFIXES:
        return Source(str(path), "image", output, path)
    if suffix in VIDEO_SUFFIXES:
        kept = suffix in CONTAINERS
        return Source(str(path), "video", output if kept else output.with_suffix(".mp4"), path)
    return None


def _sniffed(path: Path) -> Source:
    """A source by its content."""
    suffix = suffix_by_content(path)
    if suffix and is_animated(path):
        return Source(str(path), "video", Path(path.name).with_suffix(suffix), path)
    if suffix:
        suffix = ".png" if suffix == ".gif" else suffix
        return Source(str(path), "image", Path(path.name).with_suffix(suffix), path)
    return Source(str(path), "video", Path(path.name).with_suffix(".mp4"), path)


def _real(path: Path) -> Path:
    """A path without links, as far as they lead anywhere."""
    return Path(os.path.realpath(path))


def _identity(path: Path) -> tuple[int, int] | None:
    """The same for all names of a file; None where there is none, which is told by who reads it."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _check_target(target: Path, originals: set[tuple[int, int] | None]) -> None:
    if (there := _identity(target)) is not None and there in originals:
        raise OutputError(target, "it is one of the sources", "write somewhere else")
    folder = target.parent
    with writing(target):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(target, f"no permission to write in {folder}")
    if target.is_dir():
        raise OutputError(target, "a folder of that name is in the way")


def _read_webp(path: Path, name: str, cut: Cut, gray: bool) -> Iterator[Frame]:
    """Frames of an animated WebP, numbered from the cut's start as those of videos."""
    pictures = webp_pictures(path, gray)
    later = ((image, shown) for image, shown in pictures if shown >= cut.start)
    for number, (image, shown) in enumerate(later):
        yield Frame(image, name, number, shown)


def _read_camera(index: int, name: str) -> Iterator[Frame]:
    camera = cv2.VideoCapture(index)
    try:
        if not camera.isOpened():
            raise CameraError(index)
        count = start = 0
        while True:
            got, image = camera.read()
            now = time.monotonic_ns()
            if not got or image is None:
                raise StoppedError(
                    f"camera {index}", "sends no more frames", "is it plugged in and free?"
                )
            start = start if count else now
            yield Frame(
                np.asarray(image, dtype=np.uint8), name, count, Fraction(now - start, 10**9)
            )
            count += 1
    finally:
        camera.release()
