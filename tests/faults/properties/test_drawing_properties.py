"""For any output of a network, drawing stays within the frame, is fast and never fails."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from property_strategies import GuardedFrame, assert_single_line, faces, float32s, with_examples
from tiny_models import FIVE

from fkd_infer.choices import DRAW_LAYERS, Blend, DrawLayer, FilterWhen
from fkd_infer.drawing.annotator import Annotator
from fkd_infer.drawing.contact_sheet import ContactSheet
from fkd_infer.errors import FilterError
from fkd_infer.filters.filter import Filter, builtin_filters, load_filter
from fkd_infer.filters.warp_table import WARPS
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.types import Face, Frame

SECONDS = 3.0
"""CPU time that drawing a few faces may take; it takes milliseconds."""
SIZES = st.tuples(st.integers(1, 120), st.integers(1, 120))
FACES = st.lists(faces(), max_size=3)


@contextmanager
def soon() -> Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < SECONDS


@pytest.fixture(scope="module")
def filters() -> dict[str, Filter]:
    return {name: load_filter(name) for name in builtin_filters()}


@with_examples(250)
@given(name=st.sampled_from(builtin_filters()), size=SIZES, worn_by=FACES)
def test_built_in_filters_stay_within_the_frame(
    filters: dict[str, Filter], name: str, size: tuple[int, int], worn_by: list[Face]
) -> None:
    guarded = GuardedFrame(*size)
    with soon():
        filters[name].draw(guarded.frame, worn_by)
    assert guarded.border_is_intact()


@st.composite
def packs(draw: st.DrawFn) -> dict[str, Any]:
    """A filter.json of one layer that is probably valid."""
    warp = draw(st.sampled_from(tuple(WARPS)))
    near, far = float32s(-50, 100), float32s(-1e6, 1e6)
    place = st.tuples(near | far, near | far)
    anchor = st.fixed_dictionaries(
        {"points": st.lists(st.integers(0, 67), min_size=1, max_size=3), "at": place}
    )
    layer = {
        "image": "a.png",
        "anchors": draw(st.lists(anchor, min_size=3, max_size=7)),
        "warp": warp,
        "offset": draw(st.tuples(float32s(-2, 2) | far, float32s(-2, 2))),
        "scale": draw(float32s(0.1, 4) | float32s(1e-6, 1e6)),
        "mirrored": draw(st.booleans()),
        "blend": draw(st.sampled_from(get_args(Blend))),
        "opacity": draw(float32s(0.01, 1)),
        "when": draw(st.sampled_from(get_args(FilterWhen))),
        "brightness": draw(st.booleans()),
    }
    if warp == "head":
        layer |= {"depth": draw(float32s(-3, 3) | far), "turn": draw(float32s(-360, 360) | far)}
        layer |= {"round": draw(st.booleans())}
    return {"version": 1, "name": "a", "title": "A", "layers": [layer]}


@with_examples(200)
@given(
    table=packs(), width=st.integers(1, 40), height=st.integers(1, 40), size=SIZES, worn_by=FACES
)
def test_filters_of_any_pack_that_is_accepted_stay_within_the_frame(
    table: dict[str, Any], width: int, height: int, size: tuple[int, int], worn_by: list[Face]
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 4), np.uint8)
    guarded = GuardedFrame(*size)
    with TemporaryDirectory() as folder, soon():
        Path(folder, "filter.json").write_text(json.dumps(table))
        cv2.imwrite(str(Path(folder, "a.png")), picture)
        try:
            worn = load_filter(folder)
        except FilterError as error:
            assert_single_line(error, folder)
            return
        worn.draw(guarded.frame, worn_by)
    assert guarded.border_is_intact()


@with_examples(250)
@given(layer=st.sampled_from(DRAW_LAYERS), size=SIZES, drawn=FACES)
def test_every_layer_stays_within_the_frame(
    layer: DrawLayer, size: tuple[int, int], drawn: list[Face]
) -> None:
    guarded = GuardedFrame(*size)
    with soon():
        Annotator(IBUG68, (layer,)).draw(guarded.frame, drawn)
    assert guarded.border_is_intact()


@with_examples(60)
@given(layer=st.sampled_from(DRAW_LAYERS), size=SIZES, drawn=FACES)
def test_so_does_every_layer_of_another_scheme(
    layer: DrawLayer, size: tuple[int, int], drawn: list[Face]
) -> None:
    guarded = GuardedFrame(*size)
    of_five = [Face(face.points[:5], face.box, face.score, face.id) for face in drawn]
    with soon():
        Annotator(FIVE, (layer,)).draw(guarded.frame, of_five)
    assert guarded.border_is_intact()


@with_examples(40)
@given(
    sizes=st.lists(SIZES, min_size=1, max_size=25),
    name=st.text(max_size=40),
    times=st.lists(st.fractions(min_value=0, max_value=10**6), min_size=25, max_size=25),
    moves=st.booleans(),
)
def test_a_sheet_of_any_frames_is_a_picture(
    sizes: list[tuple[int, int]], name: str, times: list[Fraction], moves: bool
) -> None:
    with TemporaryDirectory() as folder, soon():
        path = Path(folder, "a.png")
        with ContactSheet(path) as sheet:
            for index, ((width, height), at) in enumerate(zip(sizes, times, strict=False)):
                frame = Frame(GuardedFrame(width, height).frame, name, index * moves, at)
                sheet.write(frame, [])
        drawn = cv2.imread(str(path))
    assert drawn is not None
    assert drawn.std() > 0
