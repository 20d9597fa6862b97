"""Checks in which runtimes a file that fkd-export wrote gives ONNX Runtime's results."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from fkd_infer.errors import InstallError
from fkd_infer.models.cards.base import RuntimeParity
from fkd_infer.models.description import read_any_card
from fkd_infer.tuning.interleaved import Contender, time_interleaved
from fkd_train.choices import RuntimeName
from fkd_train.data.dataset import DataFolders
from fkd_train.errors import RunError
from fkd_train.runtimes.base import ModelInput, Outputs, Runtime
from fkd_train.runtimes.compare import compare
from fkd_train.runtimes.exchange import Failure, read_results, write_inputs
from fkd_train.runtimes.inputs import CheckInputs, check_inputs
from fkd_train.runtimes.registry import REFERENCE, RUNTIMES

_MAX_SECONDS = 600
"""A runtime that needs longer for all inputs counts as failed."""
_BLOCKS, _BLOCK_SECONDS = 6, 0.25


@dataclass(frozen=True)
class RuntimeResult:
    """What a runtime made of a file.

    `largest_px` is the largest difference of points, boxes and spreads from the reference's, in
    pixels of the input, and `largest_score` of scores; None if nothing could be compared.
    `median_ms` is of calls with one face or one picture of 640 × 480, on one thread. `problem` says
    in one line why the file does not run, or not equally.
    """

    runtime: RuntimeName
    version: str | None
    largest_px: float | None
    largest_score: float | None
    inputs: str
    median_ms: float | None
    problem: str | None

    @property
    def parity(self) -> RuntimeParity | None:
        """What the card says of the runtime; None unless the file runs equally in it."""
        if self.problem is not None or self.version is None or self.largest_px is None:
            return None
        return RuntimeParity(self.version, self.largest_px, self.largest_score, self.inputs)


def check_runtimes(
    model: Path, data: DataFolders | None = None, runtimes: Sequence[Runtime] = RUNTIMES
) -> list[RuntimeResult]:
    """Runs a file with a card in each runtime, and compares and times them.

    The reference is ONNX Runtime on the CPU. Inputs are drawn, or from the training part of a data
    set: batches of 1, 2, 3 and 7 faces for landmark networks, pictures with several faces, one and
    none for detectors and end-to-end files. Raises what `read_any_card` raises, RunError if the
    reference does not run the file or finds no face, and InstallError without the reference.
    """
    inputs = check_inputs(model, read_any_card(model), data)
    results = compare_runtimes(model, inputs, runtimes)
    times = _median_ms(model, inputs.arrays[0], results, runtimes)
    return [replace(result, median_ms=times.get(result.runtime)) for result in results]


def compare_runtimes(
    model: Path, inputs: CheckInputs, runtimes: Sequence[Runtime]
) -> list[RuntimeResult]:
    """Runs a file in each runtime, and compares the outputs; as `check_runtimes`, without times."""
    expected = _expected(model, inputs)
    return [_result(runtime, model, expected, inputs) for runtime in runtimes]


def _expected(model: Path, inputs: CheckInputs) -> list[Outputs]:
    REFERENCE.version()
    expected: list[Outputs] = []
    for number, result in enumerate(_run(REFERENCE, model, inputs.arrays)):
        if isinstance(result, Failure):
            raise RunError(model, f"ONNX Runtime fails on {inputs.label(number)}: {result.reason}")
        expected.append(inputs.faces_of(result))
    if not any(len(outputs["points"]) for outputs in expected):
        fix = "give real ones with --data DIR"
        raise RunError(model, f"nothing to compare, no face was found on {inputs.content}", fix)
    return expected


def _result(
    runtime: Runtime, model: Path, expected: Sequence[Outputs], inputs: CheckInputs
) -> RuntimeResult:
    try:
        version = runtime.version()
    except InstallError as error:
        return RuntimeResult(runtime.name, None, None, None, "", None, str(error))
    results = [
        each if isinstance(each, Failure) else inputs.faces_of(each)
        for each in _run(runtime, model, inputs.arrays)
    ]
    result = compare(expected, results, inputs)
    differences = result.largest_px, result.largest_score
    return RuntimeResult(runtime.name, version, *differences, result.inputs, None, result.problem)


def _run(runtime: Runtime, model: Path, inputs: Sequence[ModelInput]) -> list[Outputs | Failure]:
    """Runs a model on inputs in a process of its own."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_inputs(folder, inputs)
        try:
            process = subprocess.run(  # this package's own scripts  # nosec B603
                runtime.command(model.resolve(), folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                timeout=_MAX_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return [Failure(f"it is not ready after {_MAX_SECONDS} s")] * len(inputs)
        results = read_results(folder)
    if results is None:
        lines = process.stderr.strip().splitlines() or ["without a message"]
        results = [Failure(f"its process ended with code {process.returncode}: {lines[-1]}")]
        return results * len(inputs)
    return results


def _median_ms(
    model: Path, example: ModelInput, results: Sequence[RuntimeResult], runtimes: Sequence[Runtime]
) -> dict[RuntimeName, float]:
    """Times the runtimes that run the file, in turns."""
    running = {result.runtime for result in results if result.largest_px is not None}
    with TemporaryDirectory() as temporary:
        folders = {name: Path(temporary) / name for name in running}
        for folder in folders.values():
            folder.mkdir()
            write_inputs(folder, [example])
        contenders = [
            Contender(each.name, each.command(model.resolve(), folders[each.name]))
            for each in runtimes
            if each.name in running
        ]
        times = time_interleaved(contenders, _BLOCKS, _BLOCK_SECONDS)
    return {
        each.name: 1000 * float(np.median(np.concatenate(times[each.name])))
        for each in runtimes
        if each.name in running
    }
