"""Reports an optimisation: a table for the terminal, and Markdown and JSON beside the files."""

from __future__ import annotations

import json
from dataclasses import asdict

from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.system.hardware import cpu_features, cpu_name
from fkd_train.optimize.landmarks import CandidateResult, OptimizationResult
from fkd_train.runtimes.report import aligned, markdown_lines, table_lines

_HEADER = ("file", "MB", "NME %", "change", "largest px", "p50 ms", "ratio")


def table(result: OptimizationResult) -> list[str]:
    """Formats a row and a verdict for each candidate."""
    lines = aligned([_HEADER, *(_row(candidate) for candidate in result.candidates)])
    verdicts = ["", *(candidate.verdict for candidate in result.candidates)]
    return [f"{line}  {verdict}".rstrip() for line, verdict in zip(lines, verdicts, strict=True)]


def runtime_lines(result: OptimizationResult) -> list[str]:
    """Formats what each runtime makes of each kept file, if it was checked."""
    lines: list[str] = []
    for file, results in result.runtimes.items():
        lines += ["", f"{file}:", *table_lines(results)]
    return lines


def _row(candidate: CandidateResult) -> tuple[str, ...]:
    return (
        candidate.file,
        f"{candidate.bytes / 1e6:.2f}",
        f"{candidate.nme:.2f}",
        f"{candidate.nme_change:+.3f}",
        f"{candidate.largest_px:.2g}",
        "–" if candidate.p50_ms is None else f"{candidate.p50_ms:.2f}",
        "–" if candidate.ratio is None else f"{candidate.ratio:.2f}×",
    )


def protocol_lines(result: OptimizationResult) -> list[str]:
    """Describes how the numbers were measured."""
    return [
        f"NME on {result.faces}, in crops around the true points; the budget is "
        f"{result.max_nme_increase:+g} points.",
        "Largest distance of a point to the network's own before the export, on the same faces, in "
        "pixels of the crop.",
        f"p50: median call with one crop, ONNX Runtime, {result.threads} threads, on {cpu_name()} "
        f"({', '.join(cpu_features()) or 'features unknown'}), in interleaved processes. "
        "ratio: speed relative to fp32, median over rounds.",
        f"int8 is for the platform {result.platform}.",
    ]


def write_report(result: OptimizationResult) -> None:
    """Writes `optimize.json` and `optimize.md` beside the files."""
    content: dict[str, object] = {
        "schema": "fkd-optimize/1",
        "cpu": cpu_name(),
        "features": cpu_features(),
        "faces": result.faces,
        "max_nme_increase": result.max_nme_increase,
        "platform": result.platform,
        "threads": result.threads,
        "judged": [asdict(candidate) for candidate in result.candidates],
    }
    if result.runtimes:
        content["runtimes"] = {
            file: [asdict(each) for each in results] for file, results in result.runtimes.items()
        }
    head = [f"| {' | '.join((*_HEADER, '95 %', 'precision', 'verdict'))} |", "|---" * 10 + "|"]
    rows = [
        f"| {' | '.join((*_row(j), _interval(j), j.precision, j.verdict))} |"
        for j in result.candidates
    ]
    tables: list[str] = []
    for file, results in result.runtimes.items():
        tables += [f"{file} in other runtimes:", "", *markdown_lines(results), ""]
    texts = {
        "optimize.json": json.dumps(content, indent=1) + "\n",
        "optimize.md": "\n".join([*head, *rows, "", *protocol_lines(result), "", *tables]),
    }
    for name, text in texts.items():
        path = result.folder / name
        with atomic_write(path) as partial, output_errors(path):
            partial.write_text(text)


def _interval(candidate: CandidateResult) -> str:
    if candidate.ratio_interval is None:
        return "–"
    low, high = candidate.ratio_interval
    return f"{low:.2f}–{high:.2f}"
