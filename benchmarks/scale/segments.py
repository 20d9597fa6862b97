"""Compares a long video that is processed in segments with one run of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream
from skimage import data

from benchmarks.harness.results import Figure, Measurement, Recorder
from fkd_infer.detection.factory import video_detector
from fkd_infer.detection.registry import FKD
from fkd_infer.detection.tiling import Search
from fkd_infer.drawing.annotator import Annotator
from fkd_infer.drawing.overlay import Overlay
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.jobs.face_finder import FaceFinder
from fkd_infer.jobs.segments.joining import JoinedVideo
from fkd_infer.jobs.segments.process import SegmentedVideoProcessor
from fkd_infer.jobs.videos import VideoProcessor
from fkd_infer.loading import load
from fkd_infer.media.sources import expand_sources
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.system.files.atomic import atomic_write
from fkd_infer.tracking.tracker import Tracker
from fkd_infer.types import Face, Frame, FrameRange

COMMAND = "segments"
SOUND_RATE = 48_000
WIDTH, HEIGHT = 640, 360
_KEY_SECONDS = 2
_HEAD = (slice(20, 240), slice(130, 330))
"""Rows and columns of the portrait's head."""
_SHOT = 47
"""Seconds from cut to cut."""


@dataclass(frozen=True)
class Actor:
    """A head that is shown for `shown` of every `period` seconds, at a scale, around a place."""

    centre: tuple[int, int]
    scale: float
    period: float
    shown: float


ACTORS = (
    Actor((180, 190), 1.0, 61, 59),
    Actor((450, 170), 0.8, 13, 8.5),
    Actor((320, 120), 0.6, 29, 11),
)


