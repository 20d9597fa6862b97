"""Measures latency and throughput of servers with 1, 8 and 64 clients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data as pictures

import fkd_infer
from benchmarks.harness import statistics
from benchmarks.harness.results import Figure, Measurement, Recorder, SkippedContender
from benchmarks.serving.load import Load, load_server
from benchmarks.serving.servers import HttpClient, TritonClient, ray_serve, triton
from fkd_infer.errors import ContenderError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.geometry.boxes import derived_boxes
from fkd_infer.geometry.crop import crop_batch, crop_matrices
from fkd_infer.media.images.file import read_image
from fkd_infer.models.shipped import find_model
from fkd_infer.runtime.session import LandmarkSession
from fkd_train.export.triton.repository import write_repository
from fkd_train.export.triton.serving import Serving

_Client = HttpClient | TritonClient
COMMAND = "serve"
MODEL = "fkdnet"
_WIDTH, _HEIGHT = 640, 480
_WARM_UP_S = 2.0
_MAX_DISTANCE_PX = 0.02
"""Between a server's points and those of this process; records round to 0.01 px."""


def measure_servers(
    clients: Sequence[int],
    seconds: float,
    rounds: int,
    threads: int,
    replicas: int,
    interpreter: Path | None,
    recorder: Recorder,
) -> None:
    """Starts each server, checks its answer, and loads it with each number of clients in turn.

    `interpreter` has nvidia-pytriton; without it, Triton is left out.
    """
    image = portrait()
    with ray_serve(threads, replicas) as port:
        body = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
        _check_record(HttpClient(port, body), body)
        conditions = {"request": f"JPEG {_WIDTH} × {_HEIGHT}, {len(body) // 1024} KiB"}
        conditions |= {"replicas": str(replicas), "threads": str(threads)}
        connect = partial(HttpClient, port, body)
        loads = _loads("Ray Serve", connect, clients, seconds, rounds)
        for count, runs in loads.items():
            _record("Ray Serve", count, conditions, runs, {}, recorder)
    if interpreter is None:
        why = "no --triton, the Python of an environment with nvidia-pytriton"
        recorder.skip(SkippedContender(COMMAND, MODEL, "Triton", why))
        return
    with TemporaryDirectory() as folder:
        repository = Path(folder)
        write_repository(repository, [find_model(MODEL)], Serving(threads=threads))
        with triton(interpreter, repository) as port:
            _measure_triton(port, image, clients, seconds, rounds, threads, recorder)


def portrait() -> Pixels:
    """A photo (480, 640, 3) of one face of 115 px."""
    image = np.ascontiguousarray(pictures.astronaut()[..., ::-1])  # type: ignore[no-untyped-call]
    scaled = cv2.resize(image, (_WIDTH, _WIDTH), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(scaled[:_HEIGHT], np.uint8)


def _measure_triton(
    port: int,
    image: Pixels,
    clients: Sequence[int],
    seconds: float,
    rounds: int,
    threads: int,
    recorder: Recorder,
) -> None:
    crops = face_crop(image)
    _check_points(TritonClient(port, MODEL, crops), crops)
    conditions = {"request": "a crop by gRPC", "backend": "Python", "threads": str(threads)}
    with closing(TritonClient(port, MODEL, crops)) as counter:
        for count in clients:
            before = counter.counts()
            connect = partial(TritonClient, port, MODEL, crops)
            loads = _loads("Triton", connect, [count], seconds, rounds)
            crops_run, calls = np.subtract(counter.counts(), before).tolist()
            batch = {"crops per call": Figure(crops_run / calls, "")}
            _record("Triton", count, conditions, loads[count], batch, recorder)


def face_crop(image: Pixels) -> Pixels:
    """The crop (1, S, S, C) of the best face, as the default network gets it."""
    pipeline = fkd_infer.load(MODEL, provider="cpu", threads=1, tuned=False)
    card = pipeline.card
    detections = pipeline.detector(image)
    squares = derived_boxes(detections.boxes[:1], pipeline.detector.rule)
    matrices = crop_matrices(squares, card.crop, card.input.size)
    return crop_batch(image, matrices, card.input.size, card.input.channels, card.crop.border)


def _loads(
    name: str, connect: Callable[[], _Client], clients: Sequence[int], seconds: float, rounds: int
) -> dict[int, list[Load]]:
    """Loads a server in rounds, with each number of clients in each round."""
    runs: dict[int, list[Load]] = {count: [] for count in clients}
    with ExitStack() as stack:
        connected = [stack.enter_context(closing(connect())) for _ in range(max(clients))]
        for count in clients:
            load_server(name, connected[:count], min(_WARM_UP_S, seconds))
        for _ in range(rounds):
            for count in clients:
                runs[count].append(load_server(name, connected[:count], seconds))
    return runs


def _record(
    name: str,
    clients: int,
    conditions: dict[str, str],
    runs: Sequence[Load],
    more: dict[str, Figure],
    recorder: Recorder,
) -> None:
    blocks = [run.latencies for run in runs]
    rates = statistics.median_interval([run.rate for run in runs])
    medians = statistics.median_interval(statistics.block_medians(blocks))
    figures = {
        "rate": Figure.from_interval(rates, "requests/s", 1, "higher"),
        "p50": Figure.from_interval(medians, "ms", 1000, "lower"),
        "p90": Figure(1000 * statistics.percentile(blocks, 90), "ms", better="lower"),
        "p99": Figure(1000 * statistics.percentile(blocks, 99), "ms", better="lower"),
        **more,
    }
    conditions = {"clients": str(clients), **conditions}
    blocks_of_rates = tuple(run.rate for run in runs)
    recorder.add(Measurement(COMMAND, MODEL, name, conditions, figures, blocks=blocks_of_rates))


def _check_record(client: HttpClient, body: bytes) -> None:
    """Compares the points of the server's record with those of a pipeline in this process."""
    faces = fkd_infer.load(MODEL, provider="cpu", threads=1, tuned=False)(read_image(body))
    with closing(client):
        points = [face["points"] for face in client()["faces"]]
    _check("Ray Serve", np.array(points), np.array([face.points for face in faces]))


def _check_points(client: TritonClient, crops: Pixels) -> None:
    """Compares the server's points with those of ONNX Runtime in this process."""
    expected, _, _ = LandmarkSession(MODEL, "cpu").run(crops)
    with closing(client):
        _check("Triton", client(), expected)


def _check(name: str, points: NDArray[np.floating], expected: NDArray[np.floating]) -> None:
    """Raises ContenderError for other points than expected, or none."""
    if points.shape != expected.shape or not len(points):
        raise ContenderError(name, f"it answers points {points.shape}, not {expected.shape}")
    distance = float(np.hypot(*np.moveaxis(points - expected, -1, 0)).max())
    if not distance <= _MAX_DISTANCE_PX:
        raise ContenderError(name, f"its points are {distance:.3f} px from the pipeline's")
