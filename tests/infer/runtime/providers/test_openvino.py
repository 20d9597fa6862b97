"""OpenVINO as a plug-in on this machine's CPU: it computes the same, or is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

from fkd_infer import load
from fkd_infer.detection.fkd import FkdDetector, padded
from fkd_infer.errors import ProviderError
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.libraries import NoDeviceError, plugin_devices
from fkd_infer.runtime.proof import drawn_face
from fkd_infer.runtime.providers.openvino import OPENVINO, OpenVinoSettings
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings


@pytest.fixture
def plugin() -> None:
    pytest.importorskip("onnxruntime_ep_openvino", reason="needs the plug-in of OpenVINO")
    try:
        plugin_devices(onnxruntime, OPENVINO, "CPU")
    except NoDeviceError:
        pytest.skip("OpenVINO's plug-in offers CPUs of Intel alone")


def crops_of(count: int) -> np.ndarray:
    return np.repeat(drawn_face(128)[None, ..., None], count, axis=0)


def crops(session: LandmarkSession, count: int) -> np.ndarray:
    """Drawn faces in other brightness and noise."""
    size, channels = session.card.input.size, session.card.input.channels
    rng = np.random.default_rng(0)
    face = drawn_face(size).astype(np.float64)
    noisy = [face * rng.uniform(0.4, 1.2) + rng.normal(0, 8, face.shape) for _ in range(count)]
    pixels = np.clip(np.stack(noisy), 0, 255).astype(np.uint8)
    return np.repeat(pixels[..., None], channels, axis=-1)


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("model", ["fkdnet", "fkdnet-large"])
def test_points_are_those_of_the_cpu(model: str) -> None:
    on_cpu, here = LandmarkSession(model, "cpu"), LandmarkSession(model, "openvino:CPU")
    assert here.started.on == "openvino:CPU"
    assert not here.started.on_cpu
    for count in (1, 3, 16):
        batch = crops(on_cpu, count)
        points, expected = here.run(batch).points, on_cpu.run(batch).points
        np.testing.assert_allclose(points, expected, rtol=0, atol=0.05)


@pytest.mark.usefixtures("plugin")
def test_int8_that_rounds_otherwise_is_refused() -> None:
    with pytest.raises(ProviderError, match="OpenVINO answers something else: its points are"):
        LandmarkSession("fkdnet-int8", "openvino:CPU")


@pytest.mark.usefixtures("plugin")
def test_the_detector_runs_there_too_and_finds_the_same() -> None:
    image = np.full((240, 320, 3), 90, np.uint8)
    image[40:200, 80:240] = drawn_face(160)[..., None]
    here = FkdDetector(provider="openvino:CPU").detect(image)
    expected = FkdDetector("fkd-detector", provider="cpu").detect(padded(image))
    np.testing.assert_allclose(here.scores, expected.scores, atol=1e-4)
    np.testing.assert_allclose(here.boxes, expected.boxes, atol=0.05)


@pytest.mark.usefixtures("plugin")
def test_load_runs_both_networks_there_or_each_elsewhere() -> None:
    both = load(provider="openvino:CPU")
    apart = load(provider="openvino:CPU", detector_provider="cpu")
    image = np.zeros((100, 100, 3), np.uint8)
    for pipeline, detector in ((both, "openvino:CPU"), (apart, "cpu")):
        assert pipeline.session.started.on == "openvino:CPU"
        assert isinstance(pipeline.detector, FkdDetector)
        assert pipeline.detector.started.on == detector
        assert pipeline(image) == []


@pytest.mark.usefixtures("plugin")
def test_compiled_networks_are_kept_by_machine_model_and_settings(cache: Path) -> None:
    for precision in ("f32", "f32", "f16"):
        settings = OpenVinoSettings(precision=precision)
        LandmarkSession("fkdnet", ProviderChoice("openvino", "CPU", settings))
    folders = list((cache / "compiled").iterdir())
    assert len(folders) == 2
    assert all(folder.name.startswith("openvino-") for folder in folders)


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 2000, 3), (31, 31, 3)])
def test_tiny_pictures_have_no_face(shape: tuple[int, ...]) -> None:
    assert load(provider="openvino:CPU")(np.zeros(shape, np.uint8)) == []


@pytest.mark.usefixtures("plugin")
def test_a_damaged_cache_is_made_anew(cache: Path) -> None:
    expected = LandmarkSession("fkdnet", "openvino:CPU").run(crops_of(1)).points
    (blob,) = (cache / "compiled").glob("*/*.blob")
    content = bytearray(blob.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = np.random.default_rng(0).bytes(20_000)
    blob.write_bytes(content)
    points = LandmarkSession("fkdnet", "openvino:CPU").run(crops_of(1)).points
    np.testing.assert_allclose(points, expected, atol=1e-3)


def test_threads_and_precision_reach_it_as_properties() -> None:
    settings = OpenVinoSettings(precision="bf16", streams=2)
    options = OPENVINO.options(settings, "CPU", Path("cache"))
    config = json.loads(OPENVINO.adapt(options, SessionSettings(3))["load_config"])
    assert config == {
        "CPU": {
            "INFERENCE_PRECISION_HINT": "bf16",
            "NUM_STREAMS": 2,
            "CACHE_DIR": "cache",
            "INFERENCE_NUM_THREADS": 3,
        }
    }
    on_gpu = json.loads(
        OPENVINO.adapt(OPENVINO.options(settings, "GPU.1", None), SessionSettings(3))["load_config"]
    )
    assert on_gpu == {"GPU": {"INFERENCE_PRECISION_HINT": "bf16", "NUM_STREAMS": 2}}


def test_a_gpu_is_the_default_and_the_cpu_if_there_is_none() -> None:
    def devices(*names: str) -> list[Any]:
        return [SimpleNamespace(ep_metadata={"ov_device": name}) for name in names]

    def chosen(asked: str, *names: str) -> list[str]:
        return [OPENVINO.device_name(each) for each in OPENVINO.choose(devices(*names), asked)]

    assert chosen("", "CPU") == ["CPU"]
    assert chosen("", "CPU", "GPU") == ["GPU"]
    assert chosen("GPU", "CPU", "GPU.0", "GPU.1") == ["GPU.0"]
    assert chosen("GPU.1", "CPU", "GPU.0", "GPU.1") == ["GPU.1"]
    assert chosen("NPU", "CPU") == []