def scene(head: Pixels, seconds: float) -> Pixels:
    """A frame (HEIGHT, WIDTH, 3): heads that come and go, move and turn, and cuts in between."""
    noise = np.random.default_rng(int(seconds // _SHOT)).integers(40, 200, (6, 12, 3), np.uint8)
    large = cv2.resize(noise, (WIDTH + 160, HEIGHT), interpolation=cv2.INTER_CUBIC)
    pan = round(80 + 79 * math.sin(seconds / 5))
    frame = np.ascontiguousarray(large[:, pan : pan + WIDTH], np.uint8)
    for number, actor in enumerate(ACTORS, 1):
        if seconds % actor.period >= actor.shown:
            continue
        x = actor.centre[0] + 40 * math.sin(seconds * (0.5 + 0.13 * number))
        y = actor.centre[1] + 15 * math.sin(seconds * (0.7 + 0.11 * number))
        middle = (head.shape[1] / 2, head.shape[0] / 2)
        matrix = cv2.getRotationMatrix2D(middle, 9 * math.sin(seconds * 0.4 * number), actor.scale)
        matrix[:, 2] += (x - middle[0], y - middle[1])
        border = cv2.BORDER_TRANSPARENT
        cv2.warpAffine(head, matrix, (WIDTH, HEIGHT), dst=frame, borderMode=border)
    return frame


def make_video(path: Path, seconds: int, rate: int) -> None:
    """Writes a video of ACTORS with B-frames and a tone that rises."""
    portrait = data.astronaut()[..., ::-1]  # type: ignore[no-untyped-call]
    head = np.ascontiguousarray(portrait[_HEAD])
    with atomic_write(path) as partial, av.open(str(partial), "w", format="mp4") as container:
        options = {"preset": "veryfast", "g": str(_KEY_SECONDS * rate), "bf": "2"}
        video = container.add_stream("libx264", rate=rate, options=options)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=SOUND_RATE, layout="mono")
        rng, begun = np.random.default_rng(0), 0
        grain = rng.normal(0, 3, (HEIGHT + 64, WIDTH + 64, 3)).astype(np.int8)
        for index in range(seconds * rate):
            top, left = rng.integers(0, 64, 2)
            noise = grain[top : top + HEIGHT, left : left + WIDTH]
            frame = cv2.add(scene(head, index / rate), noise, dtype=cv2.CV_8U)
            picture = av.VideoFrame.from_ndarray(np.asarray(frame, np.uint8), format="bgr24")
            container.mux(video.encode(picture))
            while begun * rate < (index + 1) * SOUND_RATE:
                container.mux(sound.encode(_tone(begun)))
                begun += 1024
        container.mux(video.encode(None))
        container.mux(sound.encode(None))


def _tone(start: int) -> av.AudioFrame:
    """1024 samples of a tone from 200 Hz on, which rises by an octave a minute."""
    seconds = np.arange(start, start + 1024) / SOUND_RATE
    wave = np.sin(2 * np.pi * 200 * 60 / math.log(2) * np.exp2(seconds % 300 / 60))
    frame = av.AudioFrame.from_ndarray(
        (0.3 * wave).astype(np.float32)[None], format="fltp", layout="mono"
    )
    frame.sample_rate, frame.pts = SOUND_RATE, start
    return frame


@dataclass
class Recorded:
    """The frames and faces of a run, and how long it took."""

    frames: list[tuple[int, Fraction]] = field(default_factory=list)
    faces: list[list[Face]] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Adds a frame."""
        self.frames.append((frame.index, frame.time))
        self.faces.append(list(faces))


def compare_segments(
    seconds: int, rate: int, count: int, workers: int, folder: Path, recorder: Recorder
) -> None:
    """Processes a generated video in `count` segments by `workers` processes, and in one run."""
    video = folder / f"actors-{seconds}-{rate}.mp4"
    folder.mkdir(parents=True, exist_ok=True)
    if not video.exists():
        make_video(video, seconds, rate)
    one = _run(video, _processor(folder / "one-run"))
    joined: list[JoinedVideo] = []
    notes: list[str] = []
    with ProcessPoolExecutor(workers, get_context("spawn")) as executor:
        length = seconds / count - _KEY_SECONDS / 2
        whole = _processor(folder / "segments")
        processor = SegmentedVideoProcessor(whole, executor, length, joined.append)
        several = _run(video, processor, notes.append)
    figures = _figures(one, several) | _run_ons(joined)
    figures |= _video_figures(*(folder / name / video.name for name in ("one-run", "segments")))
    conditions = {
        "video": f"{seconds} s, {rate} frames/s",
        "processes": str(workers),
        "notes": "; ".join(notes),
    }
    recorder.add(Measurement(COMMAND, "fkdnet", "in segments", conditions, figures))


def _processor(folder: Path) -> VideoProcessor:
    pipeline = load(threads=1, tuned=False)
    search = Search(FKD.search_sizes.videos)
    tracker = Tracker(pipeline, video_detector(pipeline.detector, search), smoothing="medium")
    return VideoProcessor(
        FaceFinder(pipeline, tracker),
        Overlay(Annotator(pipeline.card.landmarks)),
        folder,
        True,
        FrameRange(),
        Encoding(),
        False,
        lambda: False,
    )


def _run(
    video: Path,
    processor: VideoProcessor | SegmentedVideoProcessor,
    note: Callable[[str], None] = lambda _: None,
) -> Recorded:
    (source,) = expand_sources([str(video)])
    recorded, started = Recorded(), time.perf_counter()
    processor(source, recorded.add, note)
    recorded.seconds = time.perf_counter() - started
    return recorded


def _figures(one: Recorded, several: Recorded) -> dict[str, Figure]:
    distances = np.array(list(_distances(one.faces, several.faces)) or [math.nan])
    ids = ([face.id for face in faces] for faces in one.faces)
    others = ([face.id for face in faces] for faces in several.faces)
    differ = sum(a != b for a, b in zip(ids, others, strict=False))
    return {
        "largest difference": Figure(float(distances.max()), "px", better="lower"),
        "median difference": Figure(float(np.median(distances)), "px", better="lower"),
        "frames with other ids": Figure(differ, "frames", better="lower"),
        "frames": Figure(len(one.frames), "frames"),
        "other frames or times": Figure(
            abs(len(one.frames) - len(several.frames))
            + sum(a != b for a, b in zip(one.frames, several.frames, strict=False)),
            "frames",
            better="lower",
        ),
        "faces": Figure(sum(map(len, one.faces)), "faces"),
        "ids": Figure(max((face.id or 0 for faces in one.faces for face in faces), default=0), ""),
        "one run": Figure(one.seconds, "s"),
        "in segments": Figure(several.seconds, "s"),
    }


def _distances(one: Sequence[Sequence[Face]], several: Sequence[Sequence[Face]]) -> Iterator[float]:
    """The largest distance of points of the faces that have the same id in a frame of both."""
    for faces, others in zip(one, several, strict=False):
        by_id: dict[int | None, Floats] = {face.id: face.points for face in others}
        for face in faces:
            if face.id in by_id:
                yield float(np.linalg.norm(face.points - by_id[face.id], axis=1).max())


def _run_ons(joined: Sequence[JoinedVideo]) -> dict[str, Figure]:
    run_ons = [length for one in joined for length in one.run_ons]
    agreed = [length for length in run_ons if length is not None]
    return {
        "segments": Figure(len(run_ons) + 1, ""),
        "segments tracked one after the other": Figure(run_ons.count(None), "", better="lower"),
        "run on, median": Figure(float(np.median(np.array(agreed or [0]))), "frames"),
        "run on, longest": Figure(max(agreed, default=0), "frames"),
    }


def _video_figures(one: Path, several: Path) -> dict[str, Figure]:
    """How the packets of two annotated videos differ, and the frames that the second decodes to."""
    pictures, sound = zip(_packets(one), _packets(several), strict=True)
    with av.open(str(several)) as container:
        decoded = sum(1 for _ in container.decode(video=0))
        duration = container.duration or 0
    with av.open(str(one)) as container:
        expected = container.duration or 0
    return {
        "decoded frames": Figure(decoded, "frames"),
        "other times in the video": Figure(_differing(*pictures), "packets", better="lower"),
        "sound": Figure(len(sound[0]), "packets"),
        "other sound": Figure(_differing(*sound), "packets", better="lower"),
        "duration": Figure(duration / av.time_base, "s"),
        "duration, difference": Figure(abs(duration - expected) / av.time_base, "s"),
    }


def _packets(path: Path) -> tuple[list[object], list[object]]:
    """Times and durations of pictures; and of sound, with its bytes."""
    pictures: list[object] = []
    sound: list[object] = []
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size:
                times = packet.pts, packet.dts, packet.duration
                if packet.stream.type == "video":
                    pictures.append(times)
                else:
                    sound.append((times, bytes(packet)))
    return pictures, sound


def _differing(one: Sequence[object], other: Sequence[object]) -> int:
    return abs(len(one) - len(other)) + sum(a != b for a, b in zip(one, other, strict=False))
