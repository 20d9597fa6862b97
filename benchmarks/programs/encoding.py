"""What encoding alone takes: `python -m benchmarks.programs.encoding VIDEO OUT SECONDS`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness.subprocesses import run_pinned
from fkd_infer.media.frames import frames_from
from fkd_infer.media.sources import Source
from fkd_infer.media.video.writer import VideoSink


def encoding_seconds(video: Path, cores: int) -> float:
    """Seconds in which fkd's sink writes the frames of a video, which are in memory, and its sound.

    In a process of its own, on so many cores.
    """
    with TemporaryDirectory(dir=video.parent) as folder:
        out, said = Path(folder) / "out.mp4", Path(folder) / "seconds"
        command = [sys.executable, "-m", __name__, str(video), str(out), str(said)]
        run_pinned("encoding alone", command, cores)
        return float(said.read_text())


def main(video: str, out: str, said: str) -> None:
    """Decodes, then times the writing."""
    path = Path(video)
    frames = list(frames_from(Source(video, "video", Path(path.name), path)))
    started = time.perf_counter()
    with VideoSink(Path(out), path) as sink:
        for frame in frames:
            sink.write(frame)
    Path(said).write_text(str(time.perf_counter() - started))


if __name__ == "__main__":
    main(*sys.argv[1:])
