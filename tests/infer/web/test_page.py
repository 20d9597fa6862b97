"""The built page's files, with networks of one's own in it."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from built_page import FILES, HEADERS, write_built_page

from fkd_infer.errors import FkdError, OutputError, WebPageError
from fkd_infer.models.shipped import find_model
from fkd_infer.web.page import MODEL, WebPage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_built_page(tmp_path / "built")


def precached(content: bytes) -> dict[str, str]:
    table = json.loads(content.decode().removeprefix("self.PRECACHE = ").removesuffix(";\n"))
    assert table["later"] == ["assets/ort-2b.wasm"]
    files: dict[str, str] = table["files"]
    return files


def test_another_network_changes_its_file_and_the_list(folder: Path, fixed_model: Path) -> None:
    before = WebPage.open(folder)
    page = before.with_model(fixed_model)
    network = fixed_model.read_bytes()
    assert page.read(MODEL) == network
    assert page.read("index.html") == FILES["index.html"]
    files = precached(page.read("precache.js"))
    assert files == precached(before.read("precache.js")) | {MODEL: sha256(network).hexdigest()}
    assert (folder / MODEL).read_bytes() == FILES[MODEL]


def test_a_written_page_is_a_built_page(folder: Path, fixed_model: Path, tmp_path: Path) -> None:
    WebPage.open(folder).with_model(fixed_model).write(tmp_path / "sites" / "mine")
    written = WebPage.open(tmp_path / "sites" / "mine")
    assert written.read(MODEL) == fixed_model.read_bytes()
    assert (written.folder / "_headers").read_text() == HEADERS
    names = {p.relative_to(written.folder).as_posix() for p in written.folder.rglob("*.*")}
    assert names == {*FILES, "precache.js"}
    assert [path.name for path in (tmp_path / "sites").iterdir()] == ["mine"]


def test_a_folder_with_files_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    with pytest.raises(OutputError, match="mine: cannot be written: it is there already"):
        WebPage.open(folder).write(tmp_path / "mine")


def test_nothing_half_written_stays(folder: Path, tmp_path: Path) -> None:
    page = WebPage.open(folder)
    (folder / "assets" / "main-1a.js").unlink()
    with pytest.raises(OutputError):
        page.write(tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["built"]


def test_other_files_cannot_be_read(folder: Path) -> None:
    for path in ("_headers", "../secret", "/etc/passwd", ""):
        with pytest.raises(KeyError):
            WebPage.open(folder).read(path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("none", "the page for browsers is not there; run `make web`"),
        ("list", "it is no built page of fkd"),
        ("file", "its file assets/main-1a.js is missing"),
        ("outside", "its file ../secret is missing"),
    ],
)
def test_a_page_that_is_not_complete_is_refused(change: str, problem: str, folder: Path) -> None:
    if change == "none":
        folder = folder / "none"
    elif change == "list":
        (folder / "precache.js").write_text("self.PRECACHE = {")
    elif change == "file":
        (folder / "assets" / "main-1a.js").unlink()
    else:
        (folder.parent / "secret").touch()
        text = 'self.PRECACHE = {"files": {"../secret": ""}, "later": []};\n'
        (folder / "precache.js").write_text(text)
    with pytest.raises(WebPageError, match=problem):
        WebPage.open(folder)


def test_a_file_that_is_no_landmark_network_is_refused(folder: Path) -> None:
    with pytest.raises(FkdError, match="detector"):
        WebPage.open(folder).with_model(find_model("fkd-detector", detectors=True))
