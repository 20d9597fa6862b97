"""Options and parameter types that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fkd_infer.cli.options.group import FiniteRange

if TYPE_CHECKING:
    from benchmarks.harness.results import Recorder

DEFAULT_MODELS = ("models/fkdnet.onnx", "models/fkdnet-large.onnx", "models/naimishnet.onnx")
OUT = Path("out/benchmarks")
PATH = click.Path(path_type=Path)
POSITIVE = click.IntRange(1)
F = TypeVar("F", bound=Callable[..., Any])


class ImageSize(click.ParamType[tuple[int, int]]):
    """WIDTHxHEIGHT, in pixels."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Parses the width and the height."""
        width, cross, height = str(value).partition("x")
        if not (cross and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
            self.fail(f"{value!r} is not WIDTHxHEIGHT, such as 640x360", param, ctx)
        return int(width), int(height)


out_option = click.option("--out", type=PATH, help="JSON lines file to which results are appended.")

threads_option = click.option(
    "--threads",
    type=POSITIVE,
    multiple=True,
    default=(1, 2),
    show_default=True,
    help="Threads and cores of each contender.",
)

tuned_option = click.option(
    "--tuned", is_flag=True, help="Use the settings that `fkd-infer tune` saved on this machine."
)


def timing_options(function: F) -> F:
    """--blocks and --seconds: how long each contender is timed."""
    count = click.option(
        "--blocks", type=POSITIVE, default=20, show_default=True, help="Blocks per contender."
    )
    length = click.option(
        "--seconds",
        type=FiniteRange(0.001),
        default=0.5,
        show_default=True,
        help="Length of a block.",
    )
    return count(length(function))


def folder_option(name: str) -> Callable[[F], F]:
    """--folder: the folder for generated files."""
    return click.option(
        "--folder",
        type=PATH,
        default=OUT / name,
        show_default=True,
        help="Folder for generated files.",
    )


def open_recorder(command: str, out: Path | None) -> Recorder:
    """Opens the results file of a command: --out, or a new one in OUT."""
    from benchmarks.harness.results import Recorder, default_path

    return Recorder(out or default_path(OUT, command), click.echo)
