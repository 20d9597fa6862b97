"""Options of fkd-infer for how faces are found and points are placed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.choices import (
    DEFAULT_SMOOTHING,
    MIN_PRESENCE,
    VIDEO_SMOOTHINGS,
    Roll,
    VideoSmoothing,
)
from fkd_infer.cli.options.detectors import (
    DetectorChoice,
    detect_every_option,
    detector_model_option,
    detector_option,
    max_size_option,
    min_face_option,
    min_score_option,
    photo_size_text,
    roll_option,
)
from fkd_infer.cli.options.group import PATH, FiniteRange, group, neutral_option
from fkd_infer.cli.options.networks import ProviderOptions, model_option, threads_option
from fkd_infer.detection.registry import BOX_KINDS, NONE, find_detector

if TYPE_CHECKING:
    from fkd_infer.jobs.face_finder import FaceFinder
    from fkd_infer.media.sources import Source
    from fkd_infer.pipeline import Pipeline


@dataclass(frozen=True)
class FaceOptions:
    """How faces are found; None stands for a default that depends on other options."""

    model: str
    detector: str
    detector_model: Path | None
    boxes: Path | None
    boxes_kind: str
    max_size: int | None
    min_face: float | None
    min_score: float | None
    roll: Roll | None
    detect_every: int | None
    smooth: VideoSmoothing
    min_presence: float | None
    refine: bool | None
    threads: int | None
    tuned: bool

    def __post_init__(self) -> None:
        if self.boxes is not None and self.detect_every is not None:
            raise click.UsageError(
                "--detect-every cannot be used with --boxes, which has all boxes"
            )
        search_options = {
            "--detector-model": self.detector_model,
            "--max-size": self.max_size,
            "--min-face": self.min_face,
            "--min-score": self.min_score,
            "--roll": self.roll,
        }
        given = [option for option, value in search_options.items() if value is not None]
        if given and (self.boxes is not None or not find_detector(self.detector).searches):
            raise click.UsageError(f"{given[0]} needs a detector, not --boxes or --detector none")

    def pipeline(self, sources: list[Source], workers: int, providers: ProviderOptions) -> Pipeline:
        """Loads the pipeline for sources, of which `workers` photos are processed at once."""
        from fkd_infer.jobs.threads import network_threads
        from fkd_infer.loading import load

        return load(
            self.model,
            detector=NONE.name if self.boxes else self.detector,
            detector_model=self.detector_model,
            provider=providers.landmarks(),
            detector_provider=providers.detector(),
            threads=self.threads or network_threads(sources, workers),
            max_size=self.max_size,
            min_face=self.min_face,
            min_score=self.min_score,
            roll=self.roll,
            min_presence=self.min_presence,
            refine=self.refine,
            tuned=self.tuned,
        )

    def finder(
        self, pipeline: Pipeline, sources: list[Source], complete: bool = True
    ) -> FaceFinder:
        """The finder of faces in photos and videos; unless `complete`, there are more of them."""
        from fkd_infer.detection.boxes_file import BoxesFile
        from fkd_infer.detection.factory import box_rule, video_detector
        from fkd_infer.detection.tiling import Search
        from fkd_infer.jobs.face_finder import FaceFinder
        from fkd_infer.tracking.tracker import Tracker

        boxes = BoxesFile.read(self.boxes) if self.boxes else None
        if self.boxes and boxes and complete:
            boxes.check_sources(self.boxes, (source.name for source in sources))
        tracker = None
        if not pipeline.detector.traits.trusted:
            size = self.max_size or find_detector(self.detector).search_sizes.videos
            search = Search(size, self.min_face, self.min_score, self.roll or "upright")
            detector = video_detector(pipeline.detector, search)
            smoothing = "off" if self.smooth == "offline" else self.smooth
            tracker = Tracker(pipeline, detector, self.detect_every, smoothing)
        return FaceFinder(pipeline, tracker, boxes, box_rule(self.boxes_kind, pipeline.card))


face_options = group(
    "faces",
    FaceOptions,
    "Faces and points",
    model=model_option,
    detector=detector_option(),
    detector_model=detector_model_option,
    boxes=click.option(
        "--boxes",
        type=PATH,
        help="Read boxes from a CSV file: source,frame,x0,y0,x1,y1; no detector runs.",
    ),
    boxes_kind=click.option(
        "--boxes-kind",
        type=DetectorChoice(BOX_KINDS),
        default=BOX_KINDS[0],
        show_default=True,
        help="Read --boxes as tight from brows to chin, or as this detector draws them.",
    ),
    max_size=max_size_option(photo_size_text()),
    min_face=min_face_option,
    min_score=min_score_option,
    roll=roll_option,
    detect_every=detect_every_option,
    smooth=click.option(
        "--smooth",
        type=click.Choice(VIDEO_SMOOTHINGS),
        default=DEFAULT_SMOOTHING,
        show_default=True,
        help="Smooth the points of tracked faces this strongly; offline uses 0.3 s of frames to "
        "come, adds no lag, and fills short gaps.",
    ),
    min_presence=click.option(
        "--min-presence",
        type=FiniteRange(0, 1),
        show_default=f"{MIN_PRESENCE}, 0 without a detector",
        help="Leave out faces that the landmark network scores lower: how good it expects the "
        "points to be. 0 leaves out none. Not for --boxes.",
    ),
    refine=click.option(
        "--refine/--no-refine",
        default=None,
        show_default="on, off with --detector none",
        help="Place points again, in the box of the first ones, which fits a face better than a "
        "detector's. Not for --boxes.",
    ),
    threads=threads_option("all cores; photos: each worker's share"),
    tuned=neutral_option(
        "--tuned/--no-tuned",
        default=True,
        show_default=True,
        help="Use the settings that fkd-infer tune saved for this machine.",
    ),
)
"""Adds `faces`: how faces are found."""
