"""How long detectors take for an image: ours, Haar, and YuNet as OpenCV runs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import statistics
from benchmarks.harness.results import Figure, LeftOut, Measurement, Recorder, digest
from benchmarks.harness.subprocesses import pinned
from benchmarks.networks.latency import Turns, call_figures
from fkd_infer.tuning.detector_worker import detector_contender
from fkd_infer.tuning.interleaved import Contender, time_interleaved

COMMAND = "detectors"
_HAAR = "haar"


def detectors(
    models: Sequence[Path],
    yunet: Path | None,
    sizes: Sequence[tuple[int, int]],
    threads: Sequence[int],
    turns: Turns,
    recorder: Recorder,
) -> None:
    """Times all on images of (width, height), searched as they are; the first model's time is what
    the others' are compared with."""
    import cv2

    files = {file.stem: file for file in models}
    if yunet is not None:
        files["yunet"] = yunet
    if not hasattr(cv2, "CascadeClassifier"):
        recorder.left_out(LeftOut(COMMAND, _HAAR, _HAAR, f"OpenCV {cv2.__version__} has none"))
    for size in sizes:
        for count in threads:
            contenders = [_contender(name, file, size, count) for name, file in files.items()]
            if hasattr(cv2, "CascadeClassifier"):
                contenders.append(detector_contender(_HAAR, "haar", None, size, count))
            _compare(contenders, files, size, count, turns, recorder)


def _contender(name: str, file: Path, size: tuple[int, int], threads: int) -> Contender:
    kind = "yunet" if name == "yunet" else "fkd"
    return detector_contender(name, kind, file, size, threads)


def _compare(
    contenders: Sequence[Contender],
    files: dict[str, Path],
    size: tuple[int, int],
    threads: int,
    turns: Turns,
    recorder: Recorder,
) -> None:
    times = time_interleaved([pinned(c, threads) for c in contenders], turns.blocks, turns.seconds)
    medians = {name: statistics.block_medians(blocks) for name, blocks in times.items()}
    first = contenders[0].name
    for name, blocks in times.items():
        figures = call_figures(blocks)
        relative = statistics.ratio(medians[name], medians[first])
        figures[f"of {first}'s time"] = Figure.of(relative, "×")
        conditions = {"size": f"{size[0]} × {size[1]}", "threads": str(threads)}
        recorder.measured(
            Measurement(
                COMMAND,
                name,
                "OpenCV" if name in ("yunet", _HAAR) else "ONNX Runtime",
                conditions,
                figures,
                digest(files[name]) if name in files else None,
                tuple(medians[name].tolist()),
            )
        )
