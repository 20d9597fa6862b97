"""Untrusted checkpoints: none of their code runs, and absurd content is refused early."""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from repo_paths import ROOT
from tiny_models import FIVE

from fkd_train.checkpoints import (
    holds_detector,
    load_checkpoint,
    load_detector,
    load_landmark_network,
    save_checkpoint,
)
from fkd_train.cli import evaluate, export
from fkd_train.config.landmarks import (
    landmark_recipe_from_dict,
    landmark_recipe_to_dict,
    load_landmark_recipe,
)
from fkd_train.config.recipe import load_recipe, recipe_from_dict, recipe_to_dict
from fkd_train.errors import RecipeError, RunError
from fkd_train.models.landmarks import build_landmark_net
from fkd_train.reports.comparison_plots import grouped_bars
from fkd_train.reports.html import _svg


class Bomb:
    """Creates a file when a pickle with it is loaded unsafely."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch '{self.mark}'",)


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    """A small network's checkpoint."""
    table = landmark_recipe_to_dict(load_landmark_recipe("naimishnet"))
    recipe = landmark_recipe_from_dict(table | {"model": {"name": "naimishnet", "size": 64}})
    weights = build_landmark_net(recipe.model.spec(68)).state_dict()
    plain = landmark_recipe_to_dict(recipe)
    return {"recipe": plain, "points": 68, "weights": weights, "progress": {"epoch": 3}}


