from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fkd_infer.errors import FilterError
from fkd_infer.filters.filter import builtin_filters, load_filter
from fkd_infer.filters.layer import Anchor
from fkd_infer.filters.pack import BUILTIN_PACKS, read_pack
from fkd_infer.filters.picture import MAX_BYTES

ANCHORS = [{"points": [36], "at": [10, 20]}, {"points": [45, 42], "at": [50, 20]}]


def write_pack(folder: Path, **changes: Any) -> Path:
    """Writes a valid pack of one layer, with changes to the layer."""
    layer = {"image": "a.png", "anchors": ANCHORS} | changes
    table = {"version": 1, "name": "mine", "title": "Mine", "layers": [layer]}
    return write_files(folder, table)


def write_files(folder: Path, table: object) -> Path:
    """Writes a filter.json, and the picture a.png."""
    (folder / "filter.json").write_text(json.dumps(table))
    image = np.zeros((40, 60, 4), np.uint8)
    image[:, :30] = (0, 0, 255, 255)
    cv2.imwrite(str(folder / "a.png"), image)
    return folder


def read_error(folder: Path) -> str:
    """Reads a pack that is refused; returns the error's line."""
    with pytest.raises(FilterError) as caught:
        read_pack(folder)
    text = str(caught.value)
    assert str(folder / "filter.json") in text
    assert "\n" not in text
    return text


def test_a_valid_pack_has_defaults(tmp_path: Path) -> None:
    read, layers = read_pack(write_pack(tmp_path))
    assert (read.name, read.title, read.scheme) == ("mine", "Mine", "ibug68")
    ((layer, image),) = layers
    assert (layer.warp, layer.blend, layer.z, layer.anchors[1].points) == (
        "head", "normal", 0.0, (45, 42)
    )  # fmt: skip
    assert image.shape == (40, 60, 4)


def test_mirrored_adds_a_layer_for_the_other_side(tmp_path: Path) -> None:
    _, ((layer, image), (other, flipped)) = read_pack(
        write_pack(tmp_path, mirrored=True, turn=30, offset=[0.1, 0.2])
    )
    assert other.anchors[0] == Anchor((45,), (59 - 10, 20))
    assert other.turn == -30
    assert other.offset == (-0.1, 0.2)
    assert layer.turn == 30
    assert (flipped == image[:, ::-1]).all()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"colour": 1}, "layers[0].colour is not a field"),
        ({"image": "b.png"}, "b.png"),
        ({"image": "../a.png"}, "leaves the filter's folder"),
        ({"image": "/etc/hosts"}, "leaves the filter's folder"),
        ({"image": 3}, "layers[0].image is 3"),
        ({"anchors": []}, "anchors has 0"),
        ({"anchors": ANCHORS[:1]}, "'head' needs 2"),
        ({"warp": "affine"}, "'affine' needs 3"),
        ({"warp": "bent"}, "layers[0].warp is 'bent'"),
        ({"blend": "burn"}, "layers[0].blend is 'burn'"),
        ({"opacity": 0}, "opacity is 0"),
        ({"opacity": 1.5}, "opacity is 1.5"),
        ({"scale": -1}, "scale is -1"),
        ({"z": float("nan")}, "z is nan"),
        ({"depth": float("inf")}, "depth is inf"),
        ({"offset": [0]}, "offset is [0]"),
        ({"warp": "similarity", "depth": 1}, "for the warp 'head'"),
        ({"anchors": [ANCHORS[0], {"points": [68], "at": [0, 0]}]}, "names point 68"),
        ({"anchors": [ANCHORS[0], {"points": [-1], "at": [0, 0]}]}, "names point -1"),
        ({"anchors": [ANCHORS[0], {"points": [], "at": [0, 0]}]}, "points is empty"),
        ({"anchors": [ANCHORS[0], {"points": [3], "at": [0, float("nan")]}]}, "at[1] is nan"),
        ({"anchors": [ANCHORS[0], {"points": [3], "at": [-1e9, 3]}]}, "at is [-1000000000.0, 3.0]"),
        ({"image": "a\0.png"}, "control character"),
        ({"a\nb": 1}, "the name 'a\\nb' in filter.layers[0]"),
        ({"scale": 1e-9}, "scale is 1e-09"),
        ({"depth": -1e9}, "depth is -1000000000.0"),
        ({"offset": [0, 1e9]}, "offset[1] is 1000000000.0"),
        ({"anchors": [ANCHORS[0], ANCHORS[0]]}, "in one place"),
        ({"warp": "affine", "anchors": [*ANCHORS, {"points": [9], "at": [30, 20]}]}, "on one line"),
        (
            {"warp": "piecewise", "anchors": [*ANCHORS, {"points": [9], "at": [30, 60]}] * 2},
            "the same at",
        ),
    ],
)
def test_an_invalid_layer_is_refused_by_its_field(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    assert problem in read_error(write_pack(tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"version": 2}, "version is 2"),
        ({"title": " "}, "not empty"),
        ({"scheme": "wflw98"}, "scheme is 'wflw98'"),
        ({"layers": []}, "layers is empty"),
        ({"author": "me"}, "filter.author is not a field"),
    ],
)
def test_an_invalid_pack_is_refused_by_its_field(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    layer = {"image": "a.png", "anchors": ANCHORS}
    table = {"version": 1, "name": "mine", "title": "Mine", "layers": [layer]} | changes
    assert problem in read_error(write_files(tmp_path, table))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "not a table"),
        ("", "not JSON"),
        ("9" * 5000, "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[" * 20 + "]" * 20, "nested too deeply"),
        (" " * 1_000_001, "larger than 1 MB"),
    ],
)
def test_a_file_that_is_no_object_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    write_pack(tmp_path)
    (tmp_path / "filter.json").write_text(text)
    assert problem in read_error(tmp_path)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "filter.json").write_bytes(b"\xff\xfe")
    assert "not UTF-8" in read_error(tmp_path)


