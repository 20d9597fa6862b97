"""Variants of a model: files in its folder with the same weights, in other precisions or graphs."""

from __future__ import annotations

from pathlib import Path

from fkd_infer.errors import FkdError
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.models.check import check_model
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings

_MAX_SIZE_RATIO = 4
"""Larger files need not be opened: no precision of the same weights differs by more in size."""


def detector_variants_of(model: Path) -> list[Path]:
    """Returns the other files of a detector's weights in its folder."""
    weights = _read_detector_card(model).training.weights_sha256
    files = []
    for path in sorted(model.parent.glob("*.onnx")):
        try:
            same = not path.samefile(model) and path.stat().st_size <= _MAX_SIZE_RATIO * (
                model.stat().st_size
            )
            if same and weights and _read_detector_card(path).training.weights_sha256 == weights:
                files.append(path)
        except (FkdError, OSError):
            continue  # the folder may contain any file
    return files


def compare_detectors(file: Path, reference_file: Path) -> str:
    """Returns the average precision of both files on the same faces, as text."""
    card, reference = _read_detector_card(file), _read_detector_card(reference_file)
    texts = [
        f"{accuracy.average_precision:.2f} % against "
        f"{reference.accuracy[protocol].average_precision:.2f} % ({protocol})"
        for protocol, accuracy in card.accuracy.items()
        if protocol in reference.accuracy
    ]
    if not texts:
        return "the cards do not say how their precision compares"
    return f"average precision {', '.join(texts)}"


def _read_detector_card(path: Path) -> DetectorCard:
    return DetectorCard.from_metadata(check_model(path).metadata, path)


def read_card(path: Path) -> ModelCard:
    """Returns the card of a model file; raises InvalidModelError and ModelCardError."""
    return LandmarkSession(path, CPU.name, SessionSettings(1, level="none")).card


def variants_of(model: Path) -> dict[Path, ModelCard]:
    """Returns the other files in a model's folder that can replace it, with their cards."""
    model_card = read_card(model)
    max_bytes = _MAX_SIZE_RATIO * model.stat().st_size
    variants = {}
    for path in sorted(model.parent.glob("*.onnx")):
        try:
            if path.samefile(model) or path.stat().st_size > max_bytes:
                continue
            card = read_card(path)
        except (FkdError, OSError):
            continue  # the folder may contain any file
        if model_card.training.weights_sha256 and _contract(card) == _contract(model_card):
            variants[path] = card
    return variants


def _contract(card: ModelCard) -> tuple[object, ...]:
    """Returns what must be equal for one file to replace another."""
    return card.training.weights_sha256, card.landmarks, card.input, card.crop, card.output


def compare_networks(file: Path, reference_file: Path) -> str:
    """Returns the NME of both files on the same faces, as text."""
    card, reference = read_card(file), read_card(reference_file)
    texts = [
        f"{accuracy.nme:.3f} % against {reference.accuracy[protocol].nme:.3f} % ({protocol})"
        for protocol, accuracy in card.accuracy.items()
        if protocol in reference.accuracy
    ]
    return f"NME {', '.join(texts)}" if texts else "the cards do not say how their NME compares"
