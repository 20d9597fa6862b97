"""What a user states about a network of others, and how wrong statements are noticed.

Parity cannot notice them: a wrong mean is wrong on both sides of the comparison. Annotated faces
can: if the network is clearly more exact under another mean, colour order or unit, the statement is
refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.rules import BoxRule, CropRule
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_train.choices import OUTPUT_UNITS, ColorOrder
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.faces import Faces
from fkd_train.errors import NetworkError
from fkd_train.evaluation.accuracy import evaluate
from fkd_train.evaluation.metrics import Array
from fkd_train.evaluation.predict import Predict
from fkd_train.export.sources.border import Border

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BETTER = 0.9
"""Errors that are smaller by this factor under another statement refute the one that was made …"""
_DEVIATIONS = 4.0
"""… if the mean difference is so many times its standard error."""


@dataclass(frozen=True)
class Statement:
    """What a user says of a network: its points, its border, its crop and its boxes.

    Without a `crop`, it is found on annotated faces. `box_rules` lead from detectors' boxes to the
    points' box.
    """

    scheme: LandmarkScheme
    border: Border
    crop: CropRule | None = None
    box_rules: tuple[tuple[str, BoxRule], ...] = ()


def other_borders(border: Border) -> Iterator[tuple[str, Border]]:
    """Yields the usual mistakes about a border, each as the option that would mend it."""
    if border.color != "gray":
        color: ColorOrder = "bgr" if border.color == "rgb" else "rgb"
        swapped = replace(border, color=color, mean=border.mean[::-1], std=border.std[::-1])
        yield f"--color {color}", swapped
    for unit in OUTPUT_UNITS:
        if unit != border.unit:
            yield f"--output {unit}", replace(border, unit=unit)
    plain = replace(border, mean=(0.0,), std=(1.0,))
    own = border.scale_and_offset
    options = {
        "--input-range 0..1": replace(plain, range=(0.0, 1.0)),
        "--input-range 0..255": replace(plain, range=(0.0, 255.0)),
        "--input-range -1..1": replace(plain, range=(-1.0, 1.0)),
    }
    if border.channels == 3:
        mean, std = (part if border.color == "rgb" else part[::-1] for part in _IMAGENET)
        option = f"--mean {_text(mean)} --std {_text(std)}"
        options[option] = replace(border, range=(0.0, 1.0), mean=mean, std=std)
    for option, other in options.items():
        pairs = zip(own, other.scale_and_offset, strict=True)
        if not all(np.allclose(one, value, rtol=1e-3) for one, value in pairs):
            yield f"{option} without --mean and --std" if "range" in option else option, other


def _text(values: tuple[float, ...]) -> str:
    return ",".join(map(str, values))


def refute(
    name: str,
    border: Border,
    predict: Callable[[Border], Predict],
    errors: Callable[[Predict], Array],
) -> None:
    """Raises NetworkError if a network is clearly more exact under another border.

    `predict` makes a prediction by hand under a border, and `errors` measures the NME (n,) of each
    face, in percent.
    """
    stated = errors(predict(border))
    others = {option: errors(predict(other)) for option, other in other_borders(border)}
    option = min(others, key=lambda each: float(others[each].mean()))
    better = others[option]
    gain = stated - better
    is_clear = float(gain.mean()) > _DEVIATIONS * float(gain.std()) / np.sqrt(len(gain))
    if is_clear and better.mean() < _BETTER * stated.mean():
        problem = (
            f"as stated, its error is {stated.mean():.2f} % of the interocular distance on "
            f"{len(stated)} faces, and {better.mean():.2f} % with {option}"
        )
        fix = f"export it with {option}, or with --as-stated if you are sure"
        raise NetworkError(name, problem, fix)


def face_errors(predict: Predict, faces: Faces, sampler: CropSampler) -> Array:
    """The NME (n,) of each face, in percent; 1000 at most, so that a stray point counts once."""
    errors = evaluate(predict, faces, sampler).face_errors
    return np.asarray(np.nan_to_num(errors, nan=1e3, posinf=1e3).clip(max=1e3))


def doubts(points: Floats, border: Border) -> str | None:
    """What looks wrong with points (N, k, 2) in crop pixels; None if nothing does.

    For exports without annotated faces: it notices points in another unit than the stated one.
    """
    size = border.size
    extent = float(np.median(np.ptp(points, axis=1).max(axis=1)))
    centre = np.median(points.reshape(-1, 2), axis=0)
    if extent < 0.05 * size or (np.abs(centre - size / 2) > 0.75 * size).any():
        x, y = centre
        return (
            f"with --output {border.unit}, points lie around ({x:.0f}, {y:.0f}) within "
            f"{extent:.1f} px in crops of {size} px; is that the unit of its output, and are its "
            "weights trained?"
        )
    return None