def assert_refused(path: Path) -> None:
    """All readers refuse the checkpoint in one line that names it."""
    for load in (load_landmark_network, load_detector, holds_detector, load_checkpoint):
        with pytest.raises(RunError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert str(caught.value).isprintable()


def test_reads_a_valid_checkpoint(content: dict[str, Any], tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "good.pt", content)
    assert load_landmark_network(tmp_path / "good.pt")[1].model.size == 64


def test_all_checkpoints_are_read_as_data() -> None:
    """torch.load is called in one place, with weights_only, and no pickle is loaded elsewhere."""
    sources = [
        p for f in ("fkd_infer", "fkd_train", "benchmarks") for p in (ROOT / f).rglob("*.py")
    ]
    calls = [
        call for path in sources for call in re.findall(r"torch\.load\(.*\)", path.read_text())
    ]
    assert len(calls) == 1
    assert "weights_only=True" in calls[0]
    for path in sources:
        assert not re.search(r"^\s*(import|from) (pickle|shelve|dill|joblib)\b", path.read_text())
        assert "allow_pickle=True" not in path.read_text()


@pytest.mark.parametrize("kind", ["torch", "old torch", "pickle", "in a checkpoint"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_malicious_pickle_does_not_run(
    kind: str, content: dict[str, Any], tmp_path: Path
) -> None:
    path, mark = tmp_path / "bomb.pt", tmp_path / "mark"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Bomb(mark)))
    elif kind == "in a checkpoint":
        torch.save({"format": 1, **content, "extra": Bomb(mark)}, path)
    else:
        torch.save(Bomb(mark), path, _use_new_zipfile_serialization=kind == "torch")
    assert_refused(path)
    for command in (export.main, evaluate.main):
        options = ["--out", str(tmp_path / "x.onnx")] if command is export.main else []
        options = (
            [str(path), *options] if options else ["--model", str(path), "--data", str(tmp_path)]
        )
        result = CliRunner().invoke(command, options)
        assert result.exit_code == 1
        assert result.output.count("\n") == 1
        assert "not a checkpoint" in result.output
    assert not mark.exists()


def test_the_malicious_pickle_would_run_if_loaded_unsafely(tmp_path: Path) -> None:
    torch.save(Bomb(tmp_path / "mark"), tmp_path / "bomb.pt")
    torch.load(tmp_path / "bomb.pt", weights_only=False)
    assert (tmp_path / "mark").exists()


def test_refuses_a_compressed_checkpoint(content: dict[str, Any], tmp_path: Path) -> None:
    """A few compressed kilobytes could expand to gigabytes in memory."""
    save_checkpoint(tmp_path / "plain.pt", content)
    path = tmp_path / "packed.pt"
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry))
    assert_refused(path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_refuses_a_truncated_checkpoint(
    share: float, content: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "cut.pt"
    save_checkpoint(path, content)
    os.truncate(path, int(share * path.stat().st_size))
    assert_refused(path)


@pytest.mark.skipif(os.name != "posix", reason="has no pipes and devices as files")
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_refuses_pipes_devices_and_folders_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pt" if kind != "device" else Path("/dev/zero")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    assert_refused(path)


HUGE = 1 << 40
WRONG: dict[str, tuple[str, Any]] = {
    "no recipe": ("recipe", None),
    "a recipe that is a list": ("recipe", [1, 2]),
    "points in words": ("points", "68"),
    "points that are true": ("points", True),
    "no points": ("points", 0),
    "points by the million": ("points", 10**6),
    "weights in a list": ("weights", [torch.zeros(3)]),
    "weights that are numbers": ("weights", {"a": 5}),
    "progress in words": ("progress", "far"),
    "no epoch": ("progress", {}),
    "an epoch below zero": ("progress", {"epoch": -1}),
    "an epoch that is a fraction": ("progress", {"epoch": 0.5}),
}


@pytest.mark.parametrize("name", WRONG)
def test_refuses_invalid_values(name: str, content: dict[str, Any], tmp_path: Path) -> None:
    key, value = WRONG[name]
    path = tmp_path / "wrong.pt"
    save_checkpoint(path, {**content, key: value})
    assert_refused(path)
    with pytest.raises(RunError, match=f"a checkpoint with invalid {key}"):
        load_checkpoint(path)


ABSURD: dict[str, tuple[tuple[str, ...], Any]] = {
    "an input of a million pixels a side": (("model", "size"), 10**6),
    "an input of no pixels": (("model", "size"), 0),
    "an unknown network": (("model", "name"), "skynet"),
    "a field that recipes do not have": (("model", "colour"), "red"),
    "a name that is a path": (("name",), "../../etc/cron.d/x"),
    "a name that is an absolute path": (("name",), "/tmp/x"),
    "a name of Windows": (("name",), "a\\b"),
    "a name that is hidden": (("name",), ".x"),
    "a name that clears the terminal": (("name",), "x\x1b[2J"),
    "a name of two lines": (("name",), "x\ny"),
    "no name": (("name",), ""),
    "a name that is an option": (("name",), "--force"),
    "a long name": (("name",), "x" * 1000),
    "a scheme of a million points": (("scheme",), {"name": "x", "count": 10**6}),
    "numbers that are not finite": (("crop", "scale"), float("inf")),
}


@pytest.mark.parametrize("name", ABSURD)
def test_refuses_an_absurd_recipe(name: str, content: dict[str, Any], tmp_path: Path) -> None:
    keys, value = ABSURD[name]
    changed = deepcopy(content)
    inner = changed["recipe"]
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path = tmp_path / "absurd.pt"
    save_checkpoint(path, changed)
    with pytest.raises(RunError, match="recipe") as caught:
        load_landmark_network(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("trunk", "widths"), (60000,) * 3),
        (("trunk", "depths"), (500,) * 3),
        (("size",), 4096),
    ],
)
def test_refuses_a_network_larger_than_memory(
    keys: tuple[str, ...], value: Any, content: dict[str, Any], tmp_path: Path
) -> None:
    """Such networks have up to 10^14 weights, but the file has few."""
    changed = {**content, "recipe": recipe_to_dict(load_recipe("fkdnet"))}
    inner: Any = changed["recipe"]["model"]
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path = tmp_path / "huge.pt"
    save_checkpoint(path, changed)
    with pytest.raises(RunError, match="its weights do not fit its recipe's network"):
        load_landmark_network(path)


def test_refuses_a_tensor_larger_than_its_storage(content: dict[str, Any], tmp_path: Path) -> None:
    """One number, expanded to a terabyte."""
    path = tmp_path / "huge.pt"
    weights = dict(content["weights"])
    name = next(iter(weights))
    weights[name] = torch.zeros(1).expand(HUGE)
    save_checkpoint(path, {**content, "weights": weights})
    with pytest.raises(RunError, match="a checkpoint with invalid weights"):
        load_landmark_network(path)


@pytest.mark.parametrize("name", ["a/b", "..", "a\nb", "", "CON"])
@pytest.mark.parametrize("recipe", ["fkdnet", "detector"])
def test_recipe_names_must_be_valid_file_names(recipe: str, name: str) -> None:
    """Exported files are named after recipes."""
    table = recipe_to_dict(load_recipe(recipe))
    with pytest.raises(RecipeError, match="and exported files are named after it"):
        recipe_from_dict(table | {"name": name})


def test_group_names_may_contain_markup() -> None:
    """matplotlib would otherwise parse such a name as mathematics, and fail."""
    names = {r"$\frac$": 1.0, "<b>": 2.0, FIVE.name: 3.0}
    assert _svg(grouped_bars({"one": names, "two": names})).startswith("data:image/svg")
