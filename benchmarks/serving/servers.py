"""The servers that are measured, each started in a process of its own on loopback."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.harness.environment import ROOT
from fkd_infer.errors import ContenderError
from fkd_infer.geometry.arrays import Floats, Pixels

_EXAMPLES = ROOT / "examples"
_START_S, _STOP_S = 180.0, 60.0
_RAY_START_S = 60.0
_RAY_ATTEMPTS = 3
"""On a busy machine Ray's node gives up when its agent needs more than 15 s, which is fixed."""
_POLL_S = 0.2


class HttpClient:
    """A connection to the Ray Serve example that posts one image again and again."""

    def __init__(self, port: int, body: bytes) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._body = body

    def __call__(self) -> dict[str, Any]:
        """The record of the image. Raises RuntimeError for another answer than 200."""
        self._connection.request("POST", "/", self._body)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != http.client.OK:
            raise RuntimeError(f"{response.status}: {answer.decode(errors='replace').strip()}")
        record: dict[str, Any] = json.loads(answer)
        return record

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


class TritonClient:
    """A gRPC connection to Triton that sends one batch of crops (n, S, S, C) again and again."""

    def __init__(self, port: int, model: str, crops: Pixels) -> None:
        from tritonclient import grpc  # type: ignore[import-untyped]

        self._client = grpc.InferenceServerClient(f"127.0.0.1:{port}")
        self._model = model
        self._input = grpc.InferInput("image", list(crops.shape), "UINT8")
        self._input.set_data_from_numpy(crops)

    def __call__(self) -> Floats:
        """The points (n, k, 2), in pixels of the crops."""
        result = self._client.infer(self._model, [self._input])
        return np.asarray(result.as_numpy("points"), np.float32)

    def counts(self) -> tuple[int, int]:
        """Crops and calls of the network so far, as the server counts them."""
        (model,) = self._client.get_inference_statistics(self._model).model_stats
        return model.inference_count, model.execution_count

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()


@contextmanager
def ray_serve(threads: int, replicas: int) -> Iterator[int]:
    """Runs examples/ray_serve on a Ray cluster of its own; yields its port."""
    port = free_port()
    command = [sys.executable, "local.py", "--port", str(port)]
    command += ["--threads", str(threads), "--replicas", str(replicas)]
    folder = _EXAMPLES / "ray_serve"
    with _running("Ray Serve", command, folder, lambda: _answers_http(port), _RAY_ATTEMPTS):
        yield port


@contextmanager
def triton(interpreter: Path, repository: Path) -> Iterator[int]:
    """Runs examples/triton with an interpreter that has nvidia-pytriton; yields its gRPC port."""
    port, other = free_port(), free_port()
    command = [str(interpreter), str(_EXAMPLES / "triton" / "serve.py"), str(repository)]
    command += [f"--grpc-port={port}", f"--http-port={other}", "--allow-metrics=false"]
    command += ["--grpc-address=127.0.0.1", "--http-address=127.0.0.1"]
    with _running("Triton", command, ROOT, lambda: _answers_http(other, "/v2/health/ready")):
        yield port


def free_port() -> int:
    """A port of loopback that nothing uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def _running(
    name: str,
    command: Sequence[str],
    folder: Path,
    ready: Callable[[], bool],
    attempts: int = 1,
) -> Iterator[None]:
    """Runs a server until the block ends; raises ContenderError if it does not become ready."""
    with TemporaryDirectory() as logs:
        for left in reversed(range(attempts)):
            server = _start(command, folder, Path(logs, "log"))
            try:
                _wait_until_ready(name, server, ready, Path(logs, "log"))
            except ContenderError:
                _stop(server)
                if not left:
                    raise
                continue
            break
        try:
            yield
        finally:
            _stop(server)


def _start(command: Sequence[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    settings = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": f"{_RAY_START_S:g}"}
    with log.open("wb") as output:
        return subprocess.Popen(  # our own examples  # nosec B603
            command,
            cwd=folder,
            env=os.environ | settings,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _wait_until_ready(
    name: str, server: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path
) -> None:
    deadline = time.monotonic() + _START_S
    while not ready():
        lines = log.read_text(errors="replace").strip().splitlines() or ["no output"]
        if server.poll() is not None:
            raise ContenderError(name, f"it did not start: {lines[-1]}")
        if time.monotonic() > deadline:
            raise ContenderError(name, f"it is not ready after {_START_S:g} s: {lines[-1]}")
        time.sleep(_POLL_S)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _answers_http(port: int, path: str = "/-/routes") -> bool:
    """Whether a server answers this path with 200, and for Ray Serve has an application."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status == http.client.OK and response.read() != b"{}"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
