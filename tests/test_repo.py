"""The repository is consistent: shipped models, documentation, folders and examples."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path

import pytest
from repo_paths import DOCS, ROOT, SHIPPED_MODELS

import fkd_infer
from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.runtime.session import LandmarkSession

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
    """The anchors of a page's headings, as GitHub names them, and of commands that it generates."""
    titles = re.findall(r"(?m)^(?:#+|    :prog_name:) (.+)$", page.read_text("utf-8"))
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


def test_shipped_files_contain_no_paths_of_the_machine_that_wrote_them() -> None:
    for name in SHIPPED:
        content = (SHIPPED_MODELS / name).read_bytes()
        assert b"site-packages" not in content
        assert b"fkd_train" not in content
