"""A real Triton server, from nvidia-pytriton, with the repositories that fkd-export writes.

FKD_TRITON names the Python of an environment with nvidia-pytriton and onnxruntime; its NumPy is
older than fkd's. Without it, these tests skip.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tiny_models import MODELS
from tritonclient import grpc  # type: ignore[import-untyped]
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]

import fkd_infer
from benchmarks.serving.measure import face_crop, portrait
from benchmarks.serving.servers import TritonClient, triton
from fkd_infer.errors import ContenderError
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.models.shipped import find_model
from fkd_infer.runtime.session import LandmarkSession
from fkd_train.export.triton.repository import write_repository
from fkd_train.export.triton.serving import Serving, TensorRt

pytestmark = pytest.mark.skipif(
    "FKD_TRITON" not in os.environ, reason="FKD_TRITON names no Python with nvidia-pytriton"
)
PYTHON = Path(os.environ.get("FKD_TRITON", ""))
NETWORKS = [find_model(name) for name in ("fkdnet", "fkdnet-int8", "fkdnet-large")]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    write_repository(folder, [*NETWORKS, MODELS / "scored.onnx"], Serving(threads=1))
    return folder


@pytest.fixture(scope="module")
def port(repository: Path) -> Iterator[int]:
    with triton(PYTHON, repository) as port:
        yield port


@pytest.mark.parametrize("model", NETWORKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("count", [1, 5, 64])
def test_answers_what_onnx_runtime_answers(port: int, model: Path, count: int) -> None:
    crops = np.repeat(face_crop(portrait()), count, axis=0)
    crops += np.arange(count, dtype=np.uint8)[:, None, None, None]
    expected, _, _ = LandmarkSession(model, "cpu").run(crops)
    np.testing.assert_allclose(TritonClient(port, model.stem, crops)(), expected, atol=1e-3)


def test_the_score_has_the_shape_that_triton_allows(port: int) -> None:
    crops = np.repeat(face_crop(portrait()), 3, axis=0)
    image = grpc.InferInput("image", list(crops.shape), "UINT8").set_data_from_numpy(crops)
    client = grpc.InferenceServerClient(f"127.0.0.1:{port}")
    result = client.infer("fkdnet", [image])
    assert result.as_numpy("score").shape == (3, 1)
    assert result.as_numpy("spread").shape == (3, 68)
    config = client.get_model_config("fkdnet").config
    card = ModelCard.from_json(config.parameters["fkd"].string_value, "the server's")
    assert card == fkd_infer.load("fkdnet").card


def test_requests_of_many_clients_are_batched(port: int) -> None:
    crops = face_crop(portrait())
    clients = [TritonClient(port, "fkdnet-large", crops) for _ in range(32)]
    before = clients[0].counts()
    with ThreadPoolExecutor(len(clients)) as at_once:
        points = [*at_once.map(lambda client: client(), clients * 4)]
    crops_run, calls = np.subtract(clients[0].counts(), before)
    assert crops_run == len(points) == 128
    assert calls <= 64
    for one in points:
        np.testing.assert_allclose(one, points[0], atol=1e-3)


@pytest.mark.parametrize(("shape", "line"), [((65, 128, 128, 1), "64"), ((1, 64, 64, 1), "shape")])
def test_refuses_other_crops(port: int, shape: tuple[int, ...], line: str) -> None:
    with pytest.raises(InferenceServerException, match=line):
        TritonClient(port, "fkdnet", np.zeros(shape, np.uint8))()


@pytest.mark.parametrize("serving", [Serving(gpu=True), Serving(gpu=True, tensorrt=TensorRt())])
def test_a_configuration_for_gpus_is_parsed_and_needs_one(tmp_path: Path, serving: Serving) -> None:
    write_repository(tmp_path, [MODELS / "scored.onnx"], serving)
    with (
        pytest.raises(ContenderError, match="failed to load all models"),
        triton(PYTHON, tmp_path),
    ):
        pass
