"""Times detectors on an image: fkd's own, Haar, and YuNet through OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import statistics
from benchmarks.harness.results import Figure, Measurement, Recorder, SkippedContender, file_sha256
from benchmarks.harness.subprocesses import pin_contender
from benchmarks.networks.latency import Timing, latency_figures
from fkd_infer.tuning.detector_worker import detector_contender
from fkd_infer.tuning.interleaved import Contender, time_interleaved

COMMAND = "detectors"
_HAAR = "haar"


def measure_detectors(
    models: Sequence[Path],
    yunet: Path | None,
    sizes: Sequence[tuple[int, int]],
    threads: Sequence[int],
    timing: Timing,
    recorder: Recorder,
) -> None:
    """Times all detectors on images of (width, height) at full resolution.

    Times are compared with the first model's.
    """
    import cv2

    files = {file.stem: file for file in models}
    if yunet is not None:
        files["yunet"] = yunet
    if not hasattr(cv2, "CascadeClassifier"):
        recorder.skip(SkippedContender(COMMAND, _HAAR, _HAAR, f"OpenCV {cv2.__version__} has none"))
    for size in sizes:
        for count in threads:
            contenders = [_contender(name, file, size, count) for name, file in files.items()]
            if hasattr(cv2, "CascadeClassifier"):
                contenders.append(detector_contender(_HAAR, "haar", None, size, count))
            _compare(contenders, files, size, count, timing, recorder)


def _contender(name: str, file: Path, size: tuple[int, int], threads: int) -> Contender:
    kind = "yunet" if name == "yunet" else "fkd"
    return detector_contender(name, kind, file, size, threads)


def _compare(
    contenders: Sequence[Contender],
    files: dict[str, Path],
    size: tuple[int, int],
    threads: int,
    timing: Timing,
    recorder: Recorder,
) -> None:
    times = time_interleaved(
        [pin_contender(c, threads) for c in contenders], timing.blocks, timing.seconds
    )
    medians = {name: statistics.block_medians(blocks) for name, blocks in times.items()}
    first = contenders[0].name
    for name, blocks in times.items():
        figures = latency_figures(blocks)
        relative = statistics.ratio_interval(medians[name], medians[first])
        figures[f"of {first}'s time"] = Figure.from_interval(relative, "×")
        conditions = {"size": f"{size[0]} × {size[1]}", "threads": str(threads)}
        recorder.add(
            Measurement(
                COMMAND,
                name,
                "OpenCV" if name in ("yunet", _HAAR) else "ONNX Runtime",
                conditions,
                figures,
                file_sha256(files[name]) if name in files else None,
                tuple(medians[name].tolist()),
            )
        )
