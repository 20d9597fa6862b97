"""Compares the frames per second of points alone with MediaPipe's FaceMesh."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import statistics
from benchmarks.harness.environment import child_environment
from benchmarks.harness.results import Figure, Measurement, Recorder
from benchmarks.harness.subprocesses import pinned_command
from benchmarks.programs.scenes import Scene, make_video
from fkd_infer.errors import ContenderError

COMMAND = "facemesh"
SCENES = (Scene(360, 1), Scene(360, 4))
_LOOP = Path(__file__).with_name("points_loop.py")


@dataclass(frozen=True)
class _Loop:
    frames: int
    faces: int
    seconds: float


def measure_face_mesh(
    interpreter: Path, seconds: int, repeats: int, cores: int, folder: Path, recorder: Recorder
) -> None:
    """Runs both libraries on each scene in turns, each time in a process of its own.

    `interpreter` is the Python that has MediaPipe. Raises ContenderError if one fails.
    """
    interpreters = {"fkd": Path(sys.executable), "mediapipe": interpreter}
    for scene in SCENES:
        video = folder / f"{scene.name}-{seconds}s.mp4"
        if not video.exists():
            make_video(scene, video, seconds)
        loops: dict[str, list[_Loop]] = {name: [] for name in interpreters}
        for _ in range(repeats):
            # Shuffling, not cryptography.
            for name in random.sample([*interpreters], 2):  # nosec B311
                loops[name].append(_run(name, interpreters[name], video, scene.faces, cores))
        for name, runs in loops.items():
            rate = statistics.rate_interval([one.seconds for one in runs], runs[0].frames)
            figures = {
                "speed": Figure.from_interval(rate, "frames/s", 1, "higher"),
                "faces found": Figure(runs[0].faces / runs[0].frames, "per frame"),
            }
            if name == "fkd":
                times = [[one.seconds for one in loops[each]] for each in ("mediapipe", "fkd")]
                ratio = statistics.ratio_interval(*times)
                figures["of FaceMesh"] = Figure.from_interval(ratio, "×", 1, "higher")
            conditions = {"cores": str(cores)}
            recorder.add(Measurement(COMMAND, scene.name, name, conditions, figures))


def _run(name: str, interpreter: Path, video: Path, faces: int, cores: int) -> _Loop:
    command = [str(interpreter), str(_LOOP), name, str(video), str(faces)]
    done = subprocess.run(  # the interpreter is the user's own choice  # nosec B603
        pinned_command(command, cores),
        env=child_environment(cores),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        why = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise ContenderError(name, why)
    return _Loop(**json.loads(lines[-1]))
