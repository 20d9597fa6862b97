"""End-to-end files as a pipeline: one image, many, and what cannot be asked of them."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import DETECTED_BOXES, END_TO_END_SIZE, MODELS, end_to_end_points

import fkd_infer
from fkd_infer.end_to_end import EndToEndPipeline, fit
from fkd_infer.errors import (
    InvalidImageError,
    NonFiniteOutputError,
    SettingsError,
    WrongTaskError,
)
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.runtime.end_to_end.session import ImageFaces
from fkd_infer.runtime.end_to_end.slots import Slot
from fkd_infer.types import Face

HEIGHT, WIDTH = END_TO_END_SIZE
FILES = ("end_to_end", "end_to_end_one", "end_to_end_two", "end_to_end_any")
"""For images of any size; of one size: a single one, two, and any number at a time."""
SIZED = FILES[1:]


def opened(name: str) -> EndToEndPipeline:
    return fkd_infer.load(MODELS / f"{name}.onnx", end_to_end=True, provider="cpu")


def gray(level: int, height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    return np.full((height, width, 3), level, np.uint8)


def assert_faces_of(faces: Sequence[Face], level: int) -> None:
    """Asserts that these are the faces of an image of this brightness, best first."""
    share = level / 255
    rows = [0, 1] if share >= 0.5 else [1] if level else []
    assert len(faces) == len(rows)
    for face, row in zip(faces, rows, strict=True):
        np.testing.assert_array_equal(face.box, DETECTED_BOXES[row])
        np.testing.assert_allclose(face.points, end_to_end_points()[row] + share, atol=1e-4)
        assert face.score == pytest.approx(share / (1 + row), abs=1e-6)
        assert face.presence == pytest.approx(share, abs=1e-6)
        assert (face.id, face.roll, face.spread) == (None, 0.0, None)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("level", [0, 100, 200])
def test_a_call_returns_the_faces_without_the_rows_that_are_none(name: str, level: int) -> None:
    assert_faces_of(opened(name)(gray(level)), level)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("count", [0, 1, 4, 5])
def test_many_yields_the_faces_of_each_image_in_order(name: str, count: int) -> None:
    levels = [37 * number % 256 for number in range(count)]
    found = list(opened(name).many(map(gray, levels)))
    assert len(found) == count
    for faces, level in zip(found, levels, strict=True):
        assert_faces_of(faces, level)


@pytest.mark.parametrize(("batch", "sizes"), [(None, [7]), (3, [3, 3, 1]), (7, [7]), (1, [1] * 7)])
def test_a_file_for_any_number_of_images_is_not_padded(
    batch: int | None, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = opened("end_to_end_any")
    inner = pipeline.session._session
    seen: list[int] = []

    class Counting:
        def run(self, names: None, feed: dict[str, Pixels]) -> Any:
            seen.append(len(feed["image"]))
            return inner.run(names, feed)

    monkeypatch.setattr(pipeline.session, "_session", Counting())
    assert len(list(pipeline.many([gray(9)] * 7, batch))) == 7
    assert seen == sizes


@pytest.mark.parametrize("name", SIZED)
def test_points_of_a_downscaled_image_are_in_its_own_pixels(name: str) -> None:
    pipeline, large = opened(name), gray(255, 3 * HEIGHT, 3 * WIDTH)
    for faces in (pipeline(large), next(pipeline.many([large]))):
        face = faces[0]
        np.testing.assert_allclose(face.points, 3 * (end_to_end_points()[0] + 1) + 1, atol=1e-3)
        np.testing.assert_allclose(face.box, 3 * DETECTED_BOXES[0] + 1, atol=1e-3)


def test_spread_of_a_downscaled_image_is_in_its_own_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline = opened("end_to_end_one")
    found = ImageFaces(
        DETECTED_BOXES[:1],
        np.ones(1, np.float32),
        end_to_end_points()[:1],
        spread=np.full((1, 68), 0.5, np.float32),
    )
    monkeypatch.setattr(pipeline.session, "run", lambda _: [found])
    (face,) = pipeline(gray(9, 3 * HEIGHT, 3 * WIDTH))
    np.testing.assert_allclose(face.spread, np.full(68, 1.5), rtol=1e-6)  # type: ignore[arg-type]
    assert face.presence is None


@pytest.mark.parametrize("name", SIZED)
def test_a_small_image_keeps_its_size_and_gets_gray_around_it(name: str) -> None:
    # 255 in a quarter, 127 in the rest
    share = (255 + 3 * 127) / 4 / 255
    (face, _) = opened(name)(gray(255, HEIGHT // 2, WIDTH // 2))
    np.testing.assert_allclose(face.points, end_to_end_points()[0] + share, atol=1e-4)


@pytest.mark.parametrize("shape", [(720, 96), (72, 960), (500, 333), (145, 193), (1, 1), (73, 96)])
def test_an_image_is_fitted_without_changing_its_shape(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    place = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    matrix = fit(gray(9, *shape), place)
    inside = (place == 9).all(axis=2)
    height, width = inside.any(axis=1).sum(), inside.any(axis=0).sum()
    assert inside.sum() == height * width
    assert (place[~inside] == 127).all()
    factor = max(1, shape[0] / HEIGHT, shape[1] / WIDTH)
    np.testing.assert_allclose([height, width], np.array(shape) / factor, atol=0.51)
    # The corners of the first and last pixels stay at those of the image. Where it is halved, an
    # odd last row or column is left out.
    first, last = np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]]) @ matrix[:, :2].T
    np.testing.assert_allclose(first + matrix[:, 2], [-0.5, -0.5], atol=1e-3)
    missing = np.array([shape[1], shape[0]]) - 0.5 - (last + matrix[:, 2])
    assert (missing > -1e-3).all()
    assert (missing < factor).all()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("image", [None, np.zeros((9, 9)), np.zeros((0, 9, 3), np.uint8)])
def test_what_is_no_image_is_refused(name: str, image: Any) -> None:
    with pytest.raises(InvalidImageError):
        opened(name)(image)


@pytest.mark.parametrize("name", FILES)
def test_an_error_comes_in_its_images_turn(name: str) -> None:
    found = opened(name).many([gray(100), gray(0), gray(200), None, gray(9)])  # type: ignore[list-item]
    for level in (100, 0, 200):
        assert_faces_of(next(found), level)
    with pytest.raises(InvalidImageError):
        next(found)


@pytest.mark.parametrize("name", FILES)
def test_an_error_of_the_source_comes_after_its_images(name: str) -> None:
    def images() -> Iterator[Pixels]:
        yield gray(200)
        raise OSError("unplugged")

    found = opened(name).many(images())
    assert_faces_of(next(found), 200)
    with pytest.raises(OSError, match="unplugged"):
        next(found)


@pytest.mark.parametrize("name", FILES)
def test_an_endless_source_is_read_a_few_batches_ahead_and_left(name: str) -> None:
    pipeline = opened(name)
    read: list[int] = []

    def images() -> Iterator[Pixels]:
        while True:
            read.append(len(read))
            yield gray(len(read) % 256)

    before = threading.active_count()
    found = pipeline.many(images())
    for number in range(1, 60):
        assert_faces_of(next(found), number)
        assert len(read) <= number + 4 * pipeline.batch
    found.close()
    assert threading.active_count() == before


def test_images_stay_in_their_place_until_they_have_been_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline = opened("end_to_end_two")
    run_slot = pipeline.session.run_slot
    ahead = threading.Event()

    def images() -> Iterator[Pixels]:
        yield from map(gray, (10, 20, 30, 40, 50))
        ahead.set()  # the third batch is being filled, and the first one still run
        yield from map(gray, (60, 70, 80))

    def once_ahead(slot: Slot, count: int) -> list[ImageFaces]:
        assert ahead.wait(60)
        return run_slot(slot, count)

    monkeypatch.setattr(pipeline.session, "run_slot", once_ahead)
    for faces, level in zip(pipeline.many(images()), range(10, 90, 10), strict=True):
        assert_faces_of(faces, level)


@pytest.mark.parametrize("name", FILES)
def test_threads_and_copies_get_the_same_faces(name: str) -> None:
    pipeline = pickle.loads(pickle.dumps(opened(name)))
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda level: list(pipeline.many([gray(level)] * 3)), range(0, 255, 9))
        )
    for level, each in zip(range(0, 255, 9), found, strict=True):
        for faces in each:
            assert_faces_of(faces, level)


def test_the_cards_are_those_of_the_file() -> None:
    pipeline = opened("end_to_end_two")
    assert pipeline.card.landmarks.count == 68
    assert pipeline.session.card.batch == pipeline.batch == 2
    assert pipeline.session.provider == "cpu"


@pytest.mark.parametrize(
    ("name", "batch", "why"),
    [
        ("end_to_end", 2, "takes 1 at a time.*--batch dynamic"),
        ("end_to_end_one", 2, "takes 1 at a time"),
        ("end_to_end_two", 3, "takes 2 at a time"),
        ("end_to_end_any", 0, "a whole number of 1 or more"),
    ],
)
def test_a_number_of_images_that_a_file_does_not_take_is_refused(
    name: str, batch: int, why: str
) -> None:
    with pytest.raises(SettingsError, match=why):
        next(opened(name).many([gray(0)], batch))


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("detector", "haar"),
        ("detector_model", "d.onnx"),
        ("detector_provider", "cpu"),
        ("max_size", 640),
        ("min_face", 20.0),
        ("min_score", 0.5),
        ("roll", "any"),
        ("min_presence", 0.5),
        ("refine", False),
    ],
)
def test_what_the_file_has_fixed_is_refused(argument: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"{argument} cannot be chosen.*leave it out"):
        fkd_infer.load(MODELS / "end_to_end.onnx", end_to_end=True, **{argument: value})  # type: ignore[call-overload]


def test_files_of_another_task_say_how_they_are_opened(fixed_model: Path) -> None:
    with pytest.raises(WrongTaskError, match=r"load\(FILE, end_to_end=True\)"):
        fkd_infer.load(MODELS / "end_to_end.onnx")
    with pytest.raises(WrongTaskError, match="leave out end_to_end=True, or export"):
        fkd_infer.load(fixed_model, end_to_end=True)


def test_settings_and_threads_reach_the_session() -> None:
    model = MODELS / "end_to_end_one.onnx"
    settings = fkd_infer.SessionSettings(threads=2, level="basic")
    pipeline = fkd_infer.load(model, end_to_end=True, threads=1, settings=settings)
    assert pipeline.session.settings == fkd_infer.SessionSettings(threads=1, level="basic")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("output", [1, 2])
def test_outputs_that_are_not_finite_are_an_error(
    name: str, output: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = opened(name)
    inner = pipeline.session._session

    class Broken:
        def run(self, *arguments: Any) -> list[np.ndarray]:
            outputs: list[np.ndarray] = inner.run(*arguments)
            outputs[output][..., -1] = np.nan
            return outputs

    monkeypatch.setattr(pipeline.session, "_session", Broken())
    with pytest.raises(NonFiniteOutputError):
        pipeline(gray(255))
