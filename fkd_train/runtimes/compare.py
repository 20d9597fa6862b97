"""Compares a runtime's outputs with those of the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fkd_train.runtimes.base import Outputs
from fkd_train.runtimes.exchange import Failure
from fkd_train.runtimes.inputs import CheckInputs

_SCORES = ("score", "scores", "presence")
"""Outputs from 0 to 1; the others are in pixels."""


@dataclass(frozen=True)
class Comparison:
    """Largest differences in pixels and of scores, None without any, and what was compared.

    `problem` says in one line why a runtime's outputs cannot be used, or not all of them.
    """

    largest_px: float | None = None
    largest_score: float | None = None
    inputs: str = ""
    problem: str | None = None


def compare(
    expected: Sequence[Outputs], results: Sequence[Outputs | Failure], inputs: CheckInputs
) -> Comparison:
    """Compares the results of all inputs.

    There are no differences, but a problem, if an input fails or leads to outputs of another shape.
    A runtime may refuse some sizes of batches, if not all.
    """
    failures = {n: each for n, each in enumerate(results) if isinstance(each, Failure)}
    if len(failures) == len(results):
        return Comparison(problem=failures[0].reason)
    if failures and not inputs.batches:
        number, failure = next(iter(failures.items()))
        return Comparison(problem=f"on {inputs.label(number)}: {failure.reason}")
    largest_px, largest_score = 0.0, None
    distances = [np.zeros(1)]
    for number, (reference, outputs) in enumerate(zip(expected, results, strict=True)):
        if isinstance(outputs, Failure):
            continue
        if problem := _shape_problem(reference, outputs):
            return Comparison(problem=f"on {inputs.label(number)}: {problem}")
        for name, values in reference.items():
            difference = np.abs(outputs[name].reshape(values.shape) - values)
            if name == "points":
                distances.append(np.linalg.norm(difference, axis=-1).ravel())
            # Python's max would lose a NaN.
            elif name in _SCORES:
                score = difference.max(initial=0.0)
                largest_score = float(np.maximum(largest_score or 0.0, score))
            else:
                largest_px = float(np.maximum(largest_px, difference.max(initial=0.0)))
    points = np.concatenate(distances)
    within_px = float(np.maximum(largest_px, np.quantile(points, inputs.share)))
    largest_px = float(np.maximum(largest_px, points.max()))
    if not np.isfinite([largest_px, largest_score or 0.0]).all():
        return Comparison(problem="outputs are not finite")
    problem = _over_budget(within_px, largest_score, inputs)
    return Comparison(largest_px, largest_score, _compared(inputs, failures), problem)


def _shape_problem(expected: Outputs, outputs: Outputs) -> str | None:
    if missing := sorted(expected.keys() - outputs.keys()):
        return f"there is no output {missing[0]!r}"
    for name, values in expected.items():
        shape, output = values.shape, outputs[name]
        if output.shape == shape or (output.size == values.size == 0):
            continue
        if output.shape[1:] == shape[1:] and len(shape):
            return f"it answers {len(output)} faces, the reference {len(values)}"
        return f"output {name!r} has the shape {output.shape}, in the reference {shape}"
    return None


def _compared(inputs: CheckInputs, failures: dict[int, Failure]) -> str:
    if not inputs.batches:
        return inputs.content
    sizes = [len(each) for number, each in enumerate(inputs.arrays) if number not in failures]
    content = f"{inputs.content}, batches of {_listed(sizes)}"
    if not failures:
        return content
    refused = [len(inputs.arrays[number]) for number in failures]
    return f"{content} (not of {_listed(refused)}: {next(iter(failures.values())).reason})"


def _listed(numbers: Sequence[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last


def _over_budget(within_px: float, largest_score: float | None, inputs: CheckInputs) -> str | None:
    if within_px > inputs.budget_px:
        return f"differs by more than {inputs.budget_px:g} px"
    if largest_score is not None and largest_score > inputs.budget_score:
        return f"scores differ by more than {inputs.budget_score:g}"
    return None
