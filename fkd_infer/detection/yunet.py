"""YuNet in OpenCV, from a local file or OpenCV's public one."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from fkd_infer.detection.base import DetectorTraits, SizedDetector
from fkd_infer.detection.registry import YUNET
from fkd_infer.detection.tiling import Search
from fkd_infer.errors import DetectorError, InvalidModelError, ModelFileNotFoundError
from fkd_infer.geometry.arrays import Pixels, bgr_image
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.models.check import check_model
from fkd_infer.system.files.download import RemoteFile, fetch
from fkd_infer.system.object_pool import ObjectPool
from fkd_infer.types import Detections

PUBLIC = RemoteFile(
    url="https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/"
    "face_detection_yunet/face_detection_yunet_2023mar.onnx",
    sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    size=232_589,
    name="face_detection_yunet_2023mar.onnx",
)
"""The file in OpenCV's model zoo (MIT)."""
_THRESHOLD, _MAX_IOU, _MAX_CANDIDATES = 0.6, 0.3, 5000
_SMALLEST_FACE = 12.0
_PROBE_SIZE = (64, 64)
_MIN_SIDE = 64
"""Images are padded to this many pixels: on a single row of cells, OpenCV sometimes finds faces in
black."""


class YuNetDetector(SizedDetector):
    """YuNet (Wu, Peng, Yu, Machine Intelligence Research 2023) as OpenCV runs it, on the CPU.

    `model` is its ONNX file; None downloads OpenCV's public file once and caches it. Raises
    DetectorError, ModelFileNotFoundError and DownloadError.
    """

    traits = DetectorTraits(thread_safe=True, takes_gray=True, sees_colour=True)
    path: Path

    def __init__(
        self,
        model: str | Path | None = None,
        search: Search | None = None,
        rule: BoxRule = YUNET.box_rule,
    ) -> None:
        if not hasattr(cv2, "FaceDetectorYN"):
            why = f"OpenCV {cv2.__version__} was built without it"
            raise DetectorError("yunet", why, "use detector 'fkd'")
        by_hand = "download it by hand, and name the file with --detector-model (detector_model=)"
        self.path = fetch(PUBLIC, by_hand) if model is None else Path(model)
        if not os.path.exists(self.path):  # noqa: PTH110 (Path's raises for what can be no name)
            raise ModelFileNotFoundError(self.path, [])
        try:
            check_model(self.path, f"use {PUBLIC.name} of OpenCV's model zoo")
        except InvalidModelError as error:
            raise DetectorError("yunet", error.without_fix, error.fix) from error
        search = search or Search(YUNET.search_sizes.photos)
        super().__init__(YUNET.box_rule, _SMALLEST_FACE, search, _THRESHOLD)
        self.rule = rule
        self._networks = ObjectPool(partial(_open, self.path))

    def detect(self, image: Pixels, min_face: float = 0) -> Detections:
        """The faces of an image at its own size, best first."""
        image = _padded(bgr_image(image))
        with self._networks() as network:
            network.setInputSize(image.shape[1::-1])
            network.setScoreThreshold(max(self.min_score, 0.01))
            table = network.detect(image)[1]  # None without faces
        rows = np.empty((0, 15), np.float32) if table is None else np.asarray(table, np.float32)
        rows = rows[np.isfinite(rows).all(axis=1) & (rows[:, 2:4] > 0).all(axis=1)]
        rows = rows[np.argsort(-rows[:, 14], kind="stable")]
        boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
        return Detections(boxes, rows[:, 14], rows[:, 4:14].reshape(-1, 5, 2))


def _padded(image: Pixels) -> Pixels:
    """The image, with black below and to the right if it has less than _MIN_SIDE pixels there."""
    missing = [max(0, _MIN_SIDE - side) for side in image.shape[:2]]
    if not any(missing):
        return image
    return np.pad(image, [(0, missing[0]), (0, missing[1]), (0, 0)])


def _open(path: Path) -> cv2.FaceDetectorYN:
    try:
        network = cv2.FaceDetectorYN.create(
            str(path), "", _PROBE_SIZE, _THRESHOLD, _MAX_IOU, _MAX_CANDIDATES
        )
        # OpenCV looks for YuNet's outputs only when it first runs a network.
        network.detect(np.zeros((*_PROBE_SIZE, 3), np.uint8))
    except cv2.error as error:
        why = " ".join(str(error).split())
        raise DetectorError("yunet", f"OpenCV does not read {path} as YuNet: {why}") from error
    return network
