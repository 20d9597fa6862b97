"""Times encoding alone: `python -m benchmarks.programs.encoding VIDEO OUT SECONDS_FILE`."""

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
    """Seconds that fkd's video writer needs for the decoded frames of a video and its sound.

    Runs in its own process, on `cores` cores.
    """
    with TemporaryDirectory(dir=video.parent) as folder:
        out, result = Path(folder) / "out.mp4", Path(folder) / "seconds"
        command = [sys.executable, "-m", __name__, str(video), str(out), str(result)]
        run_pinned("encoding alone", command, cores)
        return float(result.read_text())


def main(video: str, out: str, result: str) -> None:
    """Decodes the video, then times the writing."""
    path = Path(video)
    frames = list(frames_from(Source(video, "video", Path(path.name), path)))
    started = time.perf_counter()
    with VideoSink(Path(out), path) as sink:
        for frame in frames:
            sink.write(frame)
    Path(result).write_text(str(time.perf_counter() - started))


if __name__ == "__main__":
    main(*sys.argv[1:])
