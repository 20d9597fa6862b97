"""A page for browsers with an exported network in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fkd_infer.models.description import read_any_card
from fkd_infer.web.page import WebPage
from fkd_train.data.dataset import DataFolders
from fkd_train.errors import RunError
from fkd_train.runtimes.check import compare_runtimes
from fkd_train.runtimes.inputs import check_inputs
from fkd_train.runtimes.onnxruntime_web import OnnxRuntimeWeb


@dataclass(frozen=True)
class WebCheck:
    """What onnxruntime-web made of a network; `unchecked` says why it was not tried, if so."""

    version: str | None
    largest_px: float | None
    unchecked: str | None

    def __str__(self) -> str:
        if self.unchecked is not None:
            return f"not checked in onnxruntime-web: {self.unchecked}"
        return f"onnxruntime-web {self.version}: within {self.largest_px:.2g} px of ONNX Runtime"


def write_web_page(
    model: Path, page: WebPage, folder: Path, data: DataFolders | None = None
) -> WebCheck:
    """Writes a page with a landmark network to a folder, if onnxruntime-web runs the network.

    Raises RunError, and writes nothing, for a network that it runs not or otherwise; and what
    `WebPage.with_model` and `WebPage.write` raise.
    """
    with_model = page.with_model(model)
    inputs = check_inputs(model, read_any_card(model), data)
    (result,) = compare_runtimes(model, inputs, [OnnxRuntimeWeb()])
    if result.version is not None and result.problem is not None:
        problem = f"onnxruntime-web {result.version} does not run it equally: {result.problem}"
        raise RunError(model, problem, "put a float file into the page")
    with_model.write(folder)
    return WebCheck(result.version, result.largest_px, result.problem)
