"""fkd's own detector, under ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fkd_infer.choices import DETECTOR_MODEL, MAX_SIZES, Provider
from fkd_infer.detection.base import SizedDetector
from fkd_infer.detection.tiling import Search
from fkd_infer.errors import NonFiniteOutputError
from fkd_infer.geometry.arrays import Pixels, bgr_image
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.models.check import check_model
from fkd_infer.models.shipped import find_model
from fkd_infer.models.signature import check_detector_border
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.providers.registry import provider_of
from fkd_infer.runtime.run_errors import run_error
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.start import start_session
from fkd_infer.types import Detections


class FkdDetector(SizedDetector):
    """A detector from fkd-export; `model` is the shipped one's name or an ONNX file.

    It sees colour, and works on gray frames too. Several threads may search at once. Raises
    ModelFileNotFoundError, InvalidModelError, ModelCardError and ProviderError.
    """

    sees_colour = True

    def __init__(
        self,
        model: str | Path = DETECTOR_MODEL,
        search: Search | None = None,
        provider: Provider = "auto",
        settings: SessionSettings | None = None,
    ) -> None:
        ort = import_onnxruntime()
        self.path = find_model(model, detectors=True)
        found = check_model(self.path)
        self.card = DetectorCard.from_metadata(found.metadata, self.path)
        check_detector_border(found, self.path)
        settings = settings or SessionSettings()
        self._session = start_session(ort, self.path, provider, settings)
        self.execution_provider = provider_of(self._session)
        search = search or Search(MAX_SIZES["fkd"][0])
        card = self.card
        super().__init__(card.box_rule, card.smallest, search, card.threshold)

    def detect(self, image: Pixels, least: float = 0) -> Detections:
        """All faces of an image as it is, best first, from the lowest scores on."""
        image = bgr_image(image)
        try:
            boxes, scores, points = self._session.run(None, {"image": image})
        except Exception as error:  # ONNX Runtime's errors share no other base
            what = f"to search {image.shape[1]} × {image.shape[0]} pixels"
            way_out = "or search at a smaller --max-size (max_size=)"
            raise run_error(
                error, self.execution_provider, self.card.name, what, way_out
            ) from error
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise NonFiniteOutputError(self.card.name)
        whole = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        found = Detections(boxes, scores, points)
        return found if whole.all() else found.rows(np.flatnonzero(whole))
