"""The run by which a session of an end-to-end file is believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.models.cards.end_to_end import EndToEndCard
from fkd_infer.runtime.proof import GRAY, SCORE_TOLERANCE, TOLERANCE, face_picture

if TYPE_CHECKING:
    import onnxruntime

_SIZE = (480, 640)
"""Of the picture for files that take any."""


@dataclass(frozen=True)
class EndToEndProof:
    """The proof of an end-to-end file: a picture with a drawn face, as often as a batch needs."""

    card: EndToEndCard

    def feed(self) -> dict[str, Pixels]:
        """Returns the inputs by name."""
        height, width = self.card.image_size or _SIZE
        picture = face_picture(height, width)
        if self.card.batch is None:
            return {"image": picture}
        count = 1 if self.card.batch == "dynamic" else self.card.batch
        return {"image": np.repeat(picture[None], count, axis=0)}

    def sees_faces(self, session: onnxruntime.InferenceSession) -> bool:
        """Whether a session that has seen the drawn face answers faces on a gray picture too."""
        feed = {name: np.full_like(images, GRAY) for name, images in self.feed().items()}
        return bool((session.run(["scores"], feed)[0] > 0).any())

    def difference(self, answer: Sequence[Floats], expected: Sequence[Floats]) -> str:
        """Returns how an answer differs from the CPU's, empty if it does not."""
        best, on_cpu = (float(outputs[1].max(initial=0.0)) for outputs in (answer, expected))
        if not abs(best - on_cpu) <= SCORE_TOLERANCE:  # True for NaN
            return f"its best score is {best:.2f} where the CPU's is {on_cpu:.2f}"
        if not on_cpu:
            return ""
        points, others = (_best_points(outputs) for outputs in (answer, expected))
        side = float(np.ptp(others, axis=0).max())
        px = float(np.median(np.linalg.norm(points - others, axis=-1)))
        if px <= TOLERANCE * side:
            return ""
        return f"its points are {px:.2g} px from the CPU's, on a face of {side:.0f} px"


def _best_points(outputs: Sequence[Floats]) -> Floats:
    """The points (k, 2) of the face with the best score."""
    _, scores, points, *_ = outputs
    best: Floats = points.reshape(-1, *points.shape[-2:])[int(scores.argmax())]
    return best
