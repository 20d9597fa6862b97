"""Loads a network of others as its user describes it: a torch module or an ONNX file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from fkd_infer.landmarks.schemes import LandmarkScheme, find_scheme
from fkd_infer.models.cards.base import METADATA_KEY
from fkd_infer.models.cards.landmark import MAX_INPUT_SIZE, MIN_INPUT_SIZE
from fkd_infer.models.check import check_model
from fkd_infer.system.files.strict_dataclass import parse_dataclass
from fkd_train.choices import ColorOrder, Layout
from fkd_train.data.dataset import DataFolders
from fkd_train.errors import NetworkError
from fkd_train.export.sources.border import Border
from fkd_train.export.sources.description import Description
from fkd_train.export.sources.foreign import ForeignNetwork, foreign_source
from fkd_train.export.sources.module import Module
from fkd_train.export.sources.onnx_file import ImageInput, OnnxFile, fits
from fkd_train.export.sources.source import ExportData, LandmarkSource
from fkd_train.export.sources.statement import Statement
from fkd_train.export.torch_to_onnx import GraphSettings
from fkd_train.models.spec import ModelSpec

SourceKind = Literal["checkpoint", "factory", "onnx"]


def source_kind(source: str) -> SourceKind:
    """What a user names: an .onnx file, a factory as package.module:name, or else a checkpoint."""
    if source.endswith(".onnx"):
        return "onnx"
    return "factory" if ":" in source and not Path(source).exists() else "checkpoint"


def is_exported(source: str) -> bool:
    """Whether this is an .onnx file that fkd-export wrote; raises InvalidModelError."""
    if source_kind(source) != "onnx":
        return False
    return METADATA_KEY in check_model(Path(source)).metadata


def load_foreign(
    source: str,
    described: Description,
    card_name: str,
    data: DataFolders | None,
    settings: GraphSettings,
    notify: Callable[[str], None],
) -> LandmarkSource:
    """Loads a factory's module or an ONNX file.

    Raises NetworkError for descriptions that are incomplete or do not fit, and what the loaders
    raise.
    """
    scheme = _scheme(source, described)
    network: ForeignNetwork
    if source_kind(source) == "onnx":
        if described.weights is not None:
            fix = "remove --weights, which is for package.module:factory"
            raise NetworkError(source, "an ONNX file has its weights", fix)
        network = file = OnnxFile.load(Path(source), described.points_output)
        border = _file_border(file, described)
    else:
        border = _module_border(source, described)
        spec = ModelSpec(source, border.size, border.size, 0.0, border.channels, scheme.count)
        network = Module.load(source, described.weights, spec, described.points_output, notify)
    measured_on = None
    if data is not None:
        split = described.split or "identity"
        measured_on = ExportData(data, split, scheme, border.channels == 3)
    statement = Statement(scheme, border, described.crop, described.boxes)
    return foreign_source(
        network,
        card_name,
        statement,
        measured_on,
        settings,
        check_statement=not described.as_stated,
        notify=notify,
    )


def _scheme(source: str, described: Description) -> LandmarkScheme:
    """The scheme by its built-in name, or from a TOML file of one or of a recipe."""
    name = described.scheme
    if name is None:
        fix = "add --scheme NAME, or a TOML file that defines them"
        raise NetworkError(source, "what its points are is not stated", fix)
    try:
        return _read_scheme(Path(name)) if name.endswith(".toml") else find_scheme(name)
    except OSError as error:
        raise NetworkError(f"--scheme {name}", error.strerror or str(error)) from error
    except ValueError as error:
        raise NetworkError(f"--scheme {name}", str(error)) from error


def _read_scheme(path: Path) -> LandmarkScheme:
    table = tomllib.loads(path.read_text("utf-8"))
    given = table.get("scheme", table)
    return find_scheme(
        given if isinstance(given, str) else parse_dataclass(LandmarkScheme, given, "scheme")
    )


def _module_border(source: str, described: Description) -> Border:
    if described.input is None:
        fix = "add --input HxWxC, such as 112x112x3"
        raise NetworkError(source, "the size of its input is not stated", fix)
    if described.input_layout == "nhwc":
        fix = "remove --input-layout, which is for ONNX files"
        raise NetworkError(source, "torch modules take images as (N, C, H, W)", fix)
    return _border(source, described, "nchw", described.input.side, described.input.channels)


def _file_border(file: OnnxFile, described: Description) -> Border:
    """The border of an ONNX file, by its input and what is said of it."""
    wanted_side, wanted_channels = described.input or (None, None)
    fitting = [
        (layout, channels or wanted_channels, side or wanted_side)
        for layout, channels, side in file.image.layouts()
        if described.input_layout in (layout, None)
        and fits(channels, wanted_channels)
        and fits(side, wanted_side)
    ]
    if not fitting:
        raise _misfit(file.name, file.image, described)
    if len(fitting) > 1:
        problem = f"its input {file.image} may be in either layout"
        raise NetworkError(file.name, problem, "add --input-layout nchw or nhwc")
    ((layout, channels, side),) = fitting
    if channels is None or side is None:
        problem = f"its input is {file.image}, of any size"
        raise NetworkError(file.name, problem, "add --input HxWxC, such as 112x112x3")
    return _border(file.name, described, layout, side, channels)


def _misfit(name: str, image: ImageInput, described: Description) -> NetworkError:
    if described.input is None and described.input_layout is None:
        expected = "(N, C, S, S) or (N, S, S, C), of 1 or 3 channels"
        return NetworkError(name, f"its input is {image}, not a batch of square images, {expected}")
    said = [f"--input {described.input}" if described.input else ""]
    said.append(f"--input-layout {described.input_layout}" if described.input_layout else "")
    stated = " ".join(filter(None, said))
    return NetworkError(name, f"its input is {image}, which does not fit {stated}")


def _border(name: str, described: Description, layout: Layout, side: int, channels: int) -> Border:
    if not MIN_INPUT_SIZE <= side <= MAX_INPUT_SIZE:
        allowed = f"{MIN_INPUT_SIZE} to {MAX_INPUT_SIZE}"
        raise NetworkError(name, f"its input has a side of {side} px, but must have {allowed}")
    color: ColorOrder = described.color or ("gray" if channels == 1 else "rgb")
    if (color == "gray") != (channels == 1):
        fix = "gray is for one channel, rgb and bgr for three"
        raise NetworkError(name, f"--color {color} does not fit {channels} channels", fix)
    border = Border(
        side,
        color,
        layout,
        described.input_range or (0.0, 1.0),
        described.mean or (0.0,),
        described.std or (1.0,),
        described.output or "unit",
    )
    for option, values in (("--mean", border.mean), ("--std", border.std)):
        if len(values) not in (1, channels):
            problem = f"{option} has {len(values)} numbers, but its input has {channels} channels"
            raise NetworkError(name, problem)
    return border
