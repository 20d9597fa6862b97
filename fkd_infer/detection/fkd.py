"""fkd's own detector, in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fkd_infer.choices import CPU_DETECTOR_MODEL, DETECTOR_MODEL, Provider
from fkd_infer.detection.base import DetectorTraits, SizedDetector
from fkd_infer.detection.registry import FKD
from fkd_infer.detection.tiling import Search
from fkd_infer.errors import NonFiniteOutputError
from fkd_infer.geometry.arrays import Pixels, bgr_image
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.models.check import check_model
from fkd_infer.models.shipped import find_model
from fkd_infer.models.signature import check_detector_signature
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.registry import first_choice, provider_of
from fkd_infer.runtime.run_errors import run_error
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.start import start_session
from fkd_infer.types import Detections

CHECKED_THRESHOLD = 0.5
"""Score from which a box is rather a face than not. The threshold of a card allows one false box in
100 pictures; of the boxes below it, a presence score rejects nine of ten false ones."""


def score_threshold(card: DetectorCard, checked: bool) -> float:
    """Score from which a box is answered; lower if a presence score checks it."""
    return min(CHECKED_THRESHOLD, card.threshold) if checked else card.threshold


class FkdDetector(SizedDetector):
    """A detector exported by fkd-export; `model` is the name of a shipped one or an ONNX file. None
    is the shipped one that is fastest on the provider: in int8 on the CPU.

    `rule` replaces the box rule of the model's card. If boxes are `checked` by a network with a
    presence score, those of CHECKED_THRESHOLD and more are answered, or even less likely ones if
    the card says so. Raises ModelFileNotFoundError,
    InvalidModelError, ModelCardError and ProviderError.
    """

    traits = DetectorTraits(thread_safe=True, takes_gray=True, sees_colour=True)
    path: Path

    def __init__(
        self,
        model: str | Path | None = None,
        search: Search | None = None,
        provider: Provider = "auto",
        settings: SessionSettings | None = None,
        rule: BoxRule | None = None,
        checked: bool = False,
    ) -> None:
        ort = import_onnxruntime()
        if model is None:
            is_cpu = first_choice(provider, ort) is CPU
            model = CPU_DETECTOR_MODEL if is_cpu else DETECTOR_MODEL
        self.path = find_model(model, detectors=True)
        file = check_model(self.path)
        self.card = card = DetectorCard.from_metadata(file.metadata, self.path)
        check_detector_signature(file, self.path)
        settings = settings or SessionSettings()
        self._start = (provider, settings)
        self._session = start_session(ort, self.path, provider, settings)
        self.execution_provider = provider_of(self._session)
        search = search or Search(FKD.search_sizes.photos)
        self.checked = checked
        threshold = score_threshold(card, checked)
        super().__init__(card.box_rule, card.smallest, search, threshold, card.largest)
        self.rule = rule or card.box_rule
        # In three more directions there is three times as much to be taken for a face.
        self.turned_threshold = card.threshold

    def __reduce__(self) -> tuple[object, ...]:
        """Copies and pickles a detector by its arguments: its session is started anew."""
        provider, settings = self._start
        arguments = (self.path, self.search, provider, settings, self.rule, self.checked)
        return type(self), arguments

    def detect(self, image: Pixels, min_face: float = 0) -> Detections:
        """The faces of an image at its own size, best first, whatever their scores."""
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
        detections = Detections(boxes, scores, points)
        has_area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        return detections if has_area.all() else detections.select(np.flatnonzero(has_area))
