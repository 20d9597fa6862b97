"""Files of the same network beside a model: other precisions, other graphs, the same weights."""

from __future__ import annotations

from pathlib import Path

from fkd_infer.errors import FkdError
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings

_LARGEST = 4
"""Times a model's size. Half precision and twice the weights of full; a file beyond has others,
and need not be opened to know."""


def read_card(path: Path) -> ModelCard:
    """The card of a model file; raises InvalidModelError and ModelCardError."""
    return LandmarkSession(path, "cpu", SessionSettings(1, level="none")).card


def variants_of(model: Path) -> dict[Path, ModelCard]:
    """The other ONNX files in a model's folder whose cards say that they can stand in for it."""
    asked = read_card(model)
    limit = _LARGEST * model.stat().st_size
    found = {}
    for path in sorted(model.parent.glob("*.onnx")):
        try:
            if path.samefile(model) or path.stat().st_size > limit:
                continue
            card = read_card(path)
        except (FkdError, OSError):
            continue  # the folder may hold any file; what is no fkd model is no variant of one
        if asked.training.weights_sha256 and _contract(card) == _contract(asked):
            found[path] = card
    return found


def _contract(card: ModelCard) -> tuple[object, ...]:
    """What two files must have in common for one to stand in for the other."""
    return card.training.weights_sha256, card.landmarks, card.input, card.crop, card.output


def compare_accuracy(card: ModelCard, asked: ModelCard) -> str:
    """Both cards' NME on the same faces, in words."""
    both = [protocol for protocol in card.accuracy if protocol in asked.accuracy]
    if not both:
        return "the cards do not say how their NME compares"
    words = [
        f"{card.accuracy[p].nme:.3f} % against {asked.accuracy[p].nme:.3f} % ({p})" for p in both
    ]
    return f"NME {', '.join(words)}"
