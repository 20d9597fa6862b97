"""Options that say which models find faces and place points, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.choices import (
    DEFAULT_MODEL,
    DEFAULT_SMOOTHING,
    MIN_PRESENCE,
    VIDEO_SMOOTHINGS,
    Provider,
    VideoSmoothing,
)
from fkd_infer.cli.options.detectors import (
    DetectorChoice,
    detector_model_option,
    detector_option,
    photo_size_text,
)
from fkd_infer.cli.options.group import PATH, Decorator, NameOrPath, group, neutral_option
from fkd_infer.detection.registry import BOX_KINDS, NONE, find_detector
from fkd_infer.runtime.providers.registry import AUTO, provider_names

if TYPE_CHECKING:
    from fkd_infer.jobs.face_finder import FaceFinder
    from fkd_infer.media.sources import Source
    from fkd_infer.pipeline import Pipeline


@dataclass(frozen=True)
class FaceOptions:
    """How faces are found; None leaves a choice to what it is about."""

    model: str
    detector: str
    detector_model: Path | None
    boxes: Path | None
    boxes_kind: str
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
        if given and (self.boxes is not None or not find_detector(self.detector).searches):
            raise click.UsageError(f"{given[0]} has no use where no detector searches")

    def pipeline(self, sources: list[Source], workers: int) -> Pipeline:
        """The pipeline for sources, of which so many photos are worked on at once."""
        from fkd_infer.jobs.photos import network_threads
        from fkd_infer.pipeline import load

        return load(
            self.model,
            detector=NONE.name if self.boxes else self.detector,
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

    def finder(self, pipeline: Pipeline) -> FaceFinder:
        """What finds the faces of photos and of moving pictures."""
        from fkd_infer.detection.boxes_file import BoxesFile
        from fkd_infer.detection.factory import box_rule, video_detector
        from fkd_infer.detection.tiling import Search
        from fkd_infer.jobs.face_finder import FaceFinder
        from fkd_infer.tracking.tracker import Tracker

        given = BoxesFile.read(self.boxes) if self.boxes else None
        tracker = None
        if not pipeline.detector.traits.trusted:
            size = self.max_size or find_detector(self.detector).search_sizes.videos
            search = Search(size, self.min_face, self.min_score)
            detector = video_detector(pipeline.detector, search)
            smoothing = "off" if self.smooth == "offline" else self.smooth
            tracker = Tracker(pipeline, detector, self.detect_every, smoothing)
        return FaceFinder(pipeline, tracker, given, box_rule(self.boxes_kind, pipeline.card))


model_option: Decorator = click.option(
    "--model",
    type=NameOrPath(),
    metavar="NAME|FILE",
    default=DEFAULT_MODEL,
    show_default=True,
    help="Shipped model, or an .onnx file.",
)


provider_option: Decorator = neutral_option(
    "--provider",
    type=click.Choice(provider_names()),
    default=AUTO,
    show_default=True,
    help="auto uses the first that starts; any other is used or the command fails.",
)


min_face_option: Decorator = click.option(
    "--min-face",
    type=click.FloatRange(4),
    help="Smallest face, px from brows to chin; large frames are searched in tiles for it.",
)


min_score_option: Decorator = click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    show_default="as the detector has it",
    help="How sure the detector has to be of a face.",
)


face_options = group(
    "faces",
    FaceOptions,
    model=model_option,
    detector=detector_option(),
    detector_model=detector_model_option,
    boxes=click.option(
        "--boxes", type=PATH, help="CSV of boxes: source,frame,x0,y0,x1,y1; no detector."
    ),
    boxes_kind=click.option(
        "--boxes-kind",
        type=DetectorChoice(BOX_KINDS),
        default="points",
        show_default=True,
        help="How --boxes are drawn: tight around brows to chin, or as a detector does.",
    ),
    max_size=click.option(
        "--max-size",
        type=click.IntRange(64),
        show_default=photo_size_text(),
        help="Longer side, px, at which a frame is searched; more finds smaller faces.",
    ),
    min_face=min_face_option,
    min_score=min_score_option,
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
    provider=provider_option,
    threads=neutral_option(
        "--threads",
        type=click.IntRange(1),
        show_default="all cores, photos: each worker's share",
        help="Threads of the network.",
    ),
    tuned=neutral_option(
        "--tuned/--no-tuned",
        default=True,
        show_default=True,
        help="Run the network as fkd-infer tune found best on this machine.",
    ),
)
"""Options that say how faces are found, for a command's argument `faces`."""
