"""Describes models of any task by their cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fkd_infer.models.cards import detector as detector_cards
from fkd_infer.models.cards import end_to_end as end_to_end_cards
from fkd_infer.models.cards.base import task_of
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.models.cards.end_to_end import EndToEndCard
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.models.check import check_model
from fkd_infer.models.signature import (
    check_detector_signature,
    check_end_to_end_signature,
    check_landmark_signature,
)

AnyCard = ModelCard | DetectorCard | EndToEndCard


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model as text: its task, the points that it places, its input size, and its accuracy."""

    kind: str
    bytes: int
    scheme: str
    input: str
    accuracy: str


def describe_model(path: Path) -> ModelDescription:
    """Checks a model file and describes it.

    Raises InvalidModelError, ModelCardError and WrongTaskError.
    """
    card, size = read_any_card(path), path.stat().st_size
    if isinstance(card, DetectorCard):
        recalls = {name: f"recall {one.recall:.2f} %" for name, one in card.accuracy.items()}
        return ModelDescription("detector", size, "5 points", "any", _by_protocol(recalls))
    landmarks = card.landmarks if isinstance(card, EndToEndCard) else card
    errors = {name: f"NME {one.nme:.2f} %" for name, one in landmarks.accuracy.items()}
    scheme, accuracy = landmarks.landmarks.name, _by_protocol(errors)
    if isinstance(card, EndToEndCard):
        fixed = card.image_size
        image = "any" if fixed is None else f"{fixed[1]} × {fixed[0]}"
        if card.batch is not None:
            image += ", batches" if card.batch == "dynamic" else f", batches of {card.batch}"
        return ModelDescription("end-to-end", size, scheme, image, accuracy)
    side = landmarks.input.size
    kind = "landmarks" if landmarks.input.has_border else "landmarks for other programs"
    return ModelDescription(kind, size, scheme, f"{side} × {side}", accuracy)


def read_any_card(path: Path) -> AnyCard:
    """Returns the card of a model file, whose graph is as the card says.

    Raises InvalidModelError, ModelCardError, and WrongTaskError for an unknown task.
    """
    file = check_model(path)
    task = task_of(file.metadata, path)
    if task == detector_cards.TASK:
        detector = DetectorCard.from_metadata(file.metadata, path)
        check_detector_signature(file, path)
        return detector
    if task == end_to_end_cards.TASK:
        end_to_end = EndToEndCard.from_metadata(file.metadata, path)
        check_end_to_end_signature(file, end_to_end, path)
        return end_to_end
    landmarks = ModelCard.from_metadata(file.metadata, path)
    check_landmark_signature(file, landmarks, path)
    return landmarks


def _by_protocol(accuracy: Mapping[str, str]) -> str:
    return ", ".join(f"{value} ({name})" for name, value in accuracy.items()) or "not measured"
