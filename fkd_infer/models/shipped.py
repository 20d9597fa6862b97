"""Finds the model files that come with fkd."""

from __future__ import annotations

import os
from pathlib import Path

from fkd_infer.choices import DETECTOR_MODEL
from fkd_infer.errors import ModelFileNotFoundError
from fkd_infer.models.check import check_file
from fkd_infer.models.manifest import MANIFEST

INSTALLED = Path(__file__).with_name("files")
"""Where a wheel has them."""


def models_folder() -> Path | None:
    """Where the models that come with fkd are: in a wheel in the package, in a checkout beside it;
    None where there is no such place."""
    places = (INSTALLED, Path(__file__).parents[2] / "models")
    return next((folder for folder in places if (folder / MANIFEST).is_file()), None)


def shipped_models(detectors: bool = False) -> dict[str, Path]:
    """Name → file of the models that come with fkd: those that place points, or find faces."""
    folder = models_folder()
    found = [] if folder is None else sorted(folder.glob("*.onnx"))
    return {f.stem: f for f in found if f.stem.startswith(DETECTOR_MODEL) == detectors}


def find_model(model: str | Path, detectors: bool = False) -> Path:
    """The file of a shipped model's name, or of a path.

    Raises ModelFileNotFoundError, and InvalidModelError for what is no file of a model's size.
    """
    shipped = shipped_models(detectors)
    if str(model) in shipped:
        return shipped[str(model)]
    path = Path(model)
    if not os.path.exists(path):  # noqa: PTH110 (Path's raises for what can be no file's name)
        raise ModelFileNotFoundError(model, shipped)
    check_file(path)
    return path
