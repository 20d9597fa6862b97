"""The repository is consistent: shipped models, documentation, folders and examples."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import tomllib
from fractions import Fraction
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from repo_paths import DOCS, ROOT, SHIPPED_MODELS

import fkd_infer
from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.media.images.writing import write_image
from fkd_infer.media.video.writer import VideoSink
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.types import Frame

SHIPPED = tomllib.loads((SHIPPED_MODELS / "manifest.toml").read_text())
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md")), SHIPPED_MODELS / "README.md"]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_match_the_manifest(name: str) -> None:
    content = (SHIPPED_MODELS / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHIPPED[name]["sha256"]
    assert len(content) == SHIPPED[name]["bytes"]


def test_the_manifest_lists_every_shipped_file_and_they_are_small() -> None:
    files = {p.name for p in SHIPPED_MODELS.iterdir() if p.suffix in {".onnx", ".pt"}}
    assert files == set(SHIPPED)
    assert sum(entry["bytes"] for entry in SHIPPED.values()) < 60e6


def test_the_wheel_includes_the_files_that_the_manifest_marks() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    marked = {f"models/{name}" for name, entry in SHIPPED.items() if entry.get("wheel")}
    assert set(included) == marked | {"models/manifest.toml"}
    assert all(
        place == f"fkd_infer/models/files/{Path(name).name}" for name, place in included.items()
    )


NETWORKS = ["fkdnet", "fkdnet-large", "naimishnet"]


def test_the_shipped_detectors_card_names_its_training() -> None:
    card = FkdDetector(provider="cpu").card
    assert card.training.split == "identity", "held-out people must not be trained on"
    assert "research" in card.licence
    assert set(card.accuracy) == {"identity split, mosaics", "identity split, images"}
    assert card.accuracy["identity split, images"].recall > 99
    assert card.parity is not None
    assert card.parity.largest_px < 0.01


@pytest.mark.parametrize("name", NETWORKS)
def test_the_shipped_networks_card_names_its_training(name: str) -> None:
    card = LandmarkSession(name, "cpu").card
    assert card.training.recipe == name
    assert card.training.split in ("official", "youtube-faces-68 official, 300w none")
    assert "research" in card.licence
    assert card.parity is not None
    assert card.parity.largest_px <= 0.01
    assert card.accuracy["official split"].count == 770


@pytest.mark.parametrize("name", NETWORKS)
def test_the_documentation_quotes_the_cards_accuracy(name: str) -> None:
    card = LandmarkSession(name, "cpu").card
    measured = card.accuracy["official split"]
    for page in ("README.md", "models/README.md"):
        assert f"{measured.nme:.2f}" in (ROOT / page).read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_have_targets(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]*)(?:#([^)]+))?\)", page.read_text())
    for name, anchor in links:
        target = page.parent / name if name else page
        assert target.exists(), name
        assert not anchor or anchor in anchors(target), f"{name}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub names them."""
    titles = re.findall(r"(?m)^#+ (.+)$", page.read_text())
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


PACKAGES = ("fkd_infer", "fkd_train", "benchmarks")
CODE_FOLDERS = sorted({path.parent for name in PACKAGES for path in (ROOT / name).rglob("*.py")})


def modules(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.py") if path.name != "__init__.py"]


@pytest.mark.parametrize("folder", CODE_FOLDERS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_folder_is_in_the_architecture(folder: Path) -> None:
    text = (DOCS / "explanation" / "architecture.md").read_text()
    names = [folder] if folder.parent != ROOT or folder.name == "benchmarks" else modules(folder)
    for path in names:
        name = path.relative_to(ROOT).as_posix() + "/" * path.is_dir()
        assert f"`{name}`" in text, name


@pytest.mark.parametrize("folder", CODE_FOLDERS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_code_folder_has_few_modules(folder: Path) -> None:
    files = list(folder.glob("*.py"))
    assert len(files) <= 8 if folder.parent == ROOT else len(modules(folder)) <= 14


def test_every_command_and_option_is_documented() -> None:
    from fkd_infer.cli.doctor import main as doctor
    from fkd_infer.cli.filters import preview
    from fkd_infer.cli.live import main as live
    from fkd_infer.cli.main import main as infer
    from fkd_infer.cli.tune import main as tune
    from fkd_infer.cli.web import main as web
    from fkd_train.cli.evaluate import main as evaluate
    from fkd_train.cli.export import main as export
    from fkd_train.cli.train import main as train

    text = (DOCS / "reference" / "commands.md").read_text()
    commands: dict[str, click.Command] = {
        "fkd-infer": infer,
        "fkd-train": train,
        "fkd-export": export,
        "fkd-eval": evaluate,
    }
    commands |= {"fkd-infer tune": tune, "fkd-infer doctor": doctor, "fkd-infer live": live}
    commands |= {"fkd-infer filters": preview, "fkd-infer web": web}
    for name, command in commands.items():
        section = text.partition(f"## {name}")[2].partition("\n## ")[0]
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert f"`{parameter.opts[0]}" in section, f"{name} {parameter.opts[0]}"


@pytest.fixture
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photo.jpg, holiday/ and clips/, as the working directory."""
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    image = data.astronaut()[..., ::-1].copy()
    for name in ("photo.jpg", "holiday/one.png"):
        write_image(tmp_path / name, image)
    with VideoSink(tmp_path / "clips" / "a.mp4", None) as video:
        for index in range(5):
            video.write(Frame(image, "drawn", index, Fraction(index, 30)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_runs_the_python_code_of_the_readme(
    user_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.count("[") == 69


def test_runs_the_command_of_the_readme(user_folder: Path) -> None:
    from fkd_infer.cli.main import main

    text = (ROOT / "README.md").read_text()
    command = next(line for line in text.splitlines() if line.startswith("fkd-infer photo.jpg hol"))
    done = CliRunner().invoke(main, shlex.split(command)[1:], catch_exceptions=False)
    assert done.exit_code == 0
    written = {p.name for p in (user_folder / "annotated").rglob("*.*")}
    assert written == {"photo.jpg", "one.png", "a.mp4"}
    assert len((user_folder / "faces.jsonl").read_text().splitlines()) == 7


def test_the_installed_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert version("fkd") == fkd_infer.__version__


def test_the_citation_names_the_version() -> None:
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {fkd_infer.__version__}\n" in text


def test_the_workflow_tests_every_python_that_the_metadata_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    assert project["requires-python"] == f">={named[0]}"
    tested = re.findall(r"python: (\[.*\])", (ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    assert [json.loads(row) for row in tested] == [named]


def test_the_api_page_lists_every_public_name() -> None:
    text = (DOCS / "reference" / "api.md").read_text()
    for name in fkd_infer.__all__:
        assert f"| `{name}" in text


def test_shipped_files_contain_no_paths_of_the_machine_that_wrote_them() -> None:
    for name in SHIPPED:
        content = (SHIPPED_MODELS / name).read_bytes()
        assert b"site-packages" not in content
        assert b"fkd_train" not in content
