"""Measures fkd-infer's speed on generated videos, and checks its points."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import av
import numpy as np

from benchmarks.harness import statistics
from benchmarks.harness.results import Figure, Measurement, Recorder
from benchmarks.harness.subprocesses import ProcessUsage
from benchmarks.programs.encoding import EncodingTime, encode_alone
from benchmarks.programs.inference_command import Inference
from benchmarks.programs.scenes import RATE, Scene, make_video
from fkd_infer.choices import DEFAULT_DETECTOR
from fkd_infer.detection.registry import find_detector
from fkd_infer.geometry.arrays import Floats
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.loading import load
from fkd_train.errors import RunError
from fkd_train.evaluation.metrics import Array

COMMAND = "pipeline"
SCENES = tuple(
    Scene(lines, faces, bits) for bits in (8, 10) for lines in (720, 1080) for faces in (1, 4)
)
ENCODING = "encoding alone"
_POINTS = ("--draw", "points")
_FILTERS = ("--filter", "hat", "--filter", "moustache", "--filter", "sunglasses")


@dataclass(frozen=True)
class VideoTask:
    """Options of fkd-infer for a video; `video` if it writes one."""

    name: str
    options: tuple[str, ...] = ()
    video: bool = True


TASKS = (
    VideoTask("overlay"),
    VideoTask("points, hat, moustache, sunglasses", (*_POINTS, *_FILTERS)),
    VideoTask("points as JSON", video=False),
)


@dataclass(frozen=True)
class _Files:
    source: Path
    result: Path
    records: Path

    def arguments(self, task: VideoTask) -> list[str]:
        """The arguments of fkd-infer."""
        video = ["--out", str(self.result.parent)] if task.video else []
        return [str(self.source), *video, "--json", str(self.records), *task.options]


def measure_videos(
    seconds: int,
    repeats: int,
    inference: Inference,
    scenes: Sequence[Scene],
    out: Path,
    recorder: Recorder,
) -> None:
    """Runs fkd-infer on each scene for each task, in turn with the encoder alone; checks the
    results."""
    frames = seconds * RATE
    for scene in scenes:
        files = _prepare(scene, seconds, out)
        encoding: list[EncodingTime] = []
        runs: dict[VideoTask, list[ProcessUsage]] = {task: [] for task in TASKS}
        for _ in range(repeats):
            # Shuffling, not cryptography.
            for task in random.sample([None, *TASKS], 1 + len(TASKS)):  # nosec B311
                if task is None:
                    encoding.append(encode_alone(files.source, inference.cores))
                else:
                    runs[task].append(inference.run(files.arguments(task)))
        conditions = {"figures": "speed", **inference.conditions}
        rate = statistics.rate_interval([one.seconds for one in encoding], frames)
        cpu = statistics.median_interval([one.cpu_seconds for one in encoding])
        speed = {
            "speed": Figure.from_interval(rate, "frames/s", 1, "higher"),
            "CPU time": Figure.from_interval(cpu, "ms/frame", 1000 / frames, "lower"),
        }
        rates = tuple(frames / one.seconds for one in encoding)
        recorder.add(Measurement(COMMAND, scene.name, ENCODING, conditions, speed, blocks=rates))
        for task in TASKS:
            tables = _tables(scene, task, files, frames, runs[task], encoding, inference)
            rates = tuple(frames / run.seconds for run in runs[task])
            for table, figures in tables.items():
                conditions = {"figures": table, **inference.conditions}
                blocks = rates if table == "speed" else ()
                recorder.add(
                    Measurement(COMMAND, scene.name, task.name, conditions, figures, blocks=blocks)
                )


def _tables(
    scene: Scene,
    task: VideoTask,
    files: _Files,
    frames: int,
    runs: Sequence[ProcessUsage],
    encoding: Sequence[EncodingTime],
    inference: Inference,
) -> dict[str, dict[str, Figure]]:
    """A task's figures by table: speed, stages, checks of the video if there is one, points."""
    tables = {"speed": _speed(runs, frames)}
    if task.video:
        share = statistics.ratio_interval(
            [one.seconds for one in encoding], [run.seconds for run in runs]
        )
        tables["speed"]["of encoding alone"] = Figure.from_interval(share, "×", 1, "higher")
        alone = median(one.cpu_seconds for one in encoding)
        beyond = statistics.median_interval([run.cpu_seconds - alone for run in runs])
        tables["speed"]["CPU beyond decoding and encoding"] = Figure.from_interval(
            beyond, "ms/frame", 1000 / frames, "lower"
        )
    stages = inference.stages(files.arguments(task))
    tables["stages"] = {
        stage: Figure(1000 * passed / frames, "ms/frame") for stage, passed in stages.items()
    }
    if task.video:
        tables["what came back"] = check_container(files.source, files.result)
    tables["points"] = _point_errors(scene, files.records)
    return tables


