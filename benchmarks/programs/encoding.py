"""Times decoding and encoding alone: `python -m benchmarks.programs.encoding VIDEO OUT SECONDS`."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness.subprocesses import run_pinned
from fkd_infer.media.frames import frames_from
from fkd_infer.media.sources import Source
from fkd_infer.media.video.writer import VideoSink
from fkd_infer.types import ReadSettings


@dataclass(frozen=True)
class EncodingTime:
    """Seconds for which the encoder ran, and CPU seconds of decoding and encoding together."""

    seconds: float
    cpu_seconds: float


def encode_alone(video: Path, cores: int) -> EncodingTime:
    """Decodes a video, and then writes its pictures, as they are stored, and its sound.

    Runs in its own process, on `cores` cores; CPU seconds include the start of Python.
    """
    with TemporaryDirectory(dir=video.parent) as folder:
        out, result = Path(folder) / "out.mp4", Path(folder) / "seconds"
        command = [sys.executable, "-m", __name__, str(video), str(out), str(result)]
        usage = run_pinned("encoding alone", command, cores)
        return EncodingTime(float(result.read_text()), usage.cpu_seconds)


def main(video: str, out: str, result: str) -> None:
    """Decodes the video, then times the writing."""
    path = Path(video)
    source = Source(video, "video", Path(path.name), path)
    frames = list(frames_from(source, settings=ReadSettings(gray=True, stored=True)))
    started = time.perf_counter()
    with VideoSink(Path(out), path) as sink:
        for frame in frames:
            sink.write(frame)
    Path(result).write_text(str(time.perf_counter() - started))


if __name__ == "__main__":
    main(*sys.argv[1:])
