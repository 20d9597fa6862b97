"""fkd's own detector, in ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from fkd_infer.choices import CPU_DETECTOR_MODEL, DETECTOR_MODEL
from fkd_infer.detection.base import DetectorTraits, SizedDetector
from fkd_infer.detection.registry import FKD
from fkd_infer.detection.tiling import Search
from fkd_infer.errors import NonFiniteOutputError, ProviderError
from fkd_infer.geometry.arrays import Pixels, bgr_image
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.models.check import check_model
from fkd_infer.models.shipped import find_model
from fkd_infer.models.signature import check_detector_signature
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.proof import DetectorProof
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.registry import AUTO, first_choice
from fkd_infer.runtime.run_errors import run_error
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.runtime.start import start_session
from fkd_infer.runtime.tuned.session import find_tuned, tuned_choice
from fkd_infer.types import Detections

CHECKED_THRESHOLD = 0.5
"""Score from which a box is rather a face than not. The threshold of a card allows one false box in
100 pictures; of the boxes below it, a presence score rejects nine of ten false ones."""


_ELSEWHERE = "--detector-provider cpu (detector_provider=)"
_STEP = 128
"""Sides of images are padded to whole multiples of this where each new size takes time: 1280 pixels
have ten of them."""


def padded(image: Pixels) -> Pixels:
    """An image with black right of and below it, so that few sizes occur."""
    height, width = (-side % _STEP for side in image.shape[:2])
    return np.pad(image, [(0, height), (0, width), (0, 0)]) if height or width else image


def score_threshold(card: DetectorCard, checked: bool) -> float:
    """Score from which a box is answered; lower if a presence score checks it."""
    return min(CHECKED_THRESHOLD, card.threshold) if checked else card.threshold


class FkdDetector(SizedDetector):
    """A detector exported by fkd-export; `model` is the name of a shipped one or an ONNX file. None
    is the shipped one that is fastest on the provider: in int8 on the CPU.

    `tuned` uses the settings, and the file of the same weights, that `fkd-infer tune` found.
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
        provider: str | ProviderChoice = AUTO,
        settings: SessionSettings | None = None,
        rule: BoxRule | None = None,
        checked: bool = False,
        tuned: bool = False,
    ) -> None:
        choice = ProviderChoice.of(provider)
        own = choice.settings.for_any_size() if choice.settings else None
        self._choice = replace(choice, settings=own)
        self._settings = settings or SessionSettings()
        if not (tuned and self._open_tuned(model)):
            self._open_untuned(model)
        search = search or Search(FKD.search_sizes.photos)
        self.checked = checked
        card = self.card
        threshold = score_threshold(card, checked)
        super().__init__(card.box_rule, card.smallest, search, threshold, card.largest)
        self.rule = rule or card.box_rule
        # In three more directions there is three times as much to be taken for a face.
        self.turned_threshold = card.threshold

    def __reduce__(self) -> tuple[object, ...]:
        """Copies and pickles a detector by its arguments: its session is started anew."""
        own = (self.path, self.search, self._choice, self._settings, self.rule, self.checked)
        return type(self), own

    def _open_untuned(self, model: str | Path | None) -> str:
        """Opens a model, or the shipped one for the provider; returns what it runs on."""
        self._open(model or self._shipped_model())
        if model is None and self.execution_provider is CPU:
            # "auto" may end there for a reason that was not known before.
            self._open(CPU_DETECTOR_MODEL)
        return self.started.on

    def _open_tuned(self, model: str | Path | None) -> bool:
        """Opens a model as `fkd-infer tune` found best, if it was tuned."""
        path = find_model(model or DETECTOR_MODEL, detectors=True)
        profile = find_tuned(path, self._choice, partial(self._open_untuned, model))
        if profile is None:
            return False
        self._choice, self._settings = tuned_choice(self._choice, profile), profile.settings
        self.path = Path()  # whatever is open already has other settings
        self._open(profile.network(path))
        return True

    def _shipped_model(self) -> str:
        """The shipped model for the provider that is tried first."""
        first = first_choice(self._choice.name, import_onnxruntime())
        return CPU_DETECTOR_MODEL if first is CPU else DETECTOR_MODEL

    def _open(self, model: str | Path) -> None:
        """Reads a model and starts its session, unless it is open already."""
        path = find_model(model, detectors=True)
        if path == getattr(self, "path", None):
            return
        file = check_model(path)
        self.path, self.card = path, DetectorCard.from_metadata(file.metadata, path)
        check_detector_signature(file, path)
        ort, proof = import_onnxruntime(), DetectorProof()
        try:
            self.started = start_session(ort, path, self._choice, self._settings, proof)
        except ProviderError as error:
            if error.reason and error.fix:
                error = error.with_fix(f"{error.fix}; or run the detector on the CPU: {_ELSEWHERE}")
            raise error from error.__cause__
        self.execution_provider = self.started.provider

    def detect(self, image: Pixels, min_face: float = 0) -> Detections:
        """The faces of an image at its own size, best first, whatever their scores."""
        image = bgr_image(image)
        if self.execution_provider.plans_by_shape:
            image = padded(image)
        try:
            boxes, scores, points = self.started.session.run(None, {"image": image})
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
