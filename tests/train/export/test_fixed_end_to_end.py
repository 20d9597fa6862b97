"""End-to-end files for images of one size answer the pipeline's faces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner, Result
from exported_files import end_to_end_file
from repo_paths import SHIPPED_MODELS
from tiny_models import MODELS

from fkd_infer.errors import InvalidModelError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.models.cards.end_to_end import EndToEndCard
from fkd_infer.models.cards.landmark import Parity
from fkd_infer.models.description import describe_model, read_any_card
from fkd_train.cli import export
from fkd_train.errors import VerificationError
from fkd_train.export import end_to_end
from fkd_train.export.end_to_end import MOST, Parts, compare
from fkd_train.export.end_to_end_pictures import drawn_pictures, fitted
from fkd_train.export.verify import Verification
from fkd_train.graphs.fixed_end_to_end import FixedSize

SIZE = FixedSize(240, 448, 2)
FKDNET, NAIMISHNET = SHIPPED_MODELS / "fkdnet.onnx", SHIPPED_MODELS / "naimishnet.onnx"


def pictures() -> list[Pixels]:
    """Sheets of four faces, and a picture without any."""
    sheets = [fitted(picture, SIZE.height, SIZE.width) for picture in drawn_pictures()[:3]]
    return [*sheets, np.full((SIZE.height, SIZE.width, 3), 127, np.uint8)]


@pytest.mark.parametrize(
    ("network", "max_faces", "batch"),
    [(FKDNET, 1, None), (NAIMISHNET, 4, None), (FKDNET, 2, "dynamic"), (NAIMISHNET, 1, 3)],
    ids=["with a score", "without", "in batches of any number", "in batches of three"],
)
def test_the_best_faces_have_the_pipelines_points(
    network: Path, max_faces: int, batch: int | Literal["dynamic"] | None
) -> None:
    parts, size = Parts.of(network), replace(SIZE, max_faces=max_faces, batch=batch)
    faces = parts.face_filter()
    graph, pipeline = parts.graph(faces, size), parts.pipeline(faces, size)
    parity = compare(graph, pipeline, pictures(), "drawn", Path("out.onnx"), MOST)
    assert parity.faces > 2 * max_faces
    assert not {"If", "Loop"} & {node.op_type for node in graph.graph.node}


def test_a_wrong_picture_within_a_batch_is_found() -> None:
    parts, size = Parts.of(FKDNET), replace(SIZE, batch=4)
    faces = parts.face_filter()
    graph, pipeline = parts.graph(faces, size), parts.pipeline(faces, SIZE)
    (image,) = graph.graph.input
    shifted = onnx.helper.make_node("Gather", ["image", "order"], ["images"], axis=0)
    for node in graph.graph.node:
        node.input[:] = ["images" if name == image.name else name for name in node.input]
    graph.graph.node.insert(0, shifted)
    order = np.array([0, 1, 1, 3])
    graph.graph.initializer.append(onnx.numpy_helper.from_array(order, "order"))
    with pytest.raises(VerificationError, match="from the pipeline"):
        compare(graph, pipeline, pictures(), "drawn", Path("out.onnx"), MOST)


def test_rejected_boxes_score_0_and_stay_in_their_row() -> None:
    parts = Parts.of(FKDNET)
    picture = pictures()[0]
    outputs = []
    for min_presence in (0.0, 1.0):
        model = parts.graph(parts.face_filter(min_presence=min_presence), SIZE)
        session = onnxruntime.InferenceSession(model.SerializeToString())
        names = [output.name for output in session.get_outputs()]
        outputs.append(dict(zip(names, session.run(None, {"image": picture}), strict=True)))
    accepting, rejecting = outputs
    assert (accepting["scores"] > 0).all()
    assert not rejecting["scores"].any()
    np.testing.assert_array_equal(accepting["boxes"], rejecting["boxes"])


def test_opencv_finds_the_same_faces(tmp_path: Path) -> None:
    path = end_to_end_file(tmp_path, "fkdnet", SIZE)
    session = onnxruntime.InferenceSession(path)
    net = cv2.dnn.readNetFromONNX(str(path))
    for picture in pictures():
        scores, points = session.run(["scores", "points"], {"image": picture})
        net.setInput(picture, "image")
        found_scores, found_points = net.forward(["scores", "points"])
        np.testing.assert_allclose(found_scores.ravel(), scores, atol=1e-4)
        np.testing.assert_allclose(found_points[scores > 0], points[scores > 0], atol=0.1)


def run(*arguments: str | Path) -> Result:
    texts = [str(argument) for argument in arguments]
    return CliRunner().invoke(export.main, [*texts, "--end-to-end"])


def test_the_command_says_how_to_read_the_outputs_and_so_does_the_card(tmp_path: Path) -> None:
    out = tmp_path / "faces.onnx"
    result = run(SHIPPED_MODELS / "fkdnet.pt", "--image-size", "240x448", "--out", out)
    assert result.exit_code == 0, result.output
    assert "input: image (240, 448, 3) uint8, BGR\n" in result.output
    assert "points (4, 68, 2), presence (4,), spread (4, 68), float32" in result.output
    assert result.output.endswith("rows with a score of 0 are no faces\n")
    card = read_any_card(out)
    assert isinstance(card, EndToEndCard)
    assert (card.image_size, card.max_faces) == ((240, 448), 4)
    assert describe_model(out).input == "448 × 240"
    weights = FKDNET.stat().st_size + (SHIPPED_MODELS / "fkd-detector.onnx").stat().st_size
    assert out.stat().st_size < 1.2 * weights


def test_the_command_writes_a_file_for_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = onnx.load(FKDNET), Verification(Parity(0.0, 0.0, None, "none"), "none")
    # The export itself is slow and tested elsewhere.
    monkeypatch.setattr(end_to_end, "fp32_model", lambda source, out: exported)
    out = tmp_path / "faces.onnx"
    options = ("--image-size", "240x448", "--batch", "dynamic", "--max-faces", "2")
    result = run(SHIPPED_MODELS / "fkdnet.pt", *options, "--out", out)
    assert result.exit_code == 0, result.output
    assert "input: image (b, 240, 448, 3) uint8, BGR\n" in result.output
    assert "points (b, 2, 68, 2), presence (b, 2), spread (b, 2, 68), float32" in result.output
    card = read_any_card(out)
    assert isinstance(card, EndToEndCard)
    assert (card.batch, card.image_size) == ("dynamic", (240, 448))
    assert describe_model(out).input == "448 × 240, batches"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--image-size", "480"), "'480' is not HEIGHTxWIDTH, such as 480x640"),
        (("--image-size", "480x-640"), "'480x-640' is not HEIGHTxWIDTH"),
        (("--image-size", "32x640"), "'32x640' has a side beyond 64 to 4096 pixels"),
        (("--max-faces", "3"), "--max-faces is for --image-size"),
        (("--batch", "3"), "--batch is for --end-to-end files of one --image-size"),
        (("--batch", "0"), "'0' is neither dynamic nor a number from 1 to 4096"),
    ],
)
def test_invalid_sizes_are_one_line(options: tuple[str, str], message: str) -> None:
    result = run(SHIPPED_MODELS / "fkdnet.pt", "--out", "unused.onnx", *options)
    assert result.exit_code == 2
    assert message in result.output.replace("\n", " ")


def test_a_size_without_end_to_end_is_an_error() -> None:
    arguments = [str(SHIPPED_MODELS / "fkdnet.pt"), "--out", "x", "--image-size", "480x640"]
    result = CliRunner().invoke(export.main, arguments)
    assert (result.exit_code, "--image-size is for --end-to-end" in result.output) == (2, True)


def test_a_detector_without_candidates_is_refused() -> None:
    parts = Parts.of(FKDNET, MODELS / "detector.onnx")
    with pytest.raises(InvalidModelError, match="no value 'all_boxes'"):
        parts.graph(parts.face_filter(), SIZE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_size": (480, 640)}, "stated together"),
        ({"image_size": (480, 5000), "max_faces": 4}, "must be from 64 to 4096"),
        ({"image_size": (480, 640), "max_faces": 33}, "must be from 1 to 32"),
        ({"batch": 2}, "batch is stated, but no image_size"),
        ({"image_size": (480, 640), "max_faces": 4, "batch": 0}, "must be from 1 to 4096"),
    ],
)
def test_cards_with_impossible_sizes_are_invalid(
    changes: dict[str, tuple[int, int] | int], message: str
) -> None:
    parts = Parts.of(FKDNET)
    with pytest.raises(ValueError, match=message):
        replace(parts.card(parts.face_filter()), **changes)  # type: ignore[arg-type]


def test_a_graph_of_another_size_than_its_card_is_refused(tmp_path: Path) -> None:
    path = end_to_end_file(tmp_path, "fkdnet", SIZE)
    model = onnx.load(path)
    entry = next(each for each in model.metadata_props if each.key == "fkd")
    entry.value = entry.value.replace("448", "449")
    onnx.save(model, path)
    with pytest.raises(InvalidModelError, match="its card says"):
        read_any_card(path)
