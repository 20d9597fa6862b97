"""fkd_infer: 68 facial keypoints on images and video, through ONNX Runtime.

import cv2, fkd_infer
faces = fkd_infer.load()(cv2.imread("photo.jpg"))
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fkd_infer.errors import FkdError
    from fkd_infer.formats.base import RecordSink
    from fkd_infer.formats.registry import RecordFormat
    from fkd_infer.models.cards.landmark import ModelCard
    from fkd_infer.pipeline import Pipeline, load
    from fkd_infer.types import Face, Frame

__all__ = [
    "Face",
    "FkdError",
    "Frame",
    "ModelCard",
    "Pipeline",
    "RecordFormat",
    "RecordSink",
    "load",
]
__version__ = "0.1.0"

_HOMES = {
    "Face": "types",
    "FkdError": "errors",
    "Frame": "types",
    "ModelCard": "models.cards.landmark",
    "Pipeline": "pipeline",
    "RecordFormat": "formats.registry",
    "RecordSink": "formats.base",
    "load": "pipeline",
}


def __getattr__(name: str) -> object:
    """Imports a public name at its first use, so that --help need not wait for OpenCV."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
