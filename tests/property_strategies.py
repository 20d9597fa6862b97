"""What property tests share: how many examples they try, and frames and faces of any kind."""

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

_TIMES = int(os.environ.get("FKD_EXAMPLES", "1"))
"""So many times the usual number of examples, then chosen anew each time."""
_GUARD = 40
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


def tried(examples: int) -> Callable[[Test], Test]:
    """A property is tried on so many examples, always the same ones."""
    slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    again = _TIMES == 1
    return settings(
        max_examples=examples * _TIMES,
        deadline=None,
        derandomize=again,
        database=None,
        suppress_health_check=slow,
    )


def finite(least: float, most: float) -> st.SearchStrategy[float]:
    """Numbers that float32 has exactly."""
    limits = float(np.float32(least)), float(np.float32(most))
    return st.floats(*limits, width=32, allow_nan=False)


def plain_values() -> st.SearchStrategy[Any]:
    """Anything that JSON holds, and what its strings hold at worst."""
    return st.recursive(
        _LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
        max_leaves=5,
    )


@st.composite
def damaged(draw: st.DrawFn, table: dict[str, Any]) -> dict[str, Any]:
    """Plain data with one to three of its values replaced, taken away or added."""
    changed: dict[str, Any] = json.loads(json.dumps(table))
    for _ in range(draw(st.integers(1, 3))):
        places: list[tuple[Any, Any]] = [(changed, key) for key in changed]
        for holder, key in places:
            inner = holder[key]
            if isinstance(inner, dict | list):
                keys = inner if isinstance(inner, dict) else range(len(inner))
                places += [(inner, inner_key) for inner_key in keys]
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        way = draw(st.sampled_from(["other", "other", "none", "more"]))
        if way == "none":
            del holder[key]
        elif way == "more" and isinstance(holder, dict):
            holder[draw(_NAMES)] = draw(plain_values())
        else:
            holder[key] = draw(plain_values())
    return changed


@st.composite
def boxes(draw: st.DrawFn, far: float = 1e5, largest: float = 1e5) -> Floats:
    """A box (4,) anywhere, from a hundredth of a pixel on."""
    x, y = draw(finite(-far, far)), draw(finite(-far, far))
    width, height = (draw(finite(0.01, largest)) for _ in range(2))
    box = np.array([x, y, x + width, y + height], np.float32)
    # Far away, a small side may be less than what float32 tells apart.
    box[2:] = np.maximum(box[2:], np.nextafter(box[:2], np.float32(np.inf)))
    return box


@st.composite
def face_points(draw: st.DrawFn, far: float = 1e6) -> Floats:
    """Points (68, 2) of a head, of any size, turn and place, or of nothing like one."""
    kind = draw(st.sampled_from(["head", "head", "noise", "one place", "line", "inside out"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.one_of(finite(1e-4, 300), finite(1e-4, far)))
    centre = np.array([draw(st.one_of(finite(-50, 250), finite(-far, far))) for _ in range(2)])
    if kind == "one place":
        places = np.zeros((68, 2))
    elif kind == "noise":
        places = rng.uniform(-1, 1, (68, 2))
    elif kind == "line":
        places = np.linspace(-1, 1, 68)[:, None] * rng.uniform(-1, 1, 2)
    else:
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        places = (mean_head() @ turn)[:, :2] if draw(st.booleans()) else mean_head()[:, :2]
        places = places * (-1, 1) if kind == "inside out" else places
    return np.asarray(places * size + centre, np.float32)


@st.composite
def faces(draw: st.DrawFn, far: float = 1e6) -> Face:
    """A face of such points, with any id, scores that there are, and any box."""
    points = draw(face_points(far))
    box = points_box(points)
    if draw(st.booleans()) or not (box[2:] > box[:2]).all():
        box = draw(boxes(far, far))
    identity = draw(st.none() | st.integers(1, 2**31))
    presence = draw(st.none() | finite(0, 1))
    return Face(points, box, draw(finite(0, 1)), identity, presence)


def check_line(error: Exception, *said: str) -> None:
    """An error for people: one line of a sensible length, that drives no terminal and names what is
    wrong."""
    text = str(error)
    assert not any(category(character) == "Cc" for character in text), repr(text)
    assert len(text) < 4000
    assert all(word in text for word in said), text


class Guarded:
    """A BGR frame (height, width, 3) in the middle of a larger one, which nothing may change."""

    def __init__(self, width: int, height: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        size = height + 2 * _GUARD, width + 2 * _GUARD, 3
        self._whole = rng.integers(0, 256, size, np.uint8)
        self._inside = np.zeros(size[:2], bool)
        self._inside[_GUARD:-_GUARD, _GUARD:-_GUARD] = True
        self._before = self._whole.copy()

    @property
    def frame(self) -> Pixels:
        """The frame, a view."""
        return self._whole[_GUARD:-_GUARD, _GUARD:-_GUARD]

    def is_whole(self) -> bool:
        """Whether all around the frame is as it was."""
        outside = ~self._inside
        return bool((self._whole[outside] == self._before[outside]).all())
