"""Whole videos: fkd-infer's speed on generated ones, and whether its points are in place."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from benchmarks.harness import statistics
from benchmarks.harness.results import Figure, Measurement, Recorder
from benchmarks.harness.subprocesses import Finished
from benchmarks.programs.command import Inference
from benchmarks.programs.encoding import encoding_seconds
from benchmarks.programs.scenes import RATE, Scene, make_video
from fkd_infer.choices import DEFAULT_DETECTOR
from fkd_infer.detection.registry import find_detector
from fkd_infer.geometry.arrays import Floats
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.pipeline import load
from fkd_train.errors import RunError
from fkd_train.evaluation.metrics import Array

COMMAND = "pipeline"
SCENES = tuple(Scene(lines, faces) for lines in (720, 1080) for faces in (1, 4))
ENCODING = "encoding alone"
_POINTS = ("--draw", "points")
_FILTERS = ("--filter", "hat", "--filter", "moustache", "--filter", "sunglasses")


@dataclass(frozen=True)
class Way:
    """Something that fkd-infer is asked to make of a video."""

    name: str
    options: tuple[str, ...] = ()
    video: bool = True


WAYS = (
    Way("overlay"),
    Way("points, hat, moustache, sunglasses", (*_POINTS, *_FILTERS)),
    Way("points as JSON", video=False),
)


@dataclass(frozen=True)
class _Files:
    given: Path
    result: Path
    records: Path

    def arguments(self, way: Way) -> list[str]:
        """What fkd-infer is given."""
        video = ["--out", str(self.result.parent)] if way.video else []
        return [str(self.given), *video, "--json", str(self.records), *way.options]


def pipeline(
    seconds: int,
    repeats: int,
    inference: Inference,
    scenes: Sequence[Scene],
    out: Path,
    recorder: Recorder,
) -> None:
    """Runs fkd-infer on each scene in each way, and the encoder alone, all of them in turns;
    checks what came back."""
    frames = seconds * RATE
    for scene in scenes:
        some = _prepare(scene, seconds, out)
        encoded: list[float] = []
        runs: dict[Way, list[Finished]] = {way: [] for way in WAYS}
        for _ in range(repeats):
            # An order, no secret.
            for way in random.sample([None, *WAYS], 1 + len(WAYS)):  # nosec B311
                if way is None:
                    encoded.append(encoding_seconds(some.given, inference.cores))
                else:
                    runs[way].append(inference.run(some.arguments(way)))
        conditions = {"figures": "speed", **inference.conditions}
        speed = {"speed": Figure.of(statistics.rate(encoded, frames), "frames/s", 1, "higher")}
        rates = tuple(frames / taken for taken in encoded)
        recorder.measured(
            Measurement(COMMAND, scene.name, ENCODING, conditions, speed, blocks=rates)
        )
        for way in WAYS:
            _record(scene, way, some, frames, runs[way], encoded, inference, recorder)


def _record(
    scene: Scene,
    way: Way,
    files: _Files,
    frames: int,
    runs: Sequence[Finished],
    encoded: Sequence[float],
    inference: Inference,
    recorder: Recorder,
) -> None:
    """One way's speed, stages and, where a video came back, what it is like."""
    parts = {"speed": _costs(runs, frames)}
    if way.video:
        share = statistics.ratio(encoded, [run.seconds for run in runs])
        parts["speed"]["of encoding alone"] = Figure.of(share, "×", 1, "higher")
    stages = inference.stages(files.arguments(way))
    parts["stages"] = {
        stage: Figure(1000 * passed / frames, "ms/frame") for stage, passed in stages.items()
    }
    if way.video:
        parts["what came back"] = check_container(files.given, files.result)
    parts["points"] = _points_in_place(scene, files.records)
    rates = tuple(frames / run.seconds for run in runs)
    for part, figures in parts.items():
        conditions = {"figures": part, **inference.conditions}
        blocks = rates if part == "speed" else ()
        recorder.measured(
            Measurement(COMMAND, scene.name, way.name, conditions, figures, blocks=blocks)
        )


