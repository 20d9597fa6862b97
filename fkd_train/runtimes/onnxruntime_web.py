"""ONNX Runtime in WebAssembly, as browsers run it, in Node."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from fkd_infer.errors import InstallError
from fkd_train.runtimes.base import THREADS, Runtime

PACKAGE = "onnxruntime-web"
_SCRIPT = Path(__file__).with_suffix(".mjs")


class OnnxRuntimeWeb(Runtime):
    """The npm package onnxruntime-web.

    It is looked for in the folders named by FKD_NODE_MODULES and NODE_PATH, and in `node_modules`
    of the current folder.
    """

    name = "onnxruntime-web"

    def version(self) -> str:
        """The package's."""
        return str(json.loads((_package() / "package.json").read_text())["version"])

    def command(self, model: Path, folder: Path) -> list[str]:
        """The command of `onnxruntime_web.mjs`."""
        return [_node(), str(_SCRIPT), str(_package()), str(model), str(folder), str(THREADS)]


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        raise InstallError("node", "is not installed", "apt-get install nodejs")
    return node


def _package() -> Path:
    """The folder of the package; raises InstallError."""
    _node()
    for folder in _module_folders():
        if (folder / PACKAGE / "package.json").is_file():
            return (folder / PACKAGE).resolve()
    raise InstallError(PACKAGE, "is not installed", f"npm install {PACKAGE}")


def _module_folders() -> Iterator[Path]:
    for variable in ("FKD_NODE_MODULES", "NODE_PATH"):
        yield from map(Path, filter(None, os.environ.get(variable, "").split(os.pathsep)))
    yield Path("node_modules")
    yield Path(__file__).parents[2] / "web/node_modules"  # of the repository, for its page
