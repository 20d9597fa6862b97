"""A session of an end-to-end file is believed once it answers as the CPU does."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import numpy as np
import onnxruntime
import pytest
from tiny_models import MODELS

from fkd_infer.errors import ProviderError
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.end_to_end import session as sessions
from fkd_infer.runtime.end_to_end.proof import EndToEndProof
from fkd_infer.runtime.end_to_end.session import EndToEndSession
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.openvino import OPENVINO
from fkd_infer.runtime.start import Started

FILES = ("end_to_end", "end_to_end_one", "end_to_end_two", "end_to_end_any")


def on_cpu(name: str) -> EndToEndSession:
    return EndToEndSession(MODELS / f"{name}.onnx", "cpu")


def answer(session: EndToEndSession, level: int = 255) -> list[Any]:
    """The outputs for pictures of one brightness, of the proof's shape."""
    shape = EndToEndProof(session.card).feed()["image"].shape
    outputs: list[Any] = session.started.session.run(
        None, {"image": np.full(shape, level, np.uint8)}
    )
    return outputs


@pytest.mark.parametrize("name", FILES)
def test_the_proofs_picture_fits_the_file(name: str) -> None:
    session = on_cpu(name)
    feed = EndToEndProof(session.card).feed()
    assert len(session.started.session.run(None, feed)[0]) > 0


@pytest.mark.parametrize("name", FILES)
def test_only_an_equal_answer_is_believed(name: str) -> None:
    session = on_cpu(name)
    proof, expected = EndToEndProof(session.card), answer(session)
    assert proof.difference(answer(session), expected) == ""
    boxes, scores, points, *rest = answer(session)
    assert "its points are 1.4 px" in proof.difference([boxes, scores, points + 1, *rest], expected)
    for other in (scores / 2, scores * np.nan):
        assert "its best score" in proof.difference([boxes, other, points, *rest], expected)
    assert "its best score" in proof.difference(answer(session, 0), expected)


@pytest.mark.parametrize("name", FILES)
def test_without_a_face_the_points_do_not_matter(name: str) -> None:
    session = on_cpu(name)
    boxes, scores, points, *rest = answer(session, 0)
    moved = [boxes, scores, points + 9, *rest]
    assert EndToEndProof(session.card).difference(moved, answer(session, 0)) == ""


class Repeating:
    """A session that answers the faces of a bright picture on all."""

    def __init__(self, name: str) -> None:
        self.inner = onnxruntime.InferenceSession(
            MODELS / f"{name}.onnx", providers=["CPUExecutionProvider"]
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def run(self, names: Any, feed: dict[str, np.ndarray]) -> Any:
        return self.inner.run(names, {"image": np.full_like(feed["image"], 255)})


@pytest.fixture
def repeating(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts on OpenVINO, which repeats faces, or on the CPU if that is asked for."""

    def start(_ort: Any, _path: Any, choice: ProviderChoice, *_: object) -> Started:
        session: Any = Repeating("end_to_end")
        if choice.name == "cpu":
            return Started(session.inner, CPU, "", Counter())
        return Started(session, OPENVINO, "CPU", Counter())

    monkeypatch.setattr(sessions, "start_session", start)


@pytest.mark.usefixtures("repeating")
def test_a_provider_that_repeats_faces_is_refused() -> None:
    with pytest.raises(ProviderError, match="answers faces of the picture before"):
        EndToEndSession(MODELS / "end_to_end.onnx", "openvino")


@pytest.mark.usefixtures("repeating")
def test_auto_goes_on_with_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert EndToEndSession(MODELS / "end_to_end.onnx").provider == "cpu"
    assert "faces of the picture before" in caplog.text
