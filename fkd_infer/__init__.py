"""fkd_infer: 68 facial keypoints on images and video, through ONNX Runtime.

import fkd_infer
faces = fkd_infer.load()(fkd_infer.read_image("photo.jpg"))

Only the names in `__all__` are public; docs/reference/api.md lists them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fkd_infer import errors
    from fkd_infer.detection.base import Detector, DetectorTraits, SizedDetector
    from fkd_infer.detection.registry import DetectorRequest, DetectorSpec, SearchSizes
    from fkd_infer.detection.tiling import Search
    from fkd_infer.drawing.annotator import Annotator
    from fkd_infer.end_to_end import EndToEndPipeline
    from fkd_infer.errors import FkdError
    from fkd_infer.filters.filter import load_filters
    from fkd_infer.formats.base import RecordSink
    from fkd_infer.formats.json_lines import frame_record
    from fkd_infer.formats.registry import RecordFormat
    from fkd_infer.geometry.rules import BoxRule, CropRule
    from fkd_infer.landmarks.aspect_ratios import AspectRatios, aspect_ratios
    from fkd_infer.landmarks.head_pose import PoseAngles, head_pose
    from fkd_infer.limits import Limits
    from fkd_infer.loading import load
    from fkd_infer.media.frames import frames_from
    from fkd_infer.media.images.file import read_image
    from fkd_infer.media.sources import expand_sources
    from fkd_infer.models.cards.landmark import ModelCard
    from fkd_infer.pipeline import Pipeline
    from fkd_infer.runtime.choice import ProviderChoice
    from fkd_infer.runtime.providers.base import PlannedSettings
    from fkd_infer.runtime.providers.coreml import CoreMlSettings
    from fkd_infer.runtime.providers.cuda_settings import CudaSettings
    from fkd_infer.runtime.providers.migraphx import MiGraphXSettings
    from fkd_infer.runtime.providers.openvino import OpenVinoSettings
    from fkd_infer.runtime.providers.qnn import QnnSettings
    from fkd_infer.runtime.providers.tensorrt import TensorRtRtxSettings, TensorRtSettings
    from fkd_infer.runtime.settings import SessionSettings
    from fkd_infer.tracking.offline_smoothing import smooth_offline
    from fkd_infer.tracking.tracker import Tracker
    from fkd_infer.types import Detections, Face, Frame, FrameRange, ReadSettings

__all__ = [
    "Annotator",
    "AspectRatios",
    "BoxRule",
    "CoreMlSettings",
    "CropRule",
    "CudaSettings",
    "Detections",
    "Detector",
    "DetectorRequest",
    "DetectorSpec",
    "DetectorTraits",
    "EndToEndPipeline",
    "Face",
    "FkdError",
    "Frame",
    "FrameRange",
    "Limits",
    "MiGraphXSettings",
    "ModelCard",
    "OpenVinoSettings",
    "Pipeline",
    "PlannedSettings",
    "PoseAngles",
    "ProviderChoice",
    "QnnSettings",
    "ReadSettings",
    "RecordFormat",
    "RecordSink",
    "Search",
    "SearchSizes",
    "SessionSettings",
    "SizedDetector",
    "TensorRtRtxSettings",
    "TensorRtSettings",
    "Tracker",
    "aspect_ratios",
    "errors",
    "expand_sources",
    "frame_record",
    "frames_from",
    "head_pose",
    "load",
    "load_filters",
    "read_image",
    "smooth_offline",
]
__version__ = "0.1.0"

_MODULES = {
    "Annotator": "drawing.annotator",
    "AspectRatios": "landmarks.aspect_ratios",
    "BoxRule": "geometry.rules",
    "CropRule": "geometry.rules",
    "CoreMlSettings": "runtime.providers.coreml",
    "CudaSettings": "runtime.providers.cuda_settings",
    "Detections": "types",
    "Detector": "detection.base",
    "DetectorRequest": "detection.registry",
    "DetectorSpec": "detection.registry",
    "DetectorTraits": "detection.base",
    "EndToEndPipeline": "end_to_end",
    "Face": "types",
    "FkdError": "errors",
    "Frame": "types",
    "FrameRange": "types",
    "PlannedSettings": "runtime.providers.base",
    "PoseAngles": "landmarks.head_pose",
    "ProviderChoice": "runtime.choice",
    "QnnSettings": "runtime.providers.qnn",
    "ReadSettings": "types",
    "Limits": "limits",
    "MiGraphXSettings": "runtime.providers.migraphx",
    "ModelCard": "models.cards.landmark",
    "OpenVinoSettings": "runtime.providers.openvino",
    "Pipeline": "pipeline",
    "RecordFormat": "formats.registry",
    "RecordSink": "formats.base",
    "Search": "detection.tiling",
    "SearchSizes": "detection.registry",
    "SessionSettings": "runtime.settings",
    "SizedDetector": "detection.base",
    "TensorRtRtxSettings": "runtime.providers.tensorrt",
    "TensorRtSettings": "runtime.providers.tensorrt",
    "Tracker": "tracking.tracker",
    "aspect_ratios": "landmarks.aspect_ratios",
    "expand_sources": "media.sources",
    "frame_record": "formats.json_lines",
    "frames_from": "media.frames",
    "head_pose": "landmarks.head_pose",
    "load": "loading",
    "load_filters": "filters.filter",
    "read_image": "media.images.file",
    "smooth_offline": "tracking.offline_smoothing",
}


def __getattr__(name: str) -> object:
    """Imports a public name when it is first used, so that `--help` does not wait for OpenCV."""
    if name == "errors":
        return import_module(f"{__name__}.errors")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
