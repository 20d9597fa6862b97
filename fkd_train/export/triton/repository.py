"""Writes exported models into a model repository of Triton Inference Server.

REPO/<name>/config.pbtxt          the model's configuration
REPO/<name>/<version>/model.onnx  the exported file, unchanged
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fkd_infer.errors import OutputError
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_train.export.triton.config import check_config, config_text
from fkd_train.export.triton.serving import Serving

CONFIG = "config.pbtxt"
MODEL = "model.onnx"


def write_repository(
    repository: Path, models: Sequence[Path], serving: Serving | None = None
) -> list[Path]:
    """Adds models to a repository, each under its file's name; returns the versions' folders.

    A file that differs from the highest version becomes the next version; config.pbtxt is always
    rewritten. Raises an FkdError, before anything is written, for a file that is not an exported
    model and for two files of the same name; OutputError if the repository cannot be written.
    """
    serving = serving or Serving()
    sessions = [LandmarkSession(model, "cpu") for model in models]
    paths: dict[str, Path] = {}
    for session in sessions:
        first = paths.setdefault(session.path.stem, session.path)
        if first is not session.path:
            why = f"{first} and {session.path} have the same name"
            raise OutputError(repository / session.path.stem, why, "rename one")
    return [_write_model(repository, session.path, session.card, serving) for session in sessions]


def _write_model(repository: Path, model: Path, card: ModelCard, serving: Serving) -> Path:
    folder = repository / model.stem
    config = folder / CONFIG
    with _removed_if_empty(folder), atomic_write(config) as partial:
        with output_errors(config):
            partial.write_text(config_text(model.stem, card, serving), encoding="utf-8")
        check_config(partial, model)
        # The version comes first, so that a running server never reads a configuration without
        # its model.
        return _add_version(folder, model)


@contextmanager
def _removed_if_empty(folder: Path) -> Iterator[None]:
    """Removes the folder if it ends up empty: the server would report a broken model."""
    try:
        yield
    finally:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _add_version(folder: Path, model: Path) -> Path:
    """Adds a version unless the highest one holds this file; returns the version's folder."""
    with output_errors(folder):
        versions = [0, *(int(path.name) for path in folder.iterdir() if _is_version(path))]
        highest = folder / str(max(versions))
        if (highest / MODEL).is_file() and (highest / MODEL).read_bytes() == model.read_bytes():
            return highest
        added = folder / str(max(versions) + 1)
        # The server ignores folders whose name is not a number: this one until it is complete.
        with TemporaryDirectory(dir=folder, prefix=".version-") as unfinished:
            version = Path(unfinished) / added.name
            version.mkdir()
            shutil.copyfile(model, version / MODEL)
            version.rename(added)
    return added


def _is_version(path: Path) -> bool:
    """Returns whether the server reads a folder as a version: a number without leading zeros."""
    name = path.name
    return path.is_dir() and name.isascii() and name.isdecimal() and not name.startswith("0")
