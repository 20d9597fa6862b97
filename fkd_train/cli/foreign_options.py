"""Options of fkd-export that describe a network of others: its input, its points, its crop."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fkd_infer.cli.options.group import Decorator, group
from fkd_infer.geometry.rules import BoxRule, CropRule
from fkd_train.choices import COLOR_ORDERS, LAYOUTS, OUTPUT_UNITS, SPLITS
from fkd_train.export.sources.description import Description, InputShape

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # generic from click 8.4 on


class Parsed(_ParamType):
    """A value that a function reads; its ValueError becomes the command's error."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self.read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value; fails with one line that says how to write it."""
        if not isinstance(value, str):
            return value
        try:
            return self.read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _read_shape(text: str) -> InputShape:
    match = re.fullmatch(r"(\d+)x(\d+)x(\d+)", text)
    if match is None:
        raise ValueError(f"{text!r} is not HEIGHTxWIDTHxCHANNELS, such as 112x112x3")
    height, width, channels = map(int, match.groups())
    if height != width:
        raise ValueError(f"{text!r} is not square, and crops of faces are")
    if channels not in (1, 3):
        raise ValueError(f"{text!r} has {channels} channels, but crops have 1 (gray) or 3")
    return InputShape(height, channels)


def _read_numbers(text: str) -> tuple[float, ...]:
    numbers = tuple(_read_number(part) for part in text.split(","))
    if len(numbers) not in (1, 3):
        raise ValueError(f"{text!r} has {len(numbers)} numbers, not 1 or 3, such as 0.5,0.5,0.5")
    return numbers


def _read_deviations(text: str) -> tuple[float, ...]:
    numbers = _read_numbers(text)
    if min(numbers) <= 0:
        raise ValueError(f"{text!r} has a number that is not above 0")
    return numbers


def _read_number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not a finite number")
    return number


def _read_range(text: str) -> tuple[float, float]:
    low, dots, high = text.partition("..")
    if not dots:
        raise ValueError(f"{text!r} is not LOW..HIGH, such as 0..1")
    numbers = _read_number(low), _read_number(high)
    if numbers[0] >= numbers[1]:
        raise ValueError(f"{text!r} does not rise")
    return numbers


def _read_rule(text: str) -> tuple[float, tuple[float, float]]:
    numbers = [_read_number(part) for part in text.split(",")]
    if len(numbers) not in (1, 3) or numbers[0] <= 0:
        raise ValueError(f"{text!r} is not SCALE or SCALE,RIGHT,DOWN, such as 1.25 or 1.3,0,0.05")
    _, *shift = [*numbers, 0.0, 0.0][:3]
    return numbers[0], (shift[0], shift[1])


def _read_crop(text: str) -> CropRule:
    return CropRule(*_read_rule(text))


def _read_box_rule(text: str) -> tuple[str, BoxRule]:
    name, equals, rule = text.partition("=")
    if not equals or not name:
        raise ValueError(f"{text!r} is not DETECTOR=SCALE,RIGHT,DOWN, such as fkd=1.1,0,0.02")
    return name, BoxRule(*_read_rule(rule))


def foreign_options() -> Decorator:
    """Adds the options; the command receives them as `described`."""
    return group(
        "described",
        Description,
        "A network of your own",
        weights=click.option(
            "--weights",
            type=click.Path(path_type=Path),
            help="A factory's weights: a state dict (.pt, .pth) or .safetensors file.",
        ),
        scheme=click.option(
            "--scheme",
            help="The network's points: a built-in scheme, or a TOML file with one or with a "
            "recipe.",
        ),
        input=click.option(
            "--input",
            type=Parsed("HxWxC", _read_shape),
            metavar="HxWxC",
            help="The size of the network's input, such as 112x112x3; an ONNX file usually "
            "says it.",
        ),
        input_layout=click.option(
            "--input-layout",
            type=click.Choice(LAYOUTS),
            help="The order of an ONNX file's input, if its shape leaves it open.",
        ),
        input_range=click.option(
            "--input-range",
            type=Parsed("range", _read_range),
            metavar="LOW..HIGH",
            show_default="0..1",
            help="What black and white pixels become, before --mean and --std.",
        ),
        color=click.option(
            "--color",
            type=click.Choice(COLOR_ORDERS),
            show_default="rgb, or gray for one channel",
            help="The order of the network's channels.",
        ),
        mean=click.option(
            "--mean",
            type=Parsed("numbers", _read_numbers),
            metavar="R,G,B",
            help="Subtracted from the channels, in the network's order; one number is for all.",
        ),
        std=click.option(
            "--std",
            type=Parsed("numbers", _read_deviations),
            metavar="R,G,B",
            help="The channels are divided by it then.",
        ),
        output=click.option(
            "--output",
            type=click.Choice(OUTPUT_UNITS),
            show_default="unit",
            help="What the points are given in: unit, from 0 to 1 across the crop; pixels of the "
            "crop; centred, from -1 to 1.",
        ),
        points_output=click.option(
            "--points-output",
            metavar="NAME",
            help="The output that holds the points, if several could.",
        ),
        crop=click.option(
            "--crop",
            type=Parsed("rule", _read_crop),
            metavar="SCALE[,RIGHT,DOWN]",
            help="The square that the network expects: its side, relative to the longer side of "
            "the tight box of the points, and by how much of that it is moved. Without it, it is "
            "found on the faces of --data.",
        ),
        boxes=click.option(
            "--boxes",
            type=Parsed("rule", _read_box_rule),
            metavar="DETECTOR=SCALE[,RIGHT,DOWN]",
            multiple=True,
            help="How a detector's boxes lead to the tight box of the points, for other schemes "
            "than ibug68. Without it, it is found on the faces of --data. Repeat for several.",
        ),
        split=click.option(
            "--split",
            type=click.Choice([split for split in SPLITS if split != "none"]),
            show_default="identity",
            help="How --data is divided into faces that calibrate and faces that measure.",
        ),
        as_stated=click.option(
            "--as-stated",
            is_flag=True,
            help="Do not compare what is stated with other colour orders, ranges and units.",
        ),
    )