def test_a_folder_without_the_file_is_refused(tmp_path: Path) -> None:
    assert "No such file" in read_error(tmp_path)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "pack"
    inside.mkdir()
    write_pack(inside)
    (inside / "a.png").rename(tmp_path / "a.png")
    (inside / "a.png").symlink_to(tmp_path / "a.png")
    assert "leaves the filter's folder" in read_error(inside)


def test_circular_links_are_refused(tmp_path: Path) -> None:
    file = write_pack(tmp_path) / "a.png"
    file.unlink()
    file.symlink_to(file.name)
    assert "links lead in circles" in read_error(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with a name")
def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    file = write_pack(tmp_path) / "a.png"
    file.unlink()
    os.mkfifo(file)
    assert "a pipe" in read_error(tmp_path)


def test_anchors_unlike_a_face_are_refused(tmp_path: Path) -> None:
    one_point = [{"points": [36], "at": [10, 20]}, {"points": [36], "at": [50, 20]}]
    # The pixels go around the picture clockwise, the points around the face counter-clockwise.
    reversed_order = [
        {"points": [point], "at": at}
        for point, at in ((36, [0, 0]), (45, [0, 60]), (54, [60, 60]), (48, [60, 0]))
    ]
    for anchors in (one_point, reversed_order):
        with pytest.raises(FilterError, match=r"filter\.json.*do not place the picture"):
            load_filter(write_pack(tmp_path, anchors=anchors))


def test_pictures_that_are_not_rgba_pngs_are_refused(tmp_path: Path) -> None:
    file = write_pack(tmp_path) / "a.png"
    valid = file.read_bytes()
    cases = {
        "cut short": valid[:-20],
        "is no PNG": b"GIF89a",
        "is cut short": valid[:33] + b"\xff\xff\xff\xf0" + valid[37:],  # a chunk of 4 GB
        "a damaged PNG": valid[:16] + bytes(4) + valid[20:],
        "measures": valid[:16] + (5000).to_bytes(4, "big") + valid[20:],
        "damaged": valid[:60] + bytes(20) + valid[80:],
        "larger than": bytes(MAX_BYTES + 1),
    }
    for problem, data in cases.items():
        file.write_bytes(data)
        assert problem in read_error(tmp_path)
    for image in (np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9, 4), np.uint16)):
        cv2.imwrite(str(file), image)
        assert "no alpha" in read_error(tmp_path)


def test_the_builtin_filters_are_valid_and_small() -> None:
    names = builtin_filters()
    assert {"sunglasses", "moustache", "hat", "crown", "dog", "party"} <= set(names)
    for name in names:
        assert load_filter(name).name == name
        for picture in (BUILTIN_PACKS / name).glob("*.png"):
            assert picture.stat().st_size < 150_000
