from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from repo_paths import TESTS
from tiny_models import FIVE, five_points

from fkd_infer.geometry.arrays import Floats
from fkd_infer.landmarks.head_model import mean_head
from fkd_infer.landmarks.schemes import IBUG68, SCHEMES, LandmarkScheme, find_scheme
from fkd_infer.system.files.strict_dataclass import parse_dataclass

Place = tuple[float, float]


def line(start: Place, end: Place, count: int) -> Floats:
    return np.linspace(start, end, count, dtype=np.float32)


def ring(centre: Place, width: float, height: float, count: int) -> Floats:
    """Points around an ellipse, clockwise from its left end."""
    angles = np.pi + np.linspace(0, 2 * np.pi, count, endpoint=False)
    circle = np.column_stack([width * np.cos(angles), height * np.sin(angles)])
    return (np.array(centre) + circle).astype(np.float32)


def wflw_face() -> Floats:
    """A symmetric face in the order of WFLW's annotation: the contour from ear to ear, outlines of
    the brows from their left ends, the nose from top to bottom, eyes and lips, pupils."""
    contour = ring((0.0, -0.1), 1.1, 1.2, 64)[:-33:-1]
    parts = [
        np.concatenate([[[-1.1, -0.1]], contour]),
        line((-0.8, -0.5), (-0.2, -0.5), 5),
        line((-0.2, -0.4), (-0.8, -0.4), 5)[:-1],
        line((0.2, -0.5), (0.8, -0.5), 5),
        line((0.8, -0.4), (0.2, -0.4), 5)[1:],
        line((0.0, -0.2), (0.0, 0.3), 4),
        line((-0.2, 0.4), (0.2, 0.4), 5),
        ring((-0.5, 0.0), 0.2, 0.1, 8),
        ring((0.5, 0.0), 0.2, 0.1, 8),
        ring((0.0, 0.7), 0.4, 0.2, 12),
        ring((0.0, 0.7), 0.3, 0.1, 8),
        np.array([[-0.5, 0.0], [0.5, 0.0]]),
    ]
    return np.concatenate(parts).astype(np.float32)


def mesh() -> Floats:
    """The mean of 160 faces and their mirror images, as MediaPipe 0.10.21 places its points: the
    outer eye corners are at (-0.5, 0) and (0.5, 0)."""
    thousandths = json.loads((TESTS / "data" / "face_mesh.json").read_text())
    return (np.array(thousandths) / 1000).astype(np.float32)


def ibug_face() -> Floats:
    return mean_head()[:, :2].astype(np.float32)


SHAPES: dict[str, Callable[[], Floats]] = {
    "ibug68": ibug_face,
    "coco-face": ibug_face,
    "wflw98": wflw_face,
    "mediapipe478": mesh,
    "five": lambda: five_points(ibug_face()),
}
"""A face from the front in each built-in scheme."""


def test_there_is_a_face_of_every_built_in_scheme() -> None:
    assert set(SHAPES) == set(SCHEMES)


@pytest.mark.parametrize("name", SCHEMES)
def test_a_mirrored_face_has_its_points_in_the_schemes_order(name: str) -> None:
    scheme, points = find_scheme(name), SHAPES[name]()
    corners = points[list(scheme.outer_eye_corners)]
    middle, width = corners[:, 0].mean(), float(np.ptp(corners[:, 0]))
    mirrored = (points * (-1, 1) + (2 * middle, 0))[scheme.flip_permutation]
    assert np.linalg.norm(mirrored - points, axis=1).max() < 0.015 * width
    assert corners[0, 0] < corners[1, 0]  # the person's right eye is on the left


@pytest.mark.parametrize("name", SCHEMES)
def test_lines_between_neighbouring_points_are_short_and_rings_are_closed(name: str) -> None:
    scheme, points = find_scheme(name), SHAPES[name]()
    for group, members in scheme.lines.items():
        steps = np.linalg.norm(np.diff(points[list(members)], axis=0), axis=1)
        if name == "five" or len(steps) < 2:
            continue
        assert steps.max() < 4 * np.median(steps), group
        gap = float(np.linalg.norm(points[members[0]] - points[members[-1]]))
        assert group not in scheme.closed or gap < 1.5 * steps.max(), group


