"""Options that commands share; those of fkd-infer in groups, each of which is one argument."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fkd_infer.checksum import file_sha256
from fkd_infer.names import (
    BOX_KINDS,
    CODECS,
    DEFAULT_DETECTOR,
    DEFAULT_LAYERS,
    DEFAULT_MODEL,
    DEFAULT_SMOOTHING,
    DETECTOR_MODEL,
    DETECTORS,
    EXTRAS,
    FRAMES,
    LAYERS,
    MAX_SIZES,
    MEGAPIXELS,
    MIN_PRESENCE,
    PROVIDERS,
    SECONDS,
    VIDEO_SMOOTHINGS,
    BoxKind,
    Codec,
    DetectorName,
    Extra,
    Layer,
    Provider,
    VideoSmoothing,
)

if TYPE_CHECKING:
    from fkd_infer.app import Outputs
    from fkd_infer.finder import Finder
    from fkd_infer.limits import Limits
    from fkd_infer.look import Look
    from fkd_infer.media import Source
    from fkd_infer.pipeline import Pipeline
    from fkd_infer.video import Cut
    from fkd_infer.videosink import Encoding

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_PATH = click.Path(path_type=Path)


def group(argument: str, make: Callable[..., object], **options: Decorator) -> Decorator:
    """Adds options to a command, which gets what `make` makes of them as one argument."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **said: Any) -> Any:
            made = make(**{name: said.pop(name) for name in options})
            return function(*args, **{argument: made}, **said)

        command: Callable[..., Any] = call
        for option in reversed(options.values()):
            command = option(command)
        return command

    return decorate


@dataclass(frozen=True)
class Finding:
    """How faces are found; None leaves a choice to what it is about."""

    model: str
    detector: DetectorName
    detector_model: Path | None
    boxes: Path | None
    boxes_kind: BoxKind
    max_size: int | None
    min_face: float | None
    min_score: float | None
    detect_every: int | None
    smooth: VideoSmoothing
    min_presence: float | None
    refine: bool | None
    provider: Provider
    threads: int | None
    tuned: bool

    def __post_init__(self) -> None:
        if self.boxes is not None and self.detect_every is not None:
            raise click.UsageError("--detect-every has no use with --boxes, which name each face")
        searching = {
            "--detector-model": self.detector_model,
            "--max-size": self.max_size,
            "--min-face": self.min_face,
            "--min-score": self.min_score,
        }
        given = [option for option, value in searching.items() if value is not None]
        if given and (self.boxes is not None or self.detector == "none"):
            raise click.UsageError(f"{given[0]} has no use where no detector searches")

    def pipeline(self, sources: list[Source], workers: int) -> Pipeline:
        """The pipeline for sources, of which so many photos are worked on at once."""
        from fkd_infer.photos import network_threads
        from fkd_infer.pipeline import load

        return load(
            self.model,
            detector="none" if self.boxes else self.detector,
            detector_model=self.detector_model,
            provider=self.provider,
            threads=self.threads or network_threads(sources, workers),
            max_size=self.max_size,
            min_face=self.min_face,
            min_score=self.min_score,
            min_presence=self.min_presence,
            refine=self.refine,
            tuned=self.tuned,
        )

    def settings(self, pipeline: Pipeline) -> dict[str, object]:
        """What faces depend on, but for the network, by the option that says it."""
        file = getattr(pipeline.detector, "path", None)
        return {
            "--detector": self.detector,
            "--detector-model": file and file_sha256(file),
            "--boxes": self.boxes and file_sha256(self.boxes),
            "--boxes-kind": self.boxes_kind,
            "--max-size": self.max_size,
            "--min-face": self.min_face,
            "--min-score": self.min_score,
            "--detect-every": self.detect_every,
            "--smooth": self.smooth,
            "--min-presence": self.min_presence,
            "--refine": self.refine,
        }

    def finder(self, pipeline: Pipeline) -> Finder:
        """What finds the faces of photos and of moving pictures."""
        from fkd_infer.boxes import BoxesFile
        from fkd_infer.detect import box_rule
        from fkd_infer.detector import SizedDetector
        from fkd_infer.finder import Finder
        from fkd_infer.track import Tracker
        from fkd_infer.views import Search

        given = BoxesFile.read(self.boxes) if self.boxes else None
        tracker = None
        if isinstance(pipeline.detector, SizedDetector):
            size = self.max_size or MAX_SIZES[self.detector][1]
            moving = pipeline.detector.moving(Search(size, self.min_face, self.min_score))
            smoothing = "off" if self.smooth == "offline" else self.smooth
            tracker = Tracker(pipeline, moving, self.detect_every, smoothing)
        return Finder(pipeline, tracker, given, box_rule(self.boxes_kind, pipeline.card))


