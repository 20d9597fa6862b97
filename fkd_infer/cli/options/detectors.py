"""Options for detection; names and defaults come from the registry of detectors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from fkd_infer.choices import DEFAULT_DETECTOR, ROLLS
from fkd_infer.cli.options.group import PATH, Decorator, FiniteRange
from fkd_infer.detection.registry import DETECTORS, SEARCHING, SearchSizes, plugin_detectors

if TYPE_CHECKING:
    _Choice = click.Choice[str]
else:
    _Choice = click.Choice  # generic from click 8.2 on


class DetectorChoice(_Choice):
    """The name of a detector; `--help` lists the built-in ones, other packages' are accepted."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name; looks for other packages' detectors only if it is not built in."""
        if value in self.choices:
            return str(value)
        return click.Choice([*self.choices, *plugin_detectors()]).convert(value, param, ctx)


def detector_option(names: Iterable[str] = DETECTORS) -> Decorator:
    """`--detector`, which lists the names."""
    names = tuple(names)
    summaries = "; ".join(f"{name}: {DETECTORS[name].summary}" for name in names)
    return click.option(
        "--detector",
        type=DetectorChoice(names),
        default=DEFAULT_DETECTOR,
        show_default=True,
        help=f"Choose what finds faces. {summaries}.",
    )


def photo_size_text() -> str:
    """The default of `--max-size` for photos and videos."""
    common = DETECTORS[DEFAULT_DETECTOR].search_sizes
    others = [f"{name} {sizes.photos} and {sizes.videos}" for name, sizes in _unlike(common)]
    return "; ".join([f"{common.photos}, videos {common.videos}", *others])


def video_size_text() -> str:
    """The default of `--max-size` for videos."""
    common = DETECTORS[DEFAULT_DETECTOR].search_sizes
    others = [f"{name} {sizes.videos}" for name, sizes in _unlike(common)]
    return ", ".join([str(common.videos), *others])


def _unlike(common: SearchSizes) -> list[tuple[str, SearchSizes]]:
    """The detectors that search at other sizes by default."""
    sizes = [(name, DETECTORS[name].search_sizes) for name in SEARCHING]
    return [(name, own) for name, own in sizes if own != common]


_MODELS = {name: spec.default_model for name, spec in DETECTORS.items() if spec.default_model}

detector_model_option: Decorator = click.option(
    "--detector-model",
    type=PATH,
    show_default="; ".join(f"{name}: {model}" for name, model in _MODELS.items()),
    help=f"Run this model file in the detector {' or '.join(_MODELS)}.",
)
min_face_option: Decorator = click.option(
    "--min-face",
    type=FiniteRange(4),
    help="Find faces down to this size, in px from brows to chin, and none below; large frames "
    "are searched in tiles for them.",
)
min_score_option: Decorator = click.option(
    "--min-score",
    type=FiniteRange(0, 1),
    show_default="the detector's own; 0.5 for fkd with fkdnet",
    help="Leave out boxes that the detector scores lower: how sure it is that there is a face.",
)
roll_option: Decorator = click.option(
    "--roll",
    type=click.Choice(ROLLS),
    show_default=ROLLS[0],
    help="any: also find faces that are sideways or upside down; searching takes up to 4 times as "
    "long.",
)
detect_every_option: Decorator = click.option(
    "--detect-every",
    type=click.IntRange(1),
    show_default="as needed",
    help="Search every Nth frame of a video, and track faces in between.",
)


def max_size_option(default: str) -> Decorator:
    """`--max-size`, with a text for its default."""
    return click.option(
        "--max-size",
        type=click.IntRange(64),
        show_default=default,
        help="Search frames at most at this longer side, in px; more finds smaller faces and "
        "takes longer.",
    )
