"""Recipes: shipped ones, validation, and overrides."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tiny_models import five_table

from fkd_infer.landmarks.schemes import IBUG68
from fkd_train.cli.options import with_overrides
from fkd_train.config.detector import DetectorRecipe
from fkd_train.config.landmarks import (
    LandmarkRecipe,
    landmark_recipe_from_dict,
    landmark_recipe_to_dict,
    load_landmark_recipe,
)
from fkd_train.config.reading import shipped_recipe_names
from fkd_train.config.recipe import load_recipe, recipe_from_dict, recipe_to_dict, recipe_to_toml
from fkd_train.errors import RecipeError


@pytest.mark.parametrize("name", shipped_recipe_names())
def test_shipped_recipes_survive_a_round_trip_through_plain_data(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.summary
    assert recipe_from_dict(recipe_to_dict(recipe)) == recipe
    assert recipe_from_dict(json.loads(json.dumps(recipe_to_dict(recipe)))) == recipe


@pytest.mark.parametrize("name", shipped_recipe_names())
def test_a_printed_recipe_is_read_back_as_the_same(name: str, tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text(recipe_to_toml(load_recipe(name)))
    assert load_recipe(str(path)) == load_recipe(name)


def test_a_recipes_task_selects_its_kind() -> None:
    kinds = {name: type(load_recipe(name)) for name in shipped_recipe_names()}
    assert kinds.pop("detector") is DetectorRecipe
    assert set(kinds.values()) == {LandmarkRecipe}
    with pytest.raises(RecipeError, match="task = 'detector'"):
        load_landmark_recipe("detector")
    for task in ("landmarks", 3):
        table = recipe_to_dict(load_recipe("detector")) | {"task": task}
        with pytest.raises(RecipeError, match=f"task = {task!r}"):
            recipe_from_dict(table)


def test_the_seed_recipe_reproduces_the_original_program() -> None:
    seed = load_landmark_recipe("seed")
    spec = seed.model.spec(68)
    assert (spec.size, spec.unit, spec.offset) == pytest.approx((224, 50, 100))
    assert (seed.epochs, seed.batch, seed.optimizer.name, seed.optimizer.lr) == (
        10,
        16,
        "adam",
        1e-3,
    )
    assert (seed.crop.reference, seed.crop.resize, seed.loss.name) == ("image", 250, "mse")
    assert seed.augment == type(seed.augment)()
    assert seed.precision == "fp32"


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(RecipeError, match=r"naimishnet, .*seed"):
        load_landmark_recipe("nosuch")


def test_names_every_wrong_field(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('summary = "x"\nsplit = "half"\nepochs = "many"\nbatch = 4\ncolour = 1\n')
    with pytest.raises(RecipeError) as caught:
        load_landmark_recipe(str(path))
    for field in ("split = 'half'", "epochs = 'many'", "colour", "model"):
        assert field in str(caught.value)


@pytest.mark.parametrize("text", ["= 3", "\x00"])
def test_refuses_files_that_are_not_toml(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match="not a TOML file"):
        load_landmark_recipe(str(path))


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        (None, "batch", 0),
        (None, "epochs", "3"),
        (None, "epochs", True),
        (None, "seed", -1),
        ("optimizer", "lr", -1.0),
        ("optimizer", "ema", 1.5),
        ("augment", "flip", 7),
        ("model", "size", 0),
        ("model", "channels", 2),
        ("crop", "scale", 0),
        ("loss", "name", "huber"),
    ],
)
def test_refuses_values_out_of_range(section: str | None, field: str, value: object) -> None:
    table: dict[str, Any] = landmark_recipe_to_dict(load_landmark_recipe("naimishnet"))
    (table if section is None else table[section])[field] = value
    with pytest.raises(RecipeError, match=field):
        landmark_recipe_from_dict(table)


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        (None, "batch", 0),
        (None, "others", 3),
        ("model", "widths", [8, 8, 8]),
        ("model", "depths", [1, 1, 1, 0]),
        ("model", "coarser", 0),
        ("mosaic", "size", 100),
        ("mosaic", "size", 32),
        ("mosaic", "size", "320"),
        ("mosaic", "per_epoch", 0),
        ("mosaic", "faceless", 1.5),
        ("mosaic", "smallest", 0),
        ("mosaic", "pictures", [3]),
        ("loss", "candidates", 0),
        ("loss", "boxes", -1),
    ],
)
def test_refuses_detector_values_out_of_range(
    section: str | None, field: str, value: object
) -> None:
    table: dict[str, Any] = recipe_to_dict(load_recipe("detector"))
    (table if section is None else table[section])[field] = value
    with pytest.raises(RecipeError, match=field):
        recipe_from_dict(table)


@pytest.mark.parametrize("field", ["flip", "roll", "occlusion", "glasses", "hand", "unframed"])
def test_mosaics_allow_no_augmentation_that_moves_or_hides_faces(field: str) -> None:
    table: dict[str, Any] = recipe_to_dict(load_recipe("detector"))
    table["mosaic"]["augment"][field] = 0.5
    with pytest.raises(RecipeError, match=r"mosaic: .*augment allows only changes of pixels"):
        recipe_from_dict(table)


def test_the_size_of_a_detector_is_that_of_its_mosaics() -> None:
    recipe = load_recipe("detector")
    small = with_overrides(recipe, split="official", epochs=3, size=96, seed=4)
    assert isinstance(small, DetectorRecipe)
    assert (small.mosaic.size, small.split, small.epochs, small.seed) == (96, "official", 3, 4)
    assert isinstance(recipe, DetectorRecipe)
    assert small.mosaic == replace(recipe.mosaic, size=96)
    with pytest.raises(RecipeError, match=r"mosaic\.size = 100"):
        with_overrides(recipe, split=None, epochs=None, size=100, seed=None)
    lines = ["model.stem = 8", "mosaic.gray = 0"]
    other = with_overrides(recipe, split=None, epochs=None, size=None, seed=None, assignments=lines)
    assert isinstance(other, DetectorRecipe)
    assert (other.model.stem, other.mosaic.gray) == (8, 0)


def test_image_windows_allow_no_geometric_augmentation() -> None:
    table: dict[str, Any] = landmark_recipe_to_dict(load_landmark_recipe("seed"))
    table["augment"] = {"flip": 0.5}
    with pytest.raises(RecipeError, match="does not allow flip, shift, scale, roll"):
        landmark_recipe_from_dict(table)


def test_image_windows_scale_with_the_input_size() -> None:
    half = with_overrides(
        load_landmark_recipe("seed"), split=None, epochs=None, size=112, seed=None
    )
    assert isinstance(half, LandmarkRecipe)
    assert (half.model.size, half.crop.resize) == (112, 125)


def test_the_default_scheme_has_68_points_and_can_be_replaced() -> None:
    table = landmark_recipe_to_dict(load_landmark_recipe("naimishnet"))
    assert table["scheme"] == "ibug68"
    del table["scheme"]
    assert landmark_recipe_from_dict(table).landmarks is IBUG68
    custom = landmark_recipe_from_dict(table | {"scheme": five_table()})
    assert custom.landmarks.groups == {"eyes": (0, 1), "nose": (2,), "mouth": (3, 4)}
    assert custom.landmarks.flip_permutation.tolist() == [1, 0, 2, 4, 3]
    assert (
        landmark_recipe_from_dict(json.loads(json.dumps(landmark_recipe_to_dict(custom)))) == custom
    )
    assert replace(custom, seed=1).landmarks == custom.landmarks


@pytest.mark.parametrize(
    ("scheme", "problem"),
    [
        ("wflw97", "no scheme is called 'wflw97'; there are: ibug68, wflw98"),
        (5, "scheme is 5, which is not a table"),
        (five_table() | {"name": "ibug68"}, "'ibug68' is that of a built-in scheme"),
        (five_table() | {"colour": 1}, "scheme.colour is not a field"),
        (five_table() | {"count": "5"}, "scheme.count is '5'"),
        (five_table() | {"count": 4}, "groups names point 4, but 4 points"),
        (five_table() | {"mirror_pairs": [[0, 1, 2]]}, r"scheme.mirror_pairs\[0\] is \[0, 1, 2\]"),
        ({"name": "five"}, "scheme.count is missing"),
    ],
)
def test_refuses_a_wrong_scheme_in_one_line(scheme: object, problem: str) -> None:
    table = landmark_recipe_to_dict(load_landmark_recipe("naimishnet")) | {"scheme": scheme}
    with pytest.raises(RecipeError, match=problem) as caught:
        landmark_recipe_from_dict(table)
    assert "\n" not in str(caught.value)


TRUNK = {"stem": 8, "widths": [8, 16], "depths": [1, 1]}


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ({"name": "fkdnet", "head": "grid"}, "fkdnet needs a trunk"),
        ({"name": "fkdnet", "trunk": TRUNK}, "fkdnet needs a head: regression, simcc, heatmap"),
        ({"name": "timm:resnet18"}, "timm:resnet18 needs a head"),
        ({"name": "naimishnet", "head": "grid"}, "naimishnet has no head"),
        ({"name": "naimishnet", "options": {"a": 1}}, "naimishnet has no options"),
        ({"name": "a.b:c", "trunk": TRUNK}, "a.b:c has no trunk"),
        ({"name": "a.b:c", "spread": True}, "score, spread and refine need a head"),
        ({"name": "a.b"}, "model.name = 'a.b': Value error, no such network; there are: naimish"),
        ({"name": "a.b:"}, "is not written as package.module:factory"),
        ({"name": "os:system"}, "names Python's own module os"),
        ({"name": "a:b", "head": "direct"}, "there are: regression, simcc, heatmap, grid"),
        ({"name": "a:b", "options": {"x": {"y": [float("nan")]}}}, r"options.x.y\[0\] is nan"),
        ({"name": "a:b", "options": {"x": [date(2020, 1, 1)]}}, r"options.x\[\] is a date"),
        ({"name": "a:b", "options": 3}, "has to be a table"),
        ({"name": "a:b", "options": {"a": {"x\n": 1}}}, "which cannot be shown"),
    ],
)
def test_says_which_keys_fit_a_kind_of_network(model: dict[str, Any], problem: str) -> None:
    table = landmark_recipe_to_dict(load_landmark_recipe("naimishnet"))
    with pytest.raises(RecipeError, match=problem) as caught:
        landmark_recipe_from_dict(table | {"model": {"size": 64, **model}})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["timm:resnet18", "nowhere.nets:small"])
def test_a_recipe_names_a_network_that_is_not_looked_for_yet(name: str) -> None:
    options = {"out_indices": [1, 2], "deep": {"gain": 0.5, "on": True, "name": "x"}}
    model = {"name": name, "size": 50, "channels": 3, "head": "heatmap", "options": options}
    table = landmark_recipe_to_dict(load_landmark_recipe("naimishnet")) | {"model": model}
    recipe = landmark_recipe_from_dict(table)
    assert recipe.spec().options == options
    again = landmark_recipe_from_dict(json.loads(json.dumps(landmark_recipe_to_dict(recipe))))
    assert again == recipe


def test_mirrored_images_need_mirror_pairs() -> None:
    table: dict[str, Any] = landmark_recipe_to_dict(load_landmark_recipe("naimishnet"))
    table["scheme"] = five_table() | {"mirror_pairs": []}
    with pytest.raises(
        RecipeError, match=r"augment\.flip is 0\.5, but the scheme five has no mirror_pairs"
    ):
        landmark_recipe_from_dict(table)
    table["augment"] |= {"flip": 0.0}
    assert landmark_recipe_from_dict(table).landmarks.mirror_pairs == ()
