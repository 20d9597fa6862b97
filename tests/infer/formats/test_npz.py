"""Arrays are loaded by NumPy and compared with the faces that were written."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import FIVE

from fkd_infer.choices import EXTRAS
from fkd_infer.errors import OutputError
from fkd_infer.formats.npz import NpzSink
from fkd_infer.landmarks.head_pose import camera_head
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.types import Face, Frame

IMAGE = np.zeros((480, 640, 3), np.uint8)
BOX = np.array([1, 2, 30.333, 40.999], np.float32)


def loaded(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def head(face_id: int | None = None, presence: float | None = None) -> Face:
    points = (100 * camera_head()[:, :2] + (320, 240)).astype(np.float32)
    return Face(points, BOX, 0.75, face_id, presence)


def test_arrays_have_a_row_per_face(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.npz"
    with NpzSink(path) as sink:
        sink.write(Frame(IMAGE, "Zoë.mp4", 0), [])
        sink.write(
            Frame(IMAGE, "Zoë.mp4", 1, Fraction(1, 25)),
            [replace(head(7, 0.5), predicted=True), head()],
        )
        sink.write(Frame(IMAGE, "b.png"), [head(8)])
    found = loaded(path)
    assert found["source_names"].tolist() == ["Zoë.mp4", "b.png"]
    assert found["scheme"] == "ibug68"
    assert found["source"].tolist() == [0, 0, 1]
    assert found["frame"].tolist() == [1, 1, 0]
    assert found["time"].tolist() == [0.04, 0.04, 0]
    assert found["id"].tolist() == [7, -1, 8]
    np.testing.assert_array_equal(found["presence"], [0.5, np.nan, np.nan])
    assert found["score"].tolist() == [0.75] * 3
    np.testing.assert_array_equal(found["box"], [BOX] * 3)
    np.testing.assert_array_equal(found["points"], [head().points] * 3)
    assert found["points"].dtype == np.float32
    assert found["predicted"].dtype == bool
    assert found["predicted"].tolist() == [True, False, False]
    assert set(found) == {
        *("scheme", "source_names", "source", "frame", "time", "id"),
        *("box", "score", "presence", "points", "predicted"),
    }


def test_requested_extras(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    closed = Face(np.full((68, 2), 9, np.float32), BOX)
    with NpzSink(path, IBUG68, frozenset(EXTRAS)) as sink:
        sink.write(Frame(IMAGE, "a.png"), [head(), closed])
    found = loaded(path)
    assert found["pose_names"].tolist() == ["yaw", "pitch", "roll"]
    assert found["ratios_names"].tolist() == ["left_eye", "right_eye", "mouth"]
    np.testing.assert_allclose(found["pose"][0, [0, 2]], 0, atol=0.1)
    assert found["ratios"][0, 0] > 0.1
    assert np.isnan(found["pose"][1]).all()
    assert np.isnan(found["ratios"][1]).all()


def test_arrays_without_faces(tmp_path: Path) -> None:
    with NpzSink(tmp_path / "a.npz", FIVE) as sink:
        sink.write(Frame(IMAGE, "a.png"), [])
    found = loaded(tmp_path / "a.npz")
    assert found["points"].shape == (0, 5, 2)
    assert found["source_names"].shape == (0,)


def test_refuses_another_number_of_points(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="5 points"), NpzSink(tmp_path / "a.npz", FIVE) as sink:
        sink.write(Frame(IMAGE, "a.png"), [head()])
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_faces(tmp_path: Path) -> None:
    path, faces = tmp_path / "a.npz", [head(i) for i in range(50)]
    tracemalloc.start()
    try:
        with NpzSink(path) as sink:
            for index in range(400):
                sink.write(Frame(IMAGE, "a.mp4", index), faces)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 11e6
    assert peak < 6e6
    found = loaded(path)
    np.testing.assert_array_equal(found["frame"], np.repeat(np.arange(400), 50))
    np.testing.assert_array_equal(found["id"], np.tile(np.arange(50), 400))
    np.testing.assert_array_equal(found["points"][-1], head().points)


def test_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_text("before")
    with NpzSink(path) as sink:
        sink.write(Frame(IMAGE, "a.png"), [head()])
        assert path.read_text() == "before"
    assert len(loaded(path)["frame"]) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_leaves_nothing_after_an_exception(tmp_path: Path) -> None:
    def fail() -> None:
        with NpzSink(tmp_path / "a.npz") as sink:
            sink.write(Frame(IMAGE, "a.png"), [head()])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_reports_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    monkeypatch.setattr(
        "fkd_infer.formats.spooled._temporary", lambda _: full.open("r+b", buffering=0)
    )
    with (
        pytest.raises(OutputError, match=r"a\.npz: cannot be written: No space left"),
        NpzSink(tmp_path / "a.npz") as sink,
    ):
        sink.write(Frame(IMAGE, "a.png"), [head()])
    assert list(tmp_path.iterdir()) == []
