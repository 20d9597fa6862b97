"""The pages of the site, put together from the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from repo_paths import ROOT

from tools.site.pages import write_pages


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "pages"
    write_pages(ROOT, folder)
    return folder


def test_pages_from_elsewhere_are_there(pages: Path) -> None:
    for name in ("project/contributing.md", "project/changes.md", "reference/models.md"):
        assert (pages / name).is_file()


def test_examples_show_their_code(pages: Path) -> None:
    assert '```python title="faces.py"' in (pages / "examples" / "ray_serve.md").read_text("utf-8")


def test_links_lead_to_pages_of_the_site(pages: Path) -> None:
    for page in pages.rglob("*.md"):
        text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text):
            assert (page.parent / target).exists(), f"{page.relative_to(pages)}: {target}"


def test_a_link_to_a_file_without_a_page_is_plain_text(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "examples").mkdir()
    for name in (
        "CHANGELOG",
        "CODE_OF_CONDUCT",
        "CONTRIBUTING",
        "SECURITY",
        "fuzz/README",
        "models/README",
    ):
        path = tmp_path / f"{name}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text("text")
    (tmp_path / "LICENSE").write_text("text")
    (tmp_path / "docs" / "index.md").write_text("[a](../LICENSE) [b](../SECURITY.md#x)")
    write_pages(tmp_path, tmp_path / "site")
    assert (tmp_path / "site" / "index.md").read_text() == "a [b](project/security.md#x)"
