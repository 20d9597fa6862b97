"""Puts the pages of the site together: those of docs/, and those that stand elsewhere.

Links between pages are of files in the repository, so that they work there too. Here they become
links between pages of the site; a link to a file that has no page becomes plain text.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

_LINK = re.compile(r"(?P<mark>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_ELSEWHERE = {
    "CHANGELOG.md": "project/changes.md",
    "CODE_OF_CONDUCT.md": "project/conduct.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "fuzz/README.md": "project/fuzzing.md",
    "models/README.md": "reference/models.md",
}
_LANGUAGES = {
    ".cpp": "cpp",
    ".html": "html",
    ".js": "js",
    ".json": "json",
    ".mjs": "js",
    ".py": "python",
    ".sbatch": "sh",
    ".sh": "sh",
    ".toml": "toml",
    ".yaml": "yaml",
}
_LONGEST_LINES = 200


def write_pages(root: Path, folder: Path) -> None:
    """Writes all pages and their pictures to a folder, which is emptied before."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root / "docs", folder)
    places = dict(_places(root))
    for source, place in places.items():
        text = _with_links(root, source, places)
        if source.startswith("examples/"):
            text += _listings(root / source)
        page = folder / place
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, "utf-8")


def _places(root: Path) -> Iterator[tuple[str, str]]:
    """Each page's path in the repository, and in the site."""
    yield from _ELSEWHERE.items()
    for page in (root / "docs").rglob("*.md"):
        yield page.relative_to(root).as_posix(), page.relative_to(root / "docs").as_posix()
    for page in (root / "examples").rglob("README.md"):
        folder = page.parent.relative_to(root)
        name = f"{folder}.md" if folder != Path("examples") else "examples/index.md"
        yield page.relative_to(root).as_posix(), name


def _with_links(root: Path, source: str, places: Mapping[str, str]) -> str:
    """A page whose links are those of the site."""
    here = PurePosixPath(places[source]).parent

    def link(found: re.Match[str]) -> str:
        target, _, anchor = found["target"].partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return found[0]
        path = Path(os.path.normpath(root / Path(source).parent / target))
        path = path / "README.md" if (path / "README.md").is_file() else path
        name = path.relative_to(root).as_posix()
        place = places.get(name) or (name[5:] if name.startswith("docs/") else None)
        if place is None or path.is_dir():
            return found["text"]
        relative = os.path.relpath(place, here)
        return f"{found['mark']}[{found['text']}]({relative}{'#' * bool(anchor)}{anchor})"

    return _LINK.sub(link, (root / source).read_text("utf-8"))


def _listings(page: Path) -> str:
    """The short files of an example, below its page."""
    blocks = []
    for path in sorted(page.parent.iterdir()):
        language = _LANGUAGES.get(path.suffix)
        if language and page.parent.name != "examples":
            code = path.read_text("utf-8")
            if code.count("\n") <= _LONGEST_LINES:
                blocks.append(f'\n```{language} title="{path.name}"\n{code.rstrip()}\n```\n')
    return "".join(blocks)
