"""Times what the API adds to the calls of a landmark network: checks, rules, crops, decoding."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import fkd_infer
from benchmarks.harness import statistics
from benchmarks.harness.environment import child_environment
from benchmarks.harness.results import Figure, Measurement, Recorder, file_sha256
from benchmarks.harness.subprocesses import pinned_command
from benchmarks.networks.latency import Timing
from benchmarks.programs import overhead_worker
from fkd_infer.errors import ContenderError
from fkd_infer.geometry.boxes import points_box

COMMAND = "overhead"
SESSION = "session alone"
NETWORK_CALLS = {"landmarks": 1, "place, turned": 1, "place_points, twice": 2}
"""Calls of the network in each call of the API."""
VARIANTS = 8
"""Sets of boxes, which differ by pixels."""
HERE, BESIDE = "this checkout", "beside"


@dataclass(frozen=True)
class FaceScene:
    """A saved 720p frame with its faces' boxes, whose longer side is `face_px` on average."""

    path: Path
    faces: int
    face_px: int


def measure_overhead(
    model: Path, beside: Path | None, threads: int, timing: Timing, recorder: Recorder
) -> None:
    """Times one and four faces, with this checkout and, in turn, with another one.

    Raises RunError for more threads than cores, and ContenderError.
    """
    sources = {HERE: None} if beside is None else {HERE: None, BESIDE: beside}
    with TemporaryDirectory() as folder:
        for faces in (1, 4):
            scene = _save_scene(Path(folder) / f"{faces}.npz", faces)
            times: dict[str, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
            for _ in range(timing.blocks):
                # Shuffling, not cryptography.
                for name in random.sample(list(sources), len(sources)):  # nosec B311
                    block = _time_block(model, scene, sources[name], threads, timing.seconds)
                    for step, calls in block.items():
                        times[name][step].append(calls)
            for name in sources:
                _record(model, scene, name, threads, times, recorder)


def _save_scene(path: Path, faces: int) -> FaceScene:
    from benchmarks.programs.scenes import Scene

    scene = Scene(720, faces)
    image = scene.frame(scene.photo(), 0)
    found = fkd_infer.load(threads=1)(image)
    boxes = points_box(np.stack([face.points for face in found[:faces]]))
    # The time to average a face depends on how its size and place divide into blocks of pixels.
    moved = boxes + np.arange(VARIANTS, dtype=np.float32)[:, None, None] * [0, 0, 1, 1]
    np.savez(path, image=image, boxes=moved.astype(np.float32))
    return FaceScene(path, len(boxes), round(float((boxes[:, 2:] - boxes[:, :2]).max(1).mean())))


def _time_block(
    model: Path, scene: FaceScene, checkout: Path | None, threads: int, seconds: float
) -> dict[str, list[float]]:
    """One block in a process of its own, with the `fkd_infer` of a checkout."""
    arguments = [str(model.absolute()), str(scene.path), str(threads), str(seconds)]
    # Without -P, the folder of the file would be searched first.
    worker = [sys.executable, "-P", str(Path(overhead_worker.__file__)), *arguments]
    environment = child_environment(threads)
    if checkout is not None:
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(checkout.absolute()), environment["PYTHONPATH"]]
        )
    # The program is this benchmark's own.
    done = subprocess.run(  # nosec B603
        pinned_command(worker, threads), env=environment, capture_output=True, text=True
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no output"]
        raise ContenderError(BESIDE if checkout else HERE, lines[-1])
    times: dict[str, list[float]] = json.loads(done.stdout)
    return times


def _record(
    model: Path,
    scene: FaceScene,
    source: str,
    threads: int,
    times: dict[str, dict[str, list[list[float]]]],
    recorder: Recorder,
) -> None:
    """Records each step, and what the calls take for a face above the network's own time."""
    conditions = {
        "code": source,
        "faces": str(scene.faces),
        "face": f"{scene.face_px} px",
        "threads": str(threads),
    }
    medians = {name: statistics.block_medians(blocks) for name, blocks in times[source].items()}
    for step, seconds in medians.items():
        p50 = statistics.median_interval(seconds)
        figures = {"p50": Figure.from_interval(p50, "ms", 1000, "lower")}
        if calls := NETWORK_CALLS.get(step):
            above = (seconds - calls * medians[SESSION]) / (calls * scene.faces)
            interval = statistics.median_interval(above)
            name = "above the session, a face and placement"
            figures[name] = Figure.from_interval(interval, "ms", 1000, "lower")
        if source == HERE and BESIDE in times:
            other = statistics.block_medians(times[BESIDE][step])
            figures["speed-up"] = Figure.from_interval(
                statistics.ratio_interval(other, seconds), "×"
            )
        recorder.add(
            Measurement(
                COMMAND,
                model.name,
                step,
                conditions,
                figures,
                file_sha256(model),
                tuple(seconds.tolist()),
            )
        )
