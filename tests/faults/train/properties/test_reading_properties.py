"""Any recipe and any table of a data set is either read or refused."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from property_strategies import corrupted, json_values, with_examples

from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_train.config.reading import read_recipe_table, shipped_recipe_names
from fkd_train.config.recipe import load_recipe, recipe_from_dict, recipe_to_dict
from fkd_train.data.dataset import read_faces
from fkd_train.errors import DatasetError, RecipeError

TWO = LandmarkScheme("two", 2, {"eyes": (0, 1)}, ((0, 1),), (0, 1))
PICTURE = cv2.imencode(".png", np.full((8, 12, 3), 90, np.uint8))[1].tobytes()
RECIPES = {name: read_recipe_table(name) for name in shipped_recipe_names()}
CELLS = (
    st.sampled_from(
        ["a.png", "b.png", "", "nan", "1e9", '"', "1_0", "9" * 5000, "../training/a.png"]
    )
    | st.text(max_size=6)
    | st.floats(-1e7, 1e7).map(str)
)
ROWS = st.lists(st.lists(CELLS, max_size=6), max_size=4)


def check_refusal(error: RecipeError) -> None:
    """Field names appear unescaped here; the commands escape control characters."""
    assert str(error).startswith("recipe ")
    assert len(str(error)) < 4000


def as_csv(rows: list[list[str]]) -> bytes:
    lines = [",0,1,2,3", *(",".join(row) for row in rows)]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


@with_examples(150)
@given(content=st.binary(max_size=60) | ROWS.map(as_csv))
def test_reads_or_refuses_any_table(content: bytes) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "training").mkdir()
        (folder / "training" / "a.png").write_bytes(PICTURE)
        (folder / "training_frames_keypoints.csv").write_bytes(content)
        try:
            faces = read_faces(folder, "training", TWO)
        except DatasetError as error:
            assert name in str(error)  # noqa: PT017 - several lines are fine
            return
    assert faces.points.shape == (len(faces.images), 2, 2)
    assert len(faces) > 0
    assert np.isfinite(faces.points).all()


@with_examples(200)
@given(
    table=st.sampled_from(sorted(RECIPES)).flatmap(lambda name: corrupted(RECIPES[name]))
    | st.dictionaries(st.text(max_size=6), json_values(), max_size=4)
)
def test_reads_or_refuses_any_recipe_table(table: dict[str, Any]) -> None:
    try:
        recipe = recipe_from_dict(table)
    except RecipeError as error:
        check_refusal(error)
        return
    plain = json.loads(json.dumps(recipe_to_dict(recipe)))
    assert recipe_from_dict(plain) == recipe


@with_examples(80)
@given(content=st.binary(max_size=50))
def test_refuses_any_binary_recipe_file(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "mine.toml")
        path.write_bytes(content)
        with pytest.raises(RecipeError) as caught:
            load_recipe(str(path))
    check_refusal(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "epochs = 0x" + "f" * 9000,
        "epochs = " + "9" * 5000,
        "a = " + "[" * 5000,
        "a = " + "{b=" * 5000,
        "when = 2020-01-01T00:00:00Z",
        "seed = inf",
        "name = '''a\nb'''",
        '"a\\nb" = 1',
        'name = "\\u001B[2J"',
    ],
)
def test_refuses_numbers_and_tables_that_break_parsers(line: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    good = (files("fkd_train") / "recipes" / "seed.toml").read_text()
    key = line.partition(" = ")[0]
    others = [x for x in good.splitlines() if not x.startswith(f"{key} =")]
    path.write_text("\n".join([line, *others]))
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(path))
    check_refusal(caught.value)


@pytest.mark.parametrize("name", ["a" * 5000, "../seed", ".", "", "a\nb"])
def test_refuses_unknown_recipe_names(name: str) -> None:
    with pytest.raises(RecipeError):
        load_recipe(name)


def test_shipped_recipes_survive_a_round_trip() -> None:
    for name, table in RECIPES.items():
        recipe = recipe_from_dict(table)
        assert recipe_from_dict(recipe_to_dict(recipe)) == recipe, name
