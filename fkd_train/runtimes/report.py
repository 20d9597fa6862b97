"""Reports in which runtimes a file runs: as a table, and in its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnx

from fkd_infer.models.cards.base import RuntimeParity
from fkd_infer.models.description import read_any_card
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_train.export.cards import with_card
from fkd_train.runtimes.check import RuntimeResult

_HEADER = ("runtime", "version", "largest px", "score", "ms")


def table_lines(results: Sequence[RuntimeResult]) -> list[str]:
    """Formats a row for each runtime, with its verdict at the end."""
    lines = aligned([_HEADER, *(_row(result) for result in results)])
    verdicts = ["", *(_verdict(result) for result in results)]
    return [f"{line}  {verdict}".rstrip() for line, verdict in zip(lines, verdicts, strict=True)]


def markdown_lines(results: Sequence[RuntimeResult]) -> list[str]:
    """Formats the same table in Markdown."""
    rows = [(*_row(result), _verdict(result).replace("|", "\\|")) for result in results]
    head = [f"| {' | '.join((*_HEADER, 'verdict'))} |", "|---" * (len(_HEADER) + 1) + "|"]
    return [*head, *(f"| {' | '.join(cells)} |" for cells in rows)]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Pads the cells of rows to columns, the first one to the left."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])],
        )
        for row in rows
    ]


def _verdict(result: RuntimeResult) -> str:
    return result.problem or f"runs: {result.inputs}"


def _row(result: RuntimeResult) -> tuple[str, ...]:
    return (
        result.runtime,
        result.version or "–",
        "–" if result.largest_px is None else f"{result.largest_px:.2g}",
        "–" if result.largest_score is None else f"{result.largest_score:.2g}",
        "–" if result.median_ms is None else f"{result.median_ms:.2f}",
    )


def write_runs_in(model: Path, results: Sequence[RuntimeResult], out: Path | None = None) -> None:
    """Writes a file anew, or to `out`, with the runtimes in which it runs in its card."""
    runs_in: dict[str, RuntimeParity] = {
        result.runtime: result.parity for result in results if result.parity is not None
    }
    card = replace(read_any_card(model), runs_in=runs_in)
    content, target = with_card(onnx.load(model), card), out or model
    with atomic_write(target) as partial, output_errors(target):
        onnx.save(content, partial)
