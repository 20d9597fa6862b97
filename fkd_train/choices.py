"""Names that options accept; free of imports, so that --help is quick."""

from __future__ import annotations

from typing import Literal, get_args

CropProtocol = Literal["model", "image"]
OptimizeGoal = Literal["auto", "fp32", "fp16", "int8"]
DataFormat = Literal["csv", "300w", "wflw", "coco", "npz"]
RuntimeName = Literal["onnxruntime", "openvino", "opencv", "onnxruntime-web"]
Split = Literal["official", "identity", "folds", "none"]
ColorOrder = Literal["rgb", "bgr", "gray"]
Layout = Literal["nchw", "nhwc"]
OutputUnit = Literal["unit", "pixels", "centred"]
TritonDevice = Literal["cpu", "gpu"]
TensorRtPrecision = Literal["fp32", "fp16"]

CROP_PROTOCOLS: tuple[CropProtocol, ...] = get_args(CropProtocol)
DATA_FORMATS: tuple[DataFormat, ...] = get_args(DataFormat)
OPTIMIZE_GOALS: tuple[OptimizeGoal, ...] = get_args(OptimizeGoal)
SPLITS: tuple[Split, ...] = get_args(Split)
COLOR_ORDERS: tuple[ColorOrder, ...] = get_args(ColorOrder)
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
OUTPUT_UNITS: tuple[OutputUnit, ...] = get_args(OutputUnit)
TRITON_DEVICES: tuple[TritonDevice, ...] = get_args(TritonDevice)
TENSORRT_PRECISIONS: tuple[TensorRtPrecision, ...] = get_args(TensorRtPrecision)
