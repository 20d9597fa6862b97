"""Face detectors by name. Each draws boxes in its own way, and carries the rule to the points'."""

from __future__ import annotations

from pathlib import Path

from fkd_infer.choices import DETECTOR_MODEL, DETECTORS, MAX_SIZES, BoxKind, DetectorName, Provider
from fkd_infer.detection.base import SizedDetector, WholeImageDetector
from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.detection.haar import HAAR_RULE, HaarDetector
from fkd_infer.detection.tiling import Search
from fkd_infer.detection.yunet import YUNET_RULE, YuNetDetector
from fkd_infer.errors import DetectorError
from fkd_infer.geometry.rules import POINTS_BOX, BoxRule
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.runtime.settings import SessionSettings

_RULES: dict[str, BoxRule] = {"fkd": POINTS_BOX, "haar": HAAR_RULE, "yunet": YUNET_RULE}
"""To the box of the 68 points; fkd's own detector has it in its card."""


def box_rule(kind: BoxKind, card: ModelCard) -> BoxRule:
    """How boxes of a kind lead to the box of a network's points.

    Raises DetectorError where nobody has compared them.
    """
    if kind == "points":
        return POINTS_BOX
    if kind in card.box_rules:
        return card.box_rules[kind]
    if card.scheme != IBUG68.name:
        why = f"{card.name} places points of its own, and does not say where its boxes have them"
        raise DetectorError(kind, why, "export it with --data, or give --boxes of the points")
    return _RULES[kind]


def build_detector(
    name: DetectorName,
    card: ModelCard,
    search: Search | None = None,
    *,
    model: str | Path | None = None,
    provider: Provider = "auto",
    threads: int | None = None,
) -> SizedDetector | WholeImageDetector:
    """A detector by name, for the landmark network that it feeds.

    `search` says how photos are searched; `model` is the file of "fkd" or "yunet", `provider` and
    `threads` are for "fkd". Raises DetectorError, and what its class raises.
    """
    if name not in DETECTORS:
        raise DetectorError(
            name, "there is none of that name", f"there are: {', '.join(DETECTORS)}"
        )
    if model is not None and name not in ("fkd", "yunet"):
        raise DetectorError(name, f"it takes no model, and {model} was given")
    if name == "none":
        return WholeImageDetector(card.crop)
    search = search or Search(MAX_SIZES[name][0])
    rule = box_rule(name, card)
    if name == "haar":
        return HaarDetector(search, rule=rule)
    if name == "yunet":
        return YuNetDetector(model, search, rule)
    settings = SessionSettings() if threads is None else SessionSettings(threads)
    detector = FkdDetector(model or DETECTOR_MODEL, search, provider, settings)
    if card.scheme != IBUG68.name:
        detector.rule = rule
    return detector
