"""The example for Ray Serve: its answers, with and without a cluster."""

from __future__ import annotations

import asyncio
import http.client
import importlib.util
import json
import socket
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from repo_paths import ROOT

import fkd_infer
from fkd_infer.geometry.arrays import Pixels

pytest.importorskip("ray.serve", reason="needs the extra ray")
starlette = pytest.importorskip("starlette.requests", reason="needs the extra ray")

FOLDER = ROOT / "examples" / "ray_serve"


@pytest.fixture(scope="module")
def faces() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ray_serve_faces", FOLDER / "faces.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def replica(faces: ModuleType) -> Iterator[Any]:
    """A replica's object, without a cluster."""
    threads = cv2.getNumThreads()
    yield faces.Faces.func_or_class("fkdnet", 1)
    cv2.setNumThreads(threads)


@pytest.fixture
def deployment(replica: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The replica, which finds the faces of one image at a time."""
    find = type(replica).find.__wrapped__  # that which Serve calls with a batch

    async def find_one(image: Pixels) -> list[fkd_infer.Face]:
        (found,) = await find(replica, [image])
        assert isinstance(found, list)
        return found

    monkeypatch.setattr(replica, "find", find_one)
    return replica


@pytest.fixture(scope="module")
def photo() -> Pixels:
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    return np.ascontiguousarray(data.astronaut()[..., ::-1])


def png(image: Pixels) -> bytes:
    return bytes(cv2.imencode(".png", image)[1])


def post(deployment: Any, body: bytes, method: str = "POST") -> Coroutine[Any, Any, Any]:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": method, "query_string": b"source=a.png", "headers": []}
    answer: Coroutine[Any, Any, Any] = deployment(starlette.Request(scope, receive))
    return answer


def test_answers_the_record_of_the_image(deployment: Any, photo: Pixels) -> None:
    response = asyncio.run(post(deployment, png(photo)))
    assert response.status_code == 200
    record = json.loads(response.body)
    (face,) = fkd_infer.load()(photo)
    assert record == fkd_infer.frame_record(fkd_infer.Frame(photo, "a.png"), [face])


def test_a_batch_gives_each_image_its_own_faces(deployment: Any, photo: Pixels) -> None:
    images = [photo, np.zeros((80, 90, 3), np.uint8)] * 3
    found = asyncio.run(type(deployment).find.__wrapped__(deployment, images))
    assert [len(faces) for faces in found] == [1, 0] * 3


def bad_bodies() -> list[tuple[bytes, int, str]]:
    cut = png(np.full((64, 64, 3), 9, np.uint8))[:60]
    return [
        (b"", 400, "the file is empty"),
        (b"no image at all", 400, "not an image"),
        (cut, 400, "cannot be read as an image"),
        (png(np.zeros((10_000, 6_000), np.uint8)), 413, "50 million are allowed"),
        (bytes((32 << 20) + 1), 413, "more than 32 MiB"),
    ]


@pytest.mark.parametrize(("body", "status", "line"), bad_bodies(), ids=lambda v: str(v)[:12])
def test_a_bad_image_gets_4xx_and_one_line(
    deployment: Any, body: bytes, status: int, line: str
) -> None:
    response = asyncio.run(post(deployment, body))
    assert response.status_code == status
    assert line in response.body.decode()
    assert len(response.body.decode().splitlines()) == 1


def test_other_methods_are_refused(deployment: Any) -> None:
    assert asyncio.run(post(deployment, b"", "GET")).status_code == 405


def test_a_replica_has_its_threads_and_reports_its_failures(
    deployment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cv2.getNumThreads() == 1
    assert deployment.pipeline.session.settings.threads == 1
    deployment.check_health()

    def fail(*_: object) -> list[fkd_infer.Face]:
        raise fkd_infer.errors.DeviceLostError("CUDA", "the device is gone")

    monkeypatch.setattr(deployment.pipeline, "find_faces", fail)
    with pytest.raises(fkd_infer.errors.DeviceLostError, match="gone"):
        deployment.check_health()


def test_replicas_reserve_the_cores_of_their_threads(faces: ModuleType) -> None:
    application = faces.app(faces.Settings(threads=3, replicas=2, max_replicas=8))
    deployment = application._bound_deployment
    assert deployment.ray_actor_options["num_cpus"] == 3
    bounds = deployment._deployment_config.autoscaling_config
    assert (bounds.min_replicas, bounds.max_replicas) == (2, 8)
    with pytest.raises(ValueError, match="thread"):
        faces.Settings(thread=3)


@pytest.mark.slow
@pytest.mark.serial
def test_serves_on_a_cluster_and_ends_with_its_signal(photo: Pixels) -> None:
    from benchmarks.serving.servers import HttpClient, ray_serve

    images = [photo, np.zeros((80, 90, 3), np.uint8)] * 8
    with ray_serve(threads=1, replicas=1) as port, ExitStack() as stack:
        bodies = [*map(png, images), b""]
        *clients, bad = (stack.enter_context(closing(HttpClient(port, body))) for body in bodies)
        with ThreadPoolExecutor(len(clients)) as at_once:
            records = [*at_once.map(lambda client: client(), clients)]
        assert [len(record["faces"]) for record in records] == [1, 0] * 8
        with pytest.raises(RuntimeError, match=r"^400: image data: .*the file is empty$"):
            bad()
        connection = stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", port)))
        connection.request("GET", "/-/healthz")
        assert connection.getresponse().read() == b"success"
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))