def _prepare(scene: Scene, seconds: int, out: Path) -> _Files:
    given = out / f"{scene.name}-{seconds}s.mp4"
    if not given.exists():
        make_video(scene, given, seconds)
    return _Files(given, out / "result" / given.name, out / f"{given.stem}.jsonl")


def _costs(runs: Sequence[Finished], frames: int) -> dict[str, Figure]:
    rate = statistics.rate([run.seconds for run in runs], frames)
    cpu = statistics.median([run.cpu_seconds for run in runs])
    return {
        "speed": Figure.of(rate, "frames/s", 1, "higher"),
        "CPU time": Figure.of(cpu, "ms/frame", 1000 / frames, "lower"),
        "peak memory": Figure(max(run.peak_mib for run in runs), "MiB"),
    }


def check_container(given: Path, result: Path) -> dict[str, Figure]:
    """How far the result's frames, length and sound are from those of what was given."""
    (frames, length), (own_frames, own_length) = (
        _frames_and_seconds(result),
        _frames_and_seconds(given),
    )
    sounds = zip(_sound_packets(result), _sound_packets(given), strict=False)
    same = [ours == theirs for ours, theirs in sounds]
    lost = len(_sound_packets(given)) - sum(same)
    return {
        "frames lost": Figure(own_frames - frames, "frames"),
        "length changed": Figure(length - own_length, "s"),
        "sound changed": Figure(lost, "packets"),
    }


def _sound_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def _frames_and_seconds(path: Path) -> tuple[int, float]:
    """Frames as they decode, and the container's duration."""
    with av.open(str(path)) as container:
        duration = float(container.duration or 0) / 1e6
        return sum(1 for _ in container.decode(video=0)), duration


def _points_in_place(scene: Scene, records: Path) -> dict[str, Figure]:
    """The points of each face, moved back by the known path: how far from their mean over all
    frames, and how far that mean is from the points of the still photo. Raises RunError where a
    face was never found."""
    found: list[list[Floats]] = [[] for _ in range(scene.faces)]
    frames = 0
    for line in records.read_text().splitlines():
        record = json.loads(line)
        frames += 1
        shifted = [
            np.array(face["points"], np.float32) + scene.corner(record["frame"])
            for face in record["faces"]
        ]
        for number, points in _best(scene, shifted).items():
            found[number].append(points)
    pipeline = load(max_size=find_detector(DEFAULT_DETECTOR).search_sizes.videos, tuned=False)
    still = _best(scene, [face.points for face in pipeline(scene.photo())])
    if not all(found) or len(still) < scene.faces:
        raise RunError(records, f"not all {scene.faces} faces of {scene.name} were ever found")
    left, right = IBUG68.outer_eye_corners
    errors: list[Array] = []
    offsets = []
    for number, faces in enumerate(found):
        points = np.stack(faces)
        mean = points.mean(axis=0)
        size = np.linalg.norm(mean[left] - mean[right])
        errors.append(100 * np.linalg.norm(points - mean, axis=-1).mean(axis=1) / size)
        offsets.append(100 * np.linalg.norm(mean - still[number], axis=-1).mean() / size)
    distances = np.concatenate(errors)
    share = 100 * sum(map(len, found)) / (frames * scene.faces)
    return {
        "faces found": Figure(share, "%"),
        "points' median distance": Figure(float(np.median(distances)), "% of interocular"),
        "points' largest distance": Figure(float(distances.max()), "% of interocular"),
        "distance to the still": Figure(float(np.max(offsets)), "% of interocular"),
    }


def _best(scene: Scene, faces: Sequence[Floats]) -> dict[int, Floats]:
    """The first of the faces at each place; `faces` come best first."""
    chosen: dict[int, Floats] = {}
    for points in faces:
        chosen.setdefault(scene.place(points), points)
    return {place: points for place, points in chosen.items() if place in range(scene.faces)}
