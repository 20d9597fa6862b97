"""Every block of code on a page of the documentation runs, or says why not.

The blocks of a page run in order, in a folder that has what `examples/samples/make.py` makes:

- sh: by bash, which ends at the first command that fails;
- python: in one namespace for the page;
- a block with a title (```toml title="recipe.toml") is written to that file;
- other toml, json and yaml is parsed; text is output, and stays as it is;
- pages in examples/ run in a copy of their folder, beside models/ and examples/samples;
- what follows `<!-- not run: REASON -->` is left out. All other languages need such a reason.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from repo_paths import DOCS, ROOT, SHIPPED_MODELS

from tools.site.blocks import Block, blocks

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    SHIPPED_MODELS / "README.md",
    *sorted((ROOT / "examples").rglob("*.md")),
    *sorted(DOCS.rglob("*.md")),
]
PARSERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}
OUTPUT = {"", "text"}
LIMIT_S = 300


def run_shell(code: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def run_block(block: Block, namespace: dict[str, object], where: str) -> None:
    if block.title:
        block.write()
    elif block.language == "sh":
        run_shell(block.code)
    elif block.language == "python":
        # Lines of tracebacks are then those of the page.
        padded = "\n" * block.line + block.code
        exec(compile(padded, where.partition(":")[0], "exec"), namespace)
    elif block.language in PARSERS:
        PARSERS[block.language](block.code)
    else:
        assert block.language in OUTPUT, f"{where}: nothing runs {block.language}; say why not"


def _own_folder(page: Path, root: Path) -> Path:
    """The folder in which a page's blocks run; examples have their files there."""
    home = page.parent.relative_to(ROOT)
    if home.parts[:1] != ("examples",):
        return root / "user"
    shutil.copytree(page.parent, root / home)
    (root / "models").symlink_to(SHIPPED_MODELS)
    if page.parent.name != "examples":
        (root / "examples" / "samples").symlink_to(ROOT / "examples" / "samples")
    return root / home


def _page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=_page_id)
def test_blocks_run(
    page: Path, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _own_folder(page, tmp_path)
    shutil.copytree(samples, folder, dirs_exist_ok=True)
    monkeypatch.chdir(folder)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        if not block.reason:
            where = f"{_page_id(page)}:{block.line}"
            try:
                run_block(block, namespace, where)
            except Exception as error:
                error.add_note(f"in the block of {where}")
                raise