model: Decorator = click.option(
    "--model", default=DEFAULT_MODEL, show_default=True, help="Shipped model, or an .onnx file."
)
provider: Decorator = click.option(
    "--provider",
    type=click.Choice(PROVIDERS),
    default="auto",
    show_default=True,
    help="cuda is used or the command fails; auto takes it where it works.",
)

detector_model: Decorator = click.option(
    "--detector-model",
    type=_PATH,
    show_default=f"{DETECTOR_MODEL}; yunet: OpenCV's public file, fetched once",
    help="File of the detector fkd or yunet.",
)
min_face: Decorator = click.option(
    "--min-face",
    type=click.FloatRange(4),
    help="Smallest face, px from brows to chin; large frames are searched in tiles for it.",
)
min_score: Decorator = click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    show_default="as the detector has it",
    help="How sure the detector has to be of a face.",
)

finding = group(
    "finding",
    Finding,
    model=model,
    detector=click.option(
        "--detector",
        type=click.Choice(DETECTORS),
        default=DEFAULT_DETECTOR,
        show_default=True,
        help="What finds faces; none: each image is one face, cropped already.",
    ),
    detector_model=detector_model,
    boxes=click.option(
        "--boxes", type=_PATH, help="CSV of boxes: source,frame,x0,y0,x1,y1; no detector."
    ),
    boxes_kind=click.option(
        "--boxes-kind",
        type=click.Choice(BOX_KINDS),
        default="points",
        show_default=True,
        help="How --boxes are drawn: tight around brows to chin, or as a detector does.",
    ),
    max_size=click.option(
        "--max-size",
        type=click.IntRange(64),
        show_default="1280, videos 640; haar 960 and 400",
        help="Longer side, px, at which a frame is searched; more finds smaller faces.",
    ),
    min_face=min_face,
    min_score=min_score,
    detect_every=click.option(
        "--detect-every",
        type=click.IntRange(1),
        show_default="as needed",
        help="Search every Nth frame of a video, and follow faces between.",
    ),
    smooth=click.option(
        "--smooth",
        type=click.Choice(VIDEO_SMOOTHINGS),
        default=DEFAULT_SMOOTHING,
        show_default=True,
        help="Steady points in videos; offline looks ahead.",
    ),
    min_presence=click.option(
        "--min-presence",
        type=click.FloatRange(0, 1),
        show_default=f"{MIN_PRESENCE}, 0 without a detector",
        help="Leave out faces of which the network is less sure; 0 keeps all.",
    ),
    refine=click.option(
        "--refine/--no-refine",
        default=None,
        show_default="on, but with --detector none",
        help="Place points again in the box of the first ones.",
    ),
    provider=provider,
    threads=click.option(
        "--threads",
        type=click.IntRange(1),
        show_default="all cores, photos: each worker's share",
        help="Threads of the network.",
    ),
    tuned=click.option(
        "--tuned/--no-tuned",
        default=True,
        show_default=True,
        help="Run the network as fkd-infer tune found best on this machine.",
    ),
)
"""Options that say how faces are found, for a command's argument `finding`."""


@dataclass(frozen=True)
class Looks:
    """What is drawn on faces, by name."""

    layers: tuple[Layer, ...]
    filters: tuple[str, ...]

    def look(self, pipeline: Pipeline) -> Look:
        """What draws it; filters alone where they are given and no layer is."""
        from fkd_infer.annotate import Annotator
        from fkd_infer.filters import load_filters
        from fkd_infer.look import Look

        scheme = pipeline.card.landmarks
        layers = self.layers or (() if self.filters else DEFAULT_LAYERS)
        filters = load_filters(self.filters, scheme) if self.filters else None
        return Look(Annotator(scheme, layers), filters)


looks = group(
    "looks",
    Looks,
    layers=click.option(
        "--draw",
        "layers",
        type=click.Choice(LAYERS),
        multiple=True,
        show_default="contours, points; none with --filter",
        help="What to draw; may be given several times.",
    ),
    filters=click.option(
        "--filter",
        "filters",
        metavar="NAME",
        multiple=True,
        help="A filter such as hat (fkd-infer filters list), or a pack's folder; several wear.",
    ),
)
"""Options that say what is drawn, for a command's argument `looks`."""


def _outputs(**said: Any) -> Outputs:
    from fkd_infer.app import Outputs

    extras: tuple[Extra, ...] = said.pop("extras")
    outputs = Outputs(**said, extras=frozenset(extras))
    if not outputs.any:
        flags = (
            "--out DIR, --json FILE, --csv FILE, --coco FILE, --npz FILE, --sheet FILE or --show"
        )
        raise click.UsageError(f"nothing to write: give {flags}")
    return outputs