def _prepare(scene: Scene, seconds: int, out: Path) -> _Files:
    source = out / f"{scene.name}-{seconds}s.mp4"
    if not source.exists():
        make_video(scene, source, seconds)
    return _Files(source, out / "result" / source.name, out / f"{source.stem}.jsonl")


def _speed(runs: Sequence[ProcessUsage], frames: int) -> dict[str, Figure]:
    rate = statistics.rate_interval([run.seconds for run in runs], frames)
    cpu = statistics.median_interval([run.cpu_seconds for run in runs])
    return {
        "speed": Figure.from_interval(rate, "frames/s", 1, "higher"),
        "CPU time": Figure.from_interval(cpu, "ms/frame", 1000 / frames, "lower"),
        "peak memory": Figure(max(run.peak_mib for run in runs), "MiB"),
    }


def check_container(source: Path, result: Path) -> dict[str, Figure]:
    """Differences in frames, duration and sound between the result and its source."""
    frames, duration = _frames_and_seconds(result)
    source_frames, source_duration = _frames_and_seconds(source)
    sound = _sound_packets(source)
    unchanged = sum(a == b for a, b in zip(_sound_packets(result), sound, strict=False))
    return {
        "frames lost": Figure(source_frames - frames, "frames"),
        "length changed": Figure(duration - source_duration, "s"),
        "sound changed": Figure(len(sound) - unchanged, "packets"),
    }


def _sound_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def _frames_and_seconds(path: Path) -> tuple[int, float]:
    """The number of decoded frames, and the container's duration."""
    with av.open(str(path)) as container:
        duration = float(container.duration or 0) / 1e6
        return sum(1 for _ in container.decode(video=0)), duration


def _point_errors(scene: Scene, records: Path) -> dict[str, Figure]:
    """Moves the points of each face back along the known path, and compares them with their mean
    over all frames, and the mean with the points of the still photo.

    Raises RunError if a face was never detected.
    """
    points_of, frames = _stabilised_points(scene, records)
    pipeline = load(max_size=find_detector(DEFAULT_DETECTOR).search_sizes.videos, tuned=False)
    still = _by_face(scene, [face.points for face in pipeline(scene.photo())])
    if not all(points_of) or len(still) < scene.faces:
        raise RunError(records, f"not all {scene.faces} faces of {scene.name} were detected")
    left, right = IBUG68.outer_eye_corners
    errors: list[Array] = []
    offsets = []
    for number, faces in enumerate(points_of):
        points = np.stack(faces)
        mean = points.mean(axis=0)
        interocular = np.linalg.norm(mean[left] - mean[right])
        errors.append(100 * np.linalg.norm(points - mean, axis=-1).mean(axis=1) / interocular)
        offsets.append(100 * np.linalg.norm(mean - still[number], axis=-1).mean() / interocular)
    distances = np.concatenate(errors)
    share = 100 * sum(map(len, points_of)) / (frames * scene.faces)
    return {
        "faces found": Figure(share, "%"),
        "points' median distance": Figure(float(np.median(distances)), "% of interocular"),
        "points' largest distance": Figure(float(distances.max()), "% of interocular"),
        "distance to the still": Figure(float(np.max(offsets)), "% of interocular"),
    }


def _stabilised_points(scene: Scene, records: Path) -> tuple[list[list[Floats]], int]:
    """For each face the points of all frames, in the photo; and the number of frames."""
    points_of: list[list[Floats]] = [[] for _ in range(scene.faces)]
    lines = records.read_text().splitlines()
    for record in map(json.loads, lines):
        in_photo = [
            np.array(face["points"], np.float32) + scene.corner(record["frame"])
            for face in record["faces"]
        ]
        for number, points in _by_face(scene, in_photo).items():
            points_of[number].append(points)
    return points_of, len(lines)


def _by_face(scene: Scene, faces: Sequence[Floats]) -> dict[int, Floats]:
    """The best detection of each face, by its index; `faces` come best first."""
    best: dict[int, Floats] = {}
    for points in faces:
        best.setdefault(scene.face_index(points), points)
    return {index: points for index, points in best.items() if index in range(scene.faces)}