@pytest.mark.parametrize("name", SCHEMES)
def test_regions_lie_where_their_names_say(name: str) -> None:
    scheme, points = find_scheme(name), SHAPES[name]()
    centres = {
        group: points[list(members)].mean(axis=0) for group, members in scheme.groups.items()
    }
    for group, (x, _) in centres.items():
        side = group.partition("_")[0]
        assert {"right": x < 0, "left": x > 0}.get(side, abs(x) < 0.1), group
    heights = [centres[g][1] for g in ("right_brow", "right_eye", "outer_lips") if g in centres]
    assert heights == sorted(heights)


@pytest.mark.parametrize("name", SCHEMES)
def test_every_point_is_in_one_group(name: str) -> None:
    scheme = find_scheme(name)
    members = [point for group in scheme.groups.values() for point in group]
    assert sorted(members) == list(range(scheme.count))
    assert scheme.name == name


@pytest.mark.parametrize("name", SCHEMES)
def test_mirroring_twice_changes_nothing(name: str) -> None:
    permutation = find_scheme(name).flip_permutation
    np.testing.assert_array_equal(permutation[permutation], np.arange(len(permutation)))


def test_schemes_are_read_from_files_only_when_they_are_named() -> None:
    lines = (
        "import sys",
        "opened = []",
        "sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == 'open'"
        " else None)",
        "from fkd_infer.landmarks.schemes import find_scheme",
        "find_scheme('ibug68')",
        "print(sum('tables' in path for path in opened), end=' ')",
        "find_scheme('wflw98')",
        "print(sum('tables' in path for path in opened))",
    )
    printed = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    assert printed.stdout.split() == ["0", "1"]


def test_a_scheme_of_an_older_card_has_no_unjoined_groups() -> None:
    table = {key: value for key, value in asdict(FIVE).items() if key != "unjoined"}
    assert parse_dataclass(LandmarkScheme, table, "scheme") == FIVE
    assert FIVE.lines == FIVE.groups


def test_mirroring_swaps_the_sides() -> None:
    permutation = IBUG68.flip_permutation
    middle = [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]
    assert [p for p in range(68) if permutation[p] == p] == middle
    assert permutation[36] == 45
    assert permutation[48] == 54
    assert permutation[0] == 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 1}, "count is 1"),
        ({"count": 4}, "groups names point 4, but 4 points have the numbers 0 to 3"),
        ({"count": 6}, "point 5 is in none of the groups"),
        ({"groups": {"eyes": (0, 1), "rest": (1, 2, 3, 4)}}, "groups names point 1 more than"),
        ({"groups": {"all": (0, 1, 2, 3, 4), "ears": ()}}, "group 'ears' has no points"),
        ({"mirror_pairs": ((0, 1), (1, 2))}, "mirror_pairs names point 1 more than once"),
        ({"mirror_pairs": ((2, 2),)}, "mirror_pairs names point 2 more than once"),
        ({"mirror_pairs": ((0, -1),)}, "mirror_pairs names point -1"),
        ({"outer_eye_corners": (0, 0)}, "outer_eye_corners names point 0 more than once"),
        ({"outer_eye_corners": (0, 5)}, "outer_eye_corners names point 5"),
        ({"closed": ("lips",)}, "closed names 'lips', which is not one of the groups"),
        ({"unjoined": ("lips",)}, "unjoined names 'lips', which is not one of the groups"),
        ({"closed": ("eyes",), "unjoined": ("eyes",)}, "'eyes' is both closed and unjoined"),
    ],
)
def test_inconsistent_schemes_are_refused(change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(FIVE, **change)


def test_find_scheme_accepts_a_name_or_a_scheme() -> None:
    assert find_scheme("ibug68") is IBUG68
    assert find_scheme(FIVE) is FIVE
    assert find_scheme("five") == FIVE
    assert find_scheme(replace(FIVE, name="wflw98")).count == 5
    with pytest.raises(ValueError, match="no scheme is called 'six'; there are: ibug68, wflw98"):
        find_scheme("six")
    with pytest.raises(ValueError, match="choose another"):
        find_scheme(replace(FIVE, name="ibug68"))
