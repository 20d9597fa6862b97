"""Finds the model files that are shipped with fkd."""

from __future__ import annotations

import os
from pathlib import Path

from fkd_infer.choices import DETECTOR_MODEL
from fkd_infer.errors import ModelFileNotFoundError
from fkd_infer.models.check import check_file
from fkd_infer.models.manifest import MANIFEST

INSTALLED = Path(__file__).with_name("files")
"""The folder of the models in a wheel."""


def models_folder() -> Path | None:
    """Returns the folder of the shipped models, in the package or beside it in a checkout; None if
    there is neither."""
    folders = (INSTALLED, Path(__file__).parents[2] / "models")
    return next((folder for folder in folders if (folder / MANIFEST).is_file()), None)


def shipped_models(detectors: bool = False) -> dict[str, Path]:
    """Returns the files of the shipped landmark models, or detectors, by name."""
    folder = models_folder()
    files = [] if folder is None else sorted(folder.glob("*.onnx"))
    return {f.stem: f for f in files if f.stem.startswith(DETECTOR_MODEL) == detectors}


def find_model(model: str | Path, detectors: bool = False) -> Path:
    """Returns the file of a shipped model's name, or of a path.

    Raises ModelFileNotFoundError, and InvalidModelError if it cannot be a model by type or size.
    """
    shipped = shipped_models(detectors)
    if str(model) in shipped:
        return shipped[str(model)]
    path = Path(model)
    if not os.path.exists(path):  # noqa: PTH110 (Path.exists raises for impossible file names)
        raise ModelFileNotFoundError(model, shipped)
    check_file(path)
    return path
