"""The training commands, run from their command lines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from fkd_infer.runtime.session import LandmarkSession
from fkd_train.cli import evaluate, export, train
from fkd_train.config.landmarks import load_landmark_recipe

COMMANDS = {"train": train.main, "export": export.main, "evaluate": evaluate.main}


def run(name: str, *arguments: str | Path) -> Result:
    return CliRunner().invoke(COMMANDS[name], [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def trained(drawn_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder: one epoch of a shipped recipe on drawn faces."""
    out = tmp_path_factory.mktemp("cli") / "run"
    arguments: list[str | Path] = ["--recipe", "naimishnet", "--data", drawn_data, "--out", out]
    arguments += ["--epochs", "1", "--size", "64", "--workers", "0", "--split", "identity"]
    result = run("train", *arguments)
    assert result.exit_code == 0, result.output
    assert f"run folder: {out}" in result.output
    assert "NME" in result.output
    return out


def test_train_export_and_evaluate_agree(trained: Path, drawn_data: Path, tmp_path: Path) -> None:
    model, output = tmp_path / "m.onnx", tmp_path / "m.json"
    result = run("export", trained, "--out", model, "--data", drawn_data)
    assert result.exit_code == 0
    assert "verified: largest difference" in result.output
    assert "identity split: NME" in result.output
    card = LandmarkSession(model, "cpu").card
    assert (card.training.recipe, card.training.split) == ("naimishnet", "identity")

    results = []
    for file in (model, trained, trained / "last.pt"):
        arguments = (
            "--model",
            file,
            "--data",
            drawn_data,
            "--split",
            "identity",
            "--json",
            output,
        )
        assert run("evaluate", *arguments).exit_code == 0
        results.append(json.loads(output.read_text()))
    assert results[0]["count"] == card.accuracy["identity split"].count
    for other in results[1:]:
        assert other["nme"] == pytest.approx(results[0]["nme"], abs=1e-3)
    assert {"median", "failure_rate_8", "failure_rate_10", "auc_10", "regions", "seed_mse"} <= set(
        results[0]
    )


def test_evaluates_with_the_seed_protocol(trained: Path, drawn_data: Path) -> None:
    result = run("evaluate", "--model", trained, "--data", drawn_data, "--crop", "image")
    assert result.exit_code == 0
    assert "seed MSE" in result.output


def test_lists_the_recipes_with_one_line_each() -> None:
    result = run("train", "--recipe")
    assert [line.split()[0] for line in result.output.splitlines()] == [
        "detector",
        "fkdnet",
        "fkdnet-large",
        "naimishnet",
        "seed",
    ]


def test_prints_a_whole_recipe_with_what_the_command_line_replaces(tmp_path: Path) -> None:
    replaced = ["--epochs", "3", "--set", "model.options.widths=[8, 16]"]
    replaced += ["--set", "model.name='nets.mine:build'"]
    result = run("train", "--recipe", "naimishnet", *replaced, "--print")
    assert result.exit_code == 0
    (tmp_path / "mine.toml").write_text(result.output)
    recipe = load_landmark_recipe(str(tmp_path / "mine.toml"))
    assert (recipe.epochs, recipe.model.name) == (3, "nets.mine:build")
    assert recipe.model.options == {"widths": [8, 16]}
    again = run("train", "--recipe", tmp_path / "mine.toml", "--print")
    assert again.output == result.output


def test_set_replaces_any_value_of_a_recipe(drawn_data: Path, tmp_path: Path) -> None:
    arguments: list[str | Path] = [
        "--recipe",
        "fkdnet",
        "--data",
        drawn_data,
        "--out",
        tmp_path / "r",
    ]
    arguments += ["--epochs", "1", "--size", "64", "--workers", "0", "--split", "official"]
    arguments += ["--set", "model.head='simcc'", "--set", "model.trunk.widths=[8, 8, 8]"]
    arguments += ["--set", "optimizer.lr=0.0005"]
    assert run("train", *arguments).exit_code == 0
    recipe = json.loads((tmp_path / "r" / "recipe.json").read_text())
    assert recipe["model"]["head"] == "simcc"
    assert recipe["model"]["trunk"]["widths"] == [8, 8, 8]
    assert recipe["optimizer"]["lr"] == 0.0005
    assert recipe["optimizer"]["schedule"] == "one_cycle"


@pytest.mark.parametrize("text", ["model.head=grid", "model.head", "nosuch=1", "model.size='a'"])
def test_refuses_a_wrong_setting_in_one_line(text: str) -> None:
    result = run("train", "--recipe", "fkdnet", "--data", "d", "--out", "o", "--set", text)
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert text.partition("=")[0] in result.output


@pytest.mark.parametrize(
    ("name", "arguments", "code", "message"),
    [
        ("train", [], 2, "missing --recipe, --data, --out"),
        ("train", ["--resume"], 2, "missing --out"),
        ("train", ["--resume", "--out", "o"], 1, "o: holds no training run to resume"),
        ("train", ["--print"], 2, "--print needs --recipe"),
        ("train", ["--recipe", "x", "--data", "d", "--out", "o"], 1, "recipe x: no such recipe"),
        (
            "train",
            ["--recipe", "seed", "--data", "d", "--out", "o"],
            1,
            "or data of another format (300w, wflw, coco, npz), with --data",
        ),
        (
            "train",
            ["--recipe", "seed", "--data", "d", "--out", "o", "--size", "20"],
            1,
            "input size 20 is too small",
        ),
        ("export", ["nosuch", "--out", "m.onnx"], 1, "nosuch: no such checkpoint"),
        ("export", ["."], 2, "Missing option '--out'"),
        (
            "evaluate",
            ["--model", "nosuch.onnx", "--data", "d"],
            1,
            "nosuch.onnx: no such model file",
        ),
        (
            "evaluate",
            ["--model", "m.pt", "--data", "d", "--crop", "image", "--boxes", "haar"],
            2,
            "uses no boxes",
        ),
        ("evaluate", ["--model", "nosuch.pt", "--data", "d"], 1, "nosuch.pt: no such checkpoint"),
    ],
)
def test_reports_a_mistake_in_one_line(
    tmp_path: Path,
    drawn_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FKD_DATA", raising=False)
    if "20" in arguments:
        arguments = [str(drawn_data) if a == "d" else a for a in arguments]
    result = run(name, *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    if code == 1:
        assert len(result.stderr.strip().splitlines()) == 1


def test_a_failed_training_leaves_no_folder(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run("train", "--recipe", "seed", "--data", tmp_path, "--out", out).exit_code == 1
    assert not out.exists()


@pytest.mark.parametrize("name", ["train", "export", "evaluate"])
def test_help_lists_every_option_without_loading_torch(name: str) -> None:
    code = (
        f"import sys; from fkd_train.cli.{name} import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(sorted({'torch', 'pandas', 'cv2', 'onnx'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] in result.stdout
            assert parameter.help
