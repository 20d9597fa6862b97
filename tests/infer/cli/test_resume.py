"""What --resume compares: every option of fkd-infer, unless it is marked as changing no result."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
import pytest
from tiny_models import MODELS

from fkd_infer.cli.main import main
from fkd_infer.cli.options.group import NeutralOption
from fkd_infer.cli.resume import compared_options, result_settings
from fkd_infer.filters import filter as filter_module
from fkd_infer.formats.registry import BUILT_IN
from fkd_infer.loading import load

FIXED = MODELS / "fixed.onnx"
PACK = Path(filter_module.__file__).parent / "packs" / "hat"
OTHER_VALUES = {
    "--boxes-kind": "haar",
    "--codec": "av1",
    "--detect-every": "3",
    "--detector": "none",
    "--draw": "mesh",
    "--end": "9",
    "--filter": "hat",
    "--max-frames": "5",
    "--max-size": "640",
    "--min-face": "30",
    "--min-presence": "0.3",
    "--min-score": "0.4",
    "--roll": "any",
    "--quality": "60",
    "--refine": None,
    "--smooth": "off",
    "--start": "1.5",
    "--stride": "2",
    "--strip-metadata": None,
    "--keep-location": None,
    "--strict": None,
    "--deinterlace": None,
    "--sdr": None,
}
"""Another value than the default for each compared option whose value is no file."""
FILES = {"--model", "--detector-model", "--boxes"}
NEUTRAL = {
    *(f"--{row.name}" for row in BUILT_IN),
    *("--out", "--records", "--sheet", "--errors", "--extras", "--show"),
    *("--limit-pixels", "--limit-frames", "--limit-seconds", "--limit-memory"),
    *("--provider", "--device", "--provider-option", "--allow-fallback", "--detector-provider"),
    *("--threads", "--tuned", "--workers", "--resume", "--ray", "--profile", "--quiet"),
}


def settings(*arguments: str | Path, model: Path = FIXED) -> dict[str, object]:
    context = main.make_context("fkd-infer", ["a.png", *map(str, arguments)])
    return result_settings(context, load(model, detector="none"))


def changed(before: dict[str, object], after: dict[str, object]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


def test_only_the_listed_options_may_change_between_runs() -> None:
    compared = {option.opts[0] for option in compared_options(main)}
    neutral = {option.opts[0] for option in main.params if isinstance(option, NeutralOption)}
    assert neutral == NEUTRAL
    assert compared == OTHER_VALUES.keys() | FILES
    every = {option.opts[0] for option in main.params if isinstance(option, click.Option)}
    assert every == compared | neutral | {"--version"}
    assert settings().keys() == compared | {"version"}


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_another_value_is_another_setting(name: str) -> None:
    value = OTHER_VALUES[name]
    given = [name] if value is None else [name, value]
    assert changed(settings(), settings(*given)) == {name}


@pytest.mark.parametrize("name", ["--workers", "--threads", "--limit-frames"])
def test_neutral_options_are_no_settings(name: str) -> None:
    assert settings(name, "3") == settings()


def test_a_new_option_is_compared_unless_it_is_marked() -> None:
    @click.command()
    @click.option("--new")
    @click.option("--marked", cls=NeutralOption)
    def command() -> None: ...

    assert [option.opts for option in compared_options(command)] == [["--new"]]


def test_the_order_of_draw_layers_does_not_count_and_that_of_filters_does() -> None:
    layers = ("--draw", "box", "--draw", "mesh"), ("--draw", "mesh", "--draw", "box")
    assert settings(*layers[0]) == settings(*layers[1])
    filters = ("--filter", "hat", "--filter", "cat"), ("--filter", "cat", "--filter", "hat")
    assert changed(settings(*filters[0]), settings(*filters[1])) == {"--filter"}


def test_files_are_compared_by_content(tmp_path: Path) -> None:
    boxes, copy = tmp_path / "a.csv", tmp_path / "b.csv"
    boxes.write_text("first")
    copy.write_text("first")
    before = settings("--boxes", boxes)
    assert settings("--boxes", copy) == before
    boxes.write_text("second")
    assert changed(before, settings("--boxes", boxes)) == {"--boxes"}


def test_models_are_compared_by_content(tmp_path: Path) -> None:
    copy = tmp_path / "copy.onnx"
    shutil.copyfile(FIXED, copy)
    assert settings(model=copy) == settings()
    assert changed(settings(), settings(model=MODELS / "scored.onnx")) == {"--model"}


def test_the_detectors_model_is_compared_where_none_is_given_too() -> None:
    context = main.make_context("fkd-infer", ["a.png"])
    shipped = result_settings(context, load(FIXED))
    own = result_settings(context, load(FIXED, detector_model=MODELS / "detector.onnx"))
    assert changed(shipped, own) == {"--detector-model"}


@pytest.mark.parametrize("given", [".", "filter.json"])
def test_filter_packs_are_compared_by_the_content_of_their_folder(
    tmp_path: Path, given: str
) -> None:
    pack = tmp_path / "pack"
    shutil.copytree(PACK, pack)
    before = settings("--filter", pack / given)
    picture = next(pack.glob("*.png"))
    picture.write_bytes(picture.read_bytes() + b"\0")
    assert changed(before, settings("--filter", pack / given)) == {"--filter"}
