"""Builds the detector of a name for a landmark network."""

from __future__ import annotations

from pathlib import Path

from fkd_infer.detection.base import Detector, SizedDetector, check_detector
from fkd_infer.detection.registry import DETECTORS, DetectorRequest, DetectorSpec, find_detector
from fkd_infer.detection.tiling import Search
from fkd_infer.errors import DetectorError, FkdError, one_line
from fkd_infer.geometry.rules import POINTS_BOX, BoxRule
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.system.plugins import FIX


def box_rule(kind: str, card: ModelCard) -> BoxRule:
    """The rule from boxes of a kind (a detector's name, or "points") to a network's points.

    Raises DetectorError if the network has points of its own and its card has no rule.
    """
    rule = POINTS_BOX if kind == "points" else _card_rule(kind, card)
    return find_detector(kind).box_rule if rule is None else rule


def _card_rule(kind: str, card: ModelCard) -> BoxRule | None:
    """The card's rule; None if the detector's own applies, which leads to the 68 iBUG points."""
    if kind not in card.box_rules and card.scheme != IBUG68.name:
        problem = f"{card.name} has points of its own, and its card has no rule for these boxes"
        export = f"export it with --data DIR or --boxes {kind}=SCALE,RIGHT,DOWN"
        fix = f"{export}; or give fkd-infer boxes that are tight around the points"
        raise DetectorError(kind, problem, fix)
    return card.box_rules.get(kind)


def build_detector(
    name: str,
    card: ModelCard,
    search: Search | None = None,
    *,
    model: str | Path | None = None,
    provider: str | ProviderChoice = "auto",
    threads: int | None = None,
    checked: bool | None = None,
    tuned: bool = False,
) -> Detector:
    """The detector of a name, for the landmark network of a card.

    `search` is for photos; without it, the detector's default size applies. `model` is the
    detector's file. `checked` says whether the network's presence score sees each box; by default,
    it does if it has one. `tuned` asks for what `fkd-infer tune` found. Raises DetectorError, and
    what the detector raises.
    """
    spec = find_detector(name)
    if model is not None and spec.default_model is None:
        raise DetectorError(name, f"it has no model file, but {model} was given")
    request = DetectorRequest(
        search or Search(spec.search_sizes.photos),
        _card_rule(name, card) if spec.searches else None,
        card.crop,
        model,
        provider,
        threads,
        card.output.score if checked is None else checked,
        tuned,
    )
    detector = spec.build(request) if name in DETECTORS else _build_plugin(spec, request)
    check_detector(detector)
    return detector


def _build_plugin(spec: DetectorSpec, request: DetectorRequest) -> Detector:
    try:
        return spec.build(request)
    except FkdError:
        raise
    except Exception as error:  # a package may raise anything
        raise DetectorError(spec.name, f"it cannot be built: {one_line(error)}", FIX) from error


def video_detector(detector: Detector, search: Search) -> Detector:
    """The detector as it searches frames of a video; itself if it searches in a way of its own."""
    return detector.for_video(search) if isinstance(detector, SizedDetector) else detector
