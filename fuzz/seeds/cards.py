"""Seeds: model cards."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from fkd_infer.geometry.rules import BoxRule, CropRule
from fkd_infer.models.cards.base import Training
from fkd_infer.models.cards.detector import DetectorAccuracy, DetectorCard, DetectorParity
from fkd_infer.models.cards.end_to_end import EndToEndCard, EndToEndParity
from fkd_infer.models.cards.landmark import (
    InputSpec,
    LandmarkAccuracy,
    ModelCard,
    OutputSpec,
    Parity,
)


def cards() -> dict[str, bytes]:
    """Minimal and complete cards, each behind a byte that selects the kind of card."""
    plain, full = _landmark_card(), _full_card()
    detector = _detector_card()
    parity = EndToEndParity(0.01, 9, "drawn")
    both = EndToEndCard("both", full, detector, 0.4, 0.5, parity=parity)
    batches = replace(both, image_size=(480, 640), max_faces=4, batch="dynamic")
    return {
        "landmarks": b"\0" + plain.to_json().encode(),
        "landmarks-full": b"\0" + full.to_json().encode(),
        "landmarks-scheme": b"\0" + _card_with_own_scheme(plain),
        "detector": b"\1" + detector.to_json().encode(),
        "end-to-end": b"\2" + both.to_json().encode(),
        "end-to-end-batches": b"\2" + batches.to_json().encode(),
    }


def _landmark_card() -> ModelCard:
    return ModelCard(
        name="a",
        architecture="drawn",
        scheme="ibug68",
        input=InputSpec(16, 1),
        crop=CropRule(1.25, (0.0, 0.1)),
        precision="fp32",
        opset=18,
        training=Training("r", "d", "s", 3, 0, "0"),
        licence="Apache-2.0",
    )


def _full_card() -> ModelCard:
    table = asdict(_landmark_card())
    table |= {
        "output": asdict(OutputSpec(score=True)),
        "accuracy": {"official": asdict(LandmarkAccuracy(5.5, 1.0, 770, 0.003))},
        "box_rules": {"haar": asdict(BoxRule(0.7, (0.0, 0.1)))},
        "parity": asdict(Parity(0.001, 0.0001, None, "64", 0.1)),
        "exporter": {"fkd": "1"},
    }
    return ModelCard.from_json(json.dumps(table), "full")


def _card_with_own_scheme(card: ModelCard) -> bytes:
    scheme = {
        "name": "three",
        "count": 3,
        "groups": {"eyes": [0, 1], "nose": [2]},
        "mirror_pairs": [[0, 1]],
        "outer_eye_corners": [0, 1],
        "closed": ["eyes"],
    }
    return json.dumps(asdict(card) | {"scheme": scheme}).encode()


def _detector_card() -> DetectorCard:
    return DetectorCard(
        name="d",
        architecture="drawn",
        threshold=0.5,
        floor=0.1,
        overlap=0.45,
        smallest=12.0,
        precision="fp32",
        opset=18,
        training=Training("r", "d", "s", 3, 0, "0"),
        licence="Apache-2.0",
        box_rule=BoxRule(0.9, (0.0, 0.1)),
        accuracy={"drawn": DetectorAccuracy(90.0, 0.1, 0.5, 88.0, 100)},
        parity=DetectorParity(0.01, 0.001, 9, "drawn"),
    )
