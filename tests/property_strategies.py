"""Strategies and checks for property tests, and the number of their examples."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, TypeVar
from unicodedata import category

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.boxes import points_box
from fkd_infer.landmarks.head_model import mean_head
from fkd_infer.types import Face

_FACTOR = int(os.environ.get("FKD_EXAMPLES", "1"))
"""Multiplies the number of examples; above 1 they are random in each run."""
_BORDER = 40
_NAMES = st.text(max_size=5) | st.sampled_from(["version", "name", "a\nb", "\ud800"])
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["ibug68", "detector", "uint8", "\ud800", "a\nb", "\x1b[2J", "head", 10**400])
)
Test = TypeVar("Test", bound=Callable[..., None])


def with_examples(examples: int) -> Callable[[Test], Test]:
    """Sets the number of a property's examples, which are the same in each run."""
    slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(
        max_examples=examples * _FACTOR,
        deadline=None,
        derandomize=_FACTOR == 1,
        database=None,
        suppress_health_check=slow,
    )


def float32s(least: float, most: float) -> st.SearchStrategy[float]:
    """Finite numbers that float32 represents exactly."""
    limits = float(np.float32(least)), float(np.float32(most))
    return st.floats(*limits, width=32, allow_nan=False)


def json_values() -> st.SearchStrategy[Any]:
    """Any JSON value, with difficult strings."""
    return st.recursive(
        _LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
        max_leaves=5,
    )


@st.composite
def corrupted(draw: st.DrawFn, table: dict[str, Any]) -> dict[str, Any]:
    """A table of JSON values with one to three of them replaced, removed or added."""
    result: dict[str, Any] = json.loads(json.dumps(table))
    for _ in range(draw(st.integers(1, 3))):
        places: list[tuple[Any, Any]] = [(result, key) for key in result]
        for holder, key in places:
            inner = holder[key]
            if isinstance(inner, dict | list):
                keys = inner if isinstance(inner, dict) else range(len(inner))
                places += [(inner, inner_key) for inner_key in keys]
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        change = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if change == "remove":
            del holder[key]
        elif change == "add" and isinstance(holder, dict):
            holder[draw(_NAMES)] = draw(json_values())
        else:
            holder[key] = draw(json_values())
    return result


@st.composite
def boxes(draw: st.DrawFn, far: float = 1e5, largest: float = 1e5) -> Floats:
    """A box (4,) anywhere, with sides of at least a hundredth of a pixel."""
    x, y = draw(float32s(-far, far)), draw(float32s(-far, far))
    width, height = (draw(float32s(0.01, largest)) for _ in range(2))
    box = np.array([x, y, x + width, y + height], np.float32)
    # Far from the origin a small side can be below the resolution of float32.
    box[2:] = np.maximum(box[2:], np.nextafter(box[:2], np.float32(np.inf)))
    return box


@st.composite
def face_points(draw: st.DrawFn, far: float = 1e6) -> Floats:
    """Points (68, 2) of a head at any size, rotation and place, or points that are no face."""
    kind = draw(st.sampled_from(["head", "head", "noise", "one point", "line", "mirrored"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.one_of(float32s(1e-4, 300), float32s(1e-4, far)))
    centre = np.array([draw(st.one_of(float32s(-50, 250), float32s(-far, far))) for _ in range(2)])
    if kind == "one point":
        places = np.zeros((68, 2))
    elif kind == "noise":
        places = rng.uniform(-1, 1, (68, 2))
    elif kind == "line":
        places = np.linspace(-1, 1, 68)[:, None] * rng.uniform(-1, 1, 2)
    else:
        rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        places = (mean_head() @ rotation)[:, :2] if draw(st.booleans()) else mean_head()[:, :2]
        places = places * (-1, 1) if kind == "mirrored" else places
    return np.asarray(places * size + centre, np.float32)


@st.composite
def faces(draw: st.DrawFn, far: float = 1e6) -> Face:
    """A face with such points, any id, scores and box."""
    points = draw(face_points(far))
    box = points_box(points)
    if draw(st.booleans()) or not (box[2:] > box[:2]).all():
        box = draw(boxes(far, far))
    identity = draw(st.none() | st.integers(1, 2**31))
    presence = draw(st.none() | float32s(0, 1))
    errors = draw(st.none() | float32s(0, far))
    spread = None if errors is None else np.full(len(points), errors, np.float32)
    return Face(
        points, box, draw(float32s(0, 1)), identity, presence, 0.0, spread, draw(st.booleans())
    )


def assert_single_line(error: Exception, *words: str) -> None:
    """Checks that an error is one line of limited length, without control characters, and contains
    `words`."""
    text = str(error)
    assert not any(category(character) == "Cc" for character in text), repr(text)
    assert len(text) < 4000
    assert all(word in text for word in words), text


class GuardedFrame:
    """A BGR frame (height, width, 3) inside a larger array, whose border must not change."""

    def __init__(self, width: int, height: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        size = height + 2 * _BORDER, width + 2 * _BORDER, 3
        self._array = rng.integers(0, 256, size, np.uint8)
        self._inside = np.zeros(size[:2], bool)
        self._inside[_BORDER:-_BORDER, _BORDER:-_BORDER] = True
        self._before = self._array.copy()

    @property
    def frame(self) -> Pixels:
        """The frame, as a view."""
        return self._array[_BORDER:-_BORDER, _BORDER:-_BORDER]

    def border_is_intact(self) -> bool:
        """Whether the border is unchanged."""
        outside = ~self._inside
        return bool((self._array[outside] == self._before[outside]).all())
