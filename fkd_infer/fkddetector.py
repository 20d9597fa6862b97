"""fkd's own detector, under ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fkd_infer.crop import Pixels, bgr_image
from fkd_infer.cuda import CudaSettings
from fkd_infer.detector import SizedDetector
from fkd_infer.detectorcard import DetectorCard
from fkd_infer.errors import InvalidModelError, NonFiniteOutputError, OutOfMemoryError
from fkd_infer.names import DETECTOR_MODEL, MAX_SIZES, Provider
from fkd_infer.providers import lacks_memory, provider_of, start_session
from fkd_infer.session import find_model, import_onnxruntime
from fkd_infer.settings import SessionSettings
from fkd_infer.types import Detections
from fkd_infer.views import Search

if TYPE_CHECKING:
    import onnxruntime


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
        settings = settings or SessionSettings()
        self._session = start_session(ort, self.path, provider, settings, CudaSettings())
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.card = DetectorCard.from_metadata(metadata, self.path)
        self.provider = provider_of(self._session)
        _check_border(self._session, self.path)
        search = search or Search(MAX_SIZES["fkd"][0])
        card = self.card
        super().__init__(card.box_rule, card.smallest, search, card.threshold)

    def find(self, image: Pixels, least: float = 0) -> Detections:
        """All faces of an image as it is, best first, from the lowest scores on."""
        image = bgr_image(image)
        try:
            boxes, scores, points = self._session.run(None, {"image": image})
        except Exception as error:  # ONNX Runtime's errors share no other base
            if not lacks_memory(error):
                raise
            size = f"{image.shape[1]} × {image.shape[0]}"
            way_out = "or search at a smaller --max-size (max_size=)"
            raise OutOfMemoryError(self.provider, f"to search {size} pixels", way_out) from error
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise NonFiniteOutputError(self.card.name)
        whole = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        found = Detections(boxes, scores, points)
        return found if whole.all() else found.rows(np.flatnonzero(whole))


def _check_border(session: onnxruntime.InferenceSession, path: Path) -> None:
    """The graph's inputs and outputs must be a detector's."""
    nodes = [*session.get_inputs(), *session.get_outputs()]
    found = [
        (node.name, node.type, [side if isinstance(side, int) else 0 for side in node.shape])
        for node in nodes
    ]
    wanted = [
        ("image", "tensor(uint8)", [0, 0, 3]),
        ("boxes", "tensor(float)", [0, 4]),
        ("scores", "tensor(float)", [0]),
        ("points", "tensor(float)", [0, 5, 2]),
    ]
    if found != wanted:
        raise InvalidModelError(path, f"the graph has {found}, a detector {wanted}, 0 for any size")
