"""The detectors that have names: what `--detector`, `--boxes-kind` and `load()` accept.

A new detector is a file in this folder and a row here. Another package registers a DetectorSpec as
an entry point of the group `fkd.detectors`, under the detector's name; docs/explanation/detector.md
has an example.

Imports neither numpy nor OpenCV, so that `--help` is quick.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fkd_infer.choices import DETECTOR_MODEL
from fkd_infer.errors import DetectorError
from fkd_infer.geometry.rules import POINTS_BOX, BoxRule, CropRule
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.system.plugins import FIX, PluginError, load_plugin, plugin_names

if TYPE_CHECKING:
    from fkd_infer.detection.base import Detector
    from fkd_infer.detection.tiling import Search

ENTRY_POINTS = "fkd.detectors"


_POINTS_CROP = CropRule(1.0)


class SearchSizes(NamedTuple):
    """Longer side of a frame, in pixels, at which a registered detector searches by default."""

    photos: int
    """Of photos."""
    videos: int
    """Of videos and cameras, which have to keep up, so that a smaller size is usual."""


_SIZES = SearchSizes(photos=1280, videos=640)


class DetectorRequest(NamedTuple):
    """What a registered detector is built from."""

    search: Search
    """How it is to search frames."""
    rule: BoxRule | None = None
    """Leads from the detector's boxes to those of the landmark network's points; None stands for
    the detector's own rule, which leads to the 68 iBUG points."""
    crop: CropRule = _POINTS_CROP
    """The landmark network's crop."""
    model: str | Path | None = None
    """The file that the user chose."""
    provider: str | ProviderChoice = "auto"
    """What ONNX Runtime is to run it on."""
    threads: int | None = None
    """Threads of ONNX Runtime."""
    checked: bool = False
    """Whether a landmark network with a presence score sees each box, so that an unlikely one does
    no harm."""
    tuned: bool = False
    """Whether to use what `fkd-infer tune` found."""


class DetectorSpec(NamedTuple):
    """Registers a detector under a name, for `load` and the commands.

    A package states it as an entry point of the group `fkd.detectors`.

    Examples:
        >>> import fkd_infer
        >>> class Everywhere(fkd_infer.Detector):
        ...     rule = fkd_infer.BoxRule(1.0)
        >>> def build(request: fkd_infer.DetectorRequest) -> fkd_infer.Detector:
        ...     return Everywhere()
        >>> sizes = fkd_infer.SearchSizes(photos=960, videos=640)
        >>> fkd_infer.DetectorSpec("everywhere", "faces everywhere", build, search_sizes=sizes).name
        'everywhere'
    """

    name: str
    """What `--detector` and `detector=` call it."""
    summary: str
    """A few words for `--help`."""
    build: Callable[[DetectorRequest], Detector]
    """Opens it, and imports what it needs only then."""
    box_rule: BoxRule = POINTS_BOX
    """Leads from its boxes to those of the 68 iBUG points."""
    search_sizes: SearchSizes = _SIZES
    """The sizes at which it searches by default."""
    searches: bool = True
    """False for a detector that needs no search: it has no sizes, no scores and no boxes of its
    kind."""
    takes_provider: bool = True
    """False for one that runs outside of ONNX Runtime."""
    default_model: str | None = None
    """Says, for `--help`, which model it runs if the user names no file; None for a detector
    without a model file."""


def _fkd(request: DetectorRequest) -> Detector:
    from fkd_infer.detection.fkd import FkdDetector
    from fkd_infer.runtime.settings import SessionSettings

    settings = SessionSettings() if request.threads is None else SessionSettings(request.threads)
    return FkdDetector(
        request.model,
        request.search,
        request.provider,
        settings,
        request.rule,
        request.checked,
        tuned=request.tuned and request.threads is None,
    )


def _haar(request: DetectorRequest) -> Detector:
    from fkd_infer.detection.haar import HaarDetector

    return HaarDetector(request.search, rule=request.rule or HAAR.box_rule)


def _yunet(request: DetectorRequest) -> Detector:
    from fkd_infer.detection.yunet import YuNetDetector

    return YuNetDetector(request.model, request.search, request.rule or YUNET.box_rule)


def _none(request: DetectorRequest) -> Detector:
    from fkd_infer.detection.whole_image import WholeImageDetector

    return WholeImageDetector(request.crop)


FKD = DetectorSpec(
    "fkd",
    "our own network, in ONNX Runtime",
    _fkd,
    default_model=f"{DETECTOR_MODEL}, in int8 on the CPU",
)
HAAR = DetectorSpec(
    "haar",
    "the frontal face cascade of OpenCV 4",
    _haar,
    BoxRule(scale=0.8842, shift=(0.0116, 0.1665)),
    SearchSizes(photos=960, videos=400),
    takes_provider=False,
)
YUNET = DetectorSpec(
    "yunet",
    "YuNet in OpenCV",
    _yunet,
    BoxRule(scale=0.8091, shift=(0.0046, 0.1332)),
    takes_provider=False,
    default_model="OpenCV's public file, downloaded once",
)
NONE = DetectorSpec(
    "none", "each image is one face, cropped already", _none, searches=False, takes_provider=False
)

DETECTORS: dict[str, DetectorSpec] = {spec.name: spec for spec in (FKD, HAAR, YUNET, NONE)}
"""The built-in detectors, in the order of `--help`.

Box rules are fitted by `python -m fkd_train.evaluation.calibration`."""
SEARCHING: tuple[str, ...] = tuple(name for name, spec in DETECTORS.items() if spec.searches)
BOX_KINDS: tuple[str, ...] = ("points", *SEARCHING)
"""How boxes may be drawn: tight around the points, or as a built-in detector draws them."""


def find_detector(name: str) -> DetectorSpec:
    """A built-in detector, or one of another package; raises DetectorError."""
    if name in DETECTORS:
        return DETECTORS[name]
    try:
        spec = load_plugin(ENTRY_POINTS, name, DetectorSpec)
    except PluginError as error:
        raise DetectorError(name, str(error), FIX) from error
    if spec is None:
        names = ", ".join([*DETECTORS, *plugin_detectors()])
        raise DetectorError(name, "there is none of that name", f"there are: {names}")
    return spec


def plugin_detectors() -> list[str]:
    """Names of the detectors that other packages register; none is imported."""
    return [name for name in plugin_names(ENTRY_POINTS) if name not in DETECTORS]
