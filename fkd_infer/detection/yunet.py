"""YuNet, from a file of the user's own or OpenCV's public one, through OpenCV."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from fkd_infer.choices import MAX_SIZES
from fkd_infer.detection.base import SizedDetector
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
"""OpenCV's file of its model zoo, MIT."""
YUNET_RULE = BoxRule(scale=0.8091, shift=(0.0046, 0.1332))
"""To the 68 points' box; fitted by `python -m fkd_train.evaluation.calibration`."""
_THRESHOLD, _OVERLAP, _MOST = 0.6, 0.3, 5000
_SMALLEST = 12.0
_PROBE = (64, 64)
_SHORTEST = 64
"""Pixels of a side that OpenCV is shown at least: of a single row of cells it finds faces in black,
now and then."""


class YuNetDetector(SizedDetector):
    """YuNet (Wu, Peng, Yu, Machine Intelligence Research 2023) as OpenCV runs it, on the CPU.

    `model` is its ONNX file; without, OpenCV's public file is fetched once and kept. Several
    threads may search at once. Raises DetectorError, ModelFileNotFoundError and DownloadError.
    """

    sees_colour = True

    def __init__(
        self,
        model: str | Path | None = None,
        search: Search | None = None,
        rule: BoxRule = YUNET_RULE,
    ) -> None:
        if not hasattr(cv2, "FaceDetectorYN"):
            why = f"OpenCV {cv2.__version__} was built without"
            raise DetectorError("yunet", why, "take detector 'fkd'")
        by_hand = "download it by hand, and give the file as --detector-model (detector_model=)"
        self.path = fetch(PUBLIC, by_hand) if model is None else Path(model)
        if not os.path.exists(self.path):  # noqa: PTH110 (Path's raises for what can be no name)
            raise ModelFileNotFoundError(self.path, [])
        try:
            check_model(self.path, f"take {PUBLIC.name} of OpenCV's model zoo")
        except InvalidModelError as error:
            raise DetectorError("yunet", error.without_fix, error.fix) from error
        search = search or Search(MAX_SIZES["yunet"][0])
        super().__init__(YUNET_RULE, _SMALLEST, search, _THRESHOLD)
        self.rule = rule
        self._networks = ObjectPool(partial(_open, self.path))

    def detect(self, image: Pixels, least: float = 0) -> Detections:
        """All faces of an image as it is, best first."""
        image = _filled_up(bgr_image(image))
        with self._networks() as network:
            network.setInputSize(image.shape[1::-1])
            network.setScoreThreshold(max(self.min_score, 0.01))
            found = network.detect(image)[1]
        rows = np.empty((0, 15), np.float32) if found is None else np.asarray(found, np.float32)
        rows = rows[np.isfinite(rows).all(axis=1) & (rows[:, 2:4] > 0).all(axis=1)]
        rows = rows[np.argsort(-rows[:, 14], kind="stable")]
        boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
        return Detections(boxes, rows[:, 14], rows[:, 4:14].reshape(-1, 5, 2))


def _filled_up(image: Pixels) -> Pixels:
    """The image with black below and to its right, where it is too narrow."""
    missing = [max(0, _SHORTEST - side) for side in image.shape[:2]]
    if not any(missing):
        return image
    return np.pad(image, [(0, missing[0]), (0, missing[1]), (0, 0)])


def _open(path: Path) -> cv2.FaceDetectorYN:
    try:
        network = cv2.FaceDetectorYN.create(str(path), "", _PROBE, _THRESHOLD, _OVERLAP, _MOST)
        # OpenCV looks for YuNet's outputs when a network is first run.
        network.detect(np.zeros((*_PROBE, 3), np.uint8))
    except cv2.error as error:
        why = " ".join(str(error).split())
        raise DetectorError("yunet", f"OpenCV does not read {path} as YuNet: {why}") from error
    return network