outputs = group(
    "outputs",
    _outputs,
    folder=click.option(
        "--out", "folder", type=_PATH, help="Folder for the annotated pictures and videos."
    ),
    json=click.option("--json", type=_PATH, help="File for JSON lines, one per frame; - prints."),
    csv=click.option("--csv", type=_PATH, help="File for a CSV table, one line per face."),
    coco=click.option(
        "--coco", type=_PATH, help="File for all faces as one document of COCO keypoints."
    ),
    npz=click.option("--npz", type=_PATH, help="File for all faces as NumPy arrays."),
    sheet=click.option(
        "--sheet", type=_PATH, help="Picture of up to 20 frames from all over the sources."
    ),
    errors=click.option(
        "--errors",
        type=_PATH,
        show_default="errors.jsonl in --out, or beside the records",
        help="File for JSON lines of the sources that failed, where there are any.",
    ),
    extras=click.option(
        "--extras",
        type=click.Choice(EXTRAS),
        multiple=True,
        help="More of each face in records: the head's angles; how open eyes and mouth are.",
    ),
    show=click.option("--show", is_flag=True, help="Show frames in a window as they are done."),
)
"""Options that say where results go, for a command's argument `outputs`."""


def _cut(start: float, end: float | None, max_frames: int | None, stride: int) -> Cut:
    from fractions import Fraction

    from fkd_infer.video import Cut

    if end is not None and end <= start:
        raise click.UsageError(f"--end {end:g} is not after --start {start:g}")
    limit = None if end is None else Fraction(str(end))
    return Cut(Fraction(str(start)), limit, max_frames, stride)


cut = group(
    "cut",
    _cut,
    start=click.option(
        "--start", type=click.FloatRange(0), default=0.0, help="Second of a video to begin at."
    ),
    end=click.option("--end", type=click.FloatRange(0), help="Second of a video to end at."),
    max_frames=click.option("--max-frames", type=click.IntRange(1), help="Frames of each video."),
    stride=click.option(
        "--stride", type=click.IntRange(1), default=1, help="Take every Nth frame of a video."
    ),
)
"""Options that say which frames of a video are taken, for a command's argument `cut`."""


def _encoding(codec: Codec, quality: int | None) -> Encoding:
    from fkd_infer.videosink import Encoding

    return Encoding(codec, quality)


encoding = group(
    "encoding",
    _encoding,
    codec=click.option(
        "--codec",
        type=click.Choice(CODECS),
        default="h264",
        show_default=True,
        help="Of videos in --out.",
    ),
    quality=click.option(
        "--quality", type=click.IntRange(0, 100), help="Of videos in --out: 100 is best."
    ),
)
"""Options that say how videos are written, for a command's argument `encoding`."""


def _limits(pixels: float, frames: int, seconds: float, memory: int | None) -> Limits:
    from fkd_infer.limits import Limits

    allowed = Limits(round(pixels * 1e6), frames, seconds)
    return allowed if memory is None else replace(allowed, memory=memory * 10**6)


def _endless(pixels: float, memory: int | None) -> Limits:
    return _limits(pixels, sys.maxsize, math.inf, memory)


_limit_pixels = click.option(
    "--limit-pixels",
    "pixels",
    metavar="MILLIONS",
    type=click.FloatRange(0, min_open=True),
    default=MEGAPIXELS,
    show_default=True,
    help="Refuse photos and frames of more, in millions.",
)
_limit_memory = click.option(
    "--limit-memory",
    "memory",
    metavar="MB",
    type=click.IntRange(1),
    show_default="half of what there is",
    help="Refuse photos and videos that would take more.",
)

limits = group(
    "limits",
    _limits,
    pixels=_limit_pixels,
    frames=click.option(
        "--limit-frames",
        "frames",
        type=click.IntRange(1),
        default=FRAMES,
        show_default=True,
        help="End what moves after so many frames, as failed.",
    ),
    seconds=click.option(
        "--limit-seconds",
        "seconds",
        type=click.FloatRange(0, min_open=True),
        default=SECONDS,
        show_default=True,
        help="End what moves, streams and cameras too, after so long, as failed.",
    ),
    memory=_limit_memory,
)
"""Options that say how large sources may be, for a command's argument `limits`."""

live_limits = group("limits", _endless, pixels=_limit_pixels, memory=_limit_memory)
"""The same for what is watched, which goes on for as long as somebody wants."""
