"""Long runs of fkd-infer: checks that memory, open files and threads stay constant."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.results import Figure, Measurement, Recorder
from benchmarks.programs.scenes import RATE, Scene, make_video
from benchmarks.programs.videos import check_container
from fkd_infer.errors import ContenderError
from fkd_infer.formats.registry import BUILT_IN
from fkd_infer.media.images.writing import write_image

COMMAND = "soak"
SCENE = Scene(180, 1)
DISTINCT_PHOTOS = 500
"""Other photos are copies of these."""
ALLOWED_MIB = 48.0
"""Allowed growth of memory from the second to the last quarter. An hour of MP4 needs 29 MiB, since
libav holds the file's index until the end; a leak per frame or photo soon exceeds the limit."""
_SAMPLE_SECONDS = 0.5


@dataclass(frozen=True)
class ResourceSample:
    """Memory, open files and threads of a process."""

    mib: float
    files: float
    threads: float


def soak_video(minutes: int, folder: Path, recorder: Recorder) -> None:
    """Runs fkd-infer once on a long video, with pictures and all kinds of records."""
    seconds = 60 * minutes
    source = folder / f"{SCENE.name}-{seconds}s.mp4"
    if not source.exists():
        make_video(SCENE, source, seconds)
    out = folder / "result"
    figures = _figures(source, out, seconds * RATE) | check_container(source, out / source.name)
    conditions = {"minutes": str(minutes)}
    recorder.add(Measurement(COMMAND, SCENE.name, "fkd-infer", conditions, figures))


def soak_photos(count: int, folder: Path, recorder: Recorder) -> None:
    """Runs fkd-infer once on many photos, in folders of a thousand."""
    source, out = folder / f"photos-{count}", folder / "result"
    _draw_photos(source, count)
    figures = _figures(source, out, count)
    written = sum(1 for _ in out.rglob("*.jpg")) - 1
    figures["pictures lost"] = Figure(count - written, "pictures")
    recorder.add(Measurement(COMMAND, "photos", "fkd-infer", {"photos": str(count)}, figures))


def _draw_photos(folder: Path, count: int) -> None:
    photo = SCENE.photo()
    for number in range(count):
        path = folder / f"{number // 1000:02d}" / f"{number:05d}.jpg"
        if path.exists():
            continue
        first = number % DISTINCT_PHOTOS
        if first == number:
            write_image(path, SCENE.frame(photo, 11 * number))
        else:
            path.parent.mkdir(exist_ok=True)
            shutil.copyfile(folder / f"{first // 1000:02d}" / f"{first:05d}.jpg", path)


def _figures(source: Path, out: Path, items: int) -> dict[str, Figure]:
    """Runs fkd-infer; returns its speed, its resources, and the number of missing records."""
    shutil.rmtree(out, ignore_errors=True)
    names = [row.name for row in BUILT_IN]
    files = [part for name in names for part in (f"--{name}", str(out / f"faces.{name}"))]
    command = [sys.executable, "-m", "fkd_infer.cli.main", str(source), "--out", str(out), *files]
    command += ["--sheet", str(out / "sheet.jpg"), "--filter", "hat", "--draw", "points"]
    started = time.perf_counter()
    samples = _sample_run([*command, "--no-tuned", "--quiet"])
    rate = items / (time.perf_counter() - started)
    quarter = max(1, len(samples) // 4)
    second, last = _median(samples[quarter : 2 * quarter]), _median(samples[-quarter:])
    with (out / "faces.json").open() as records:
        lines = sum(1 for _ in records)
    return {
        "speed": Figure(rate, "1/s", better="higher"),
        "memory in the second quarter": Figure(second.mib, "MiB"),
        "memory in the last quarter": Figure(last.mib, "MiB"),
        "memory at most": Figure(max(sample.mib for sample in samples), "MiB", better="lower"),
        "open files, second quarter": Figure(second.files, "files"),
        "open files, last quarter": Figure(last.files, "files"),
        "threads, second quarter": Figure(second.threads, "threads"),
        "threads, last quarter": Figure(last.threads, "threads"),
        "flat": Figure(float(_is_flat(second, last)), "1 for yes"),
        "records lost": Figure(items - lines, "frames"),
    }


def _is_flat(second: ResourceSample, last: ResourceSample) -> bool:
    """Whether a run needed no more in its last quarter than in its second."""
    steady = last.files <= second.files and last.threads <= second.threads
    return steady and last.mib - second.mib <= ALLOWED_MIB


def _median(samples: Sequence[ResourceSample]) -> ResourceSample:
    return ResourceSample(
        statistics.median(sample.mib for sample in samples),
        statistics.median(sample.files for sample in samples),
        statistics.median(sample.threads for sample in samples),
    )


def _sample_run(command: list[str]) -> list[ResourceSample]:
    """Samples a program while it runs; raises ContenderError if it fails."""
    samples: list[ResourceSample] = []
    # The command comes from the benchmark.
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # nosec B603
        while process.poll() is None:
            sample = _sample(Path("/proc", str(process.pid)))
            if sample is not None:
                samples.append(sample)
            time.sleep(_SAMPLE_SECONDS)
        stderr = process.stderr.read() if process.stderr else ""
    if process.returncode or not samples:
        raise ContenderError("fkd-infer", (stderr.strip().splitlines() or ["no output"])[-1])
    return samples


def _sample(process: Path) -> ResourceSample | None:
    """Samples a process; None if it has ended."""
    try:
        lines = (process / "status").read_text().splitlines()
        files = len(os.listdir(process / "fd"))  # noqa: PTH208 (counts them)
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines)
    if "VmRSS" not in fields:
        return None
    return ResourceSample(int(fields["VmRSS"].split()[0]) / 1024, files, int(fields["Threads"]))
