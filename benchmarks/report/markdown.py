"""Writes results as Markdown tables and plots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.harness.environment import Environment
from benchmarks.harness.results import Figure, Measurement, Run, SkippedContender
from benchmarks.report.plots import accuracy_against_latency, latency_bars
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_train.errors import RunError
from fkd_train.reports.plots import save_figure


@dataclass(frozen=True)
class _Section:
    """A command's section: its title, and the heading of each row's table."""

    title: str
    heading: Callable[[Measurement], str]


def _by_model(m: Measurement) -> str:
    return f"{m.model}, batch {m.conditions['batch']}, {_threads(m)}"


def _by_operator(m: Measurement) -> str:
    if "operator" in m.conditions:
        return f"Operators of {m.model}, {m.contender}, {_threads(m)}"
    return f"{'The machine' if m.model == 'the machine' else 'Networks'}, {_threads(m)}"


def _threads(m: Measurement) -> str:
    count = m.conditions["threads"]
    return f"{count} thread{'' if count == '1' else 's'}"


SECTIONS = {
    "latency": _Section("Latency", _by_model),
    "pipeline": _Section("Videos", lambda m: m.conditions["figures"].capitalize()),
    "throughput": _Section("Folders of pictures", lambda m: m.conditions["figures"].capitalize()),
    "accuracy": _Section(
        "Accuracy", lambda m: f"{m.conditions['split']} split, boxes of {m.conditions['boxes']}"
    ),
    "detectors": _Section("Detectors", lambda m: f"{m.conditions['size']}, {_threads(m)}"),
    "serve": _Section("Servers", lambda m: f"{m.contender}, {m.conditions['request']}"),
    "settings": _Section("Settings", lambda m: f"{m.model}, {m.conditions['where']}"),
    "limit": _Section("The machine's limit", _by_operator),
    "gpu": _Section("GPU", lambda m: m.conditions["part"].capitalize()),
}
_IN_TITLES = ("part", "batch", "size", "threads", "split", "boxes", "where", "figures")


def write_report(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Writes report.md and its plots; returns their paths. Raises RunError if there is no result.

    The last of several measurements counts.
    """
    measurements = _last_measurements(runs)
    if not measurements:
        raise RunError(folder, "there is nothing to report; the files have no measurements")
    figures = {f"latency-{name}.png": f for name, f in latency_bars(measurements).items()}
    scatter = accuracy_against_latency(measurements)
    if scatter is not None:
        figures["accuracy-latency.png"] = scatter
    for name, figure in figures.items():
        save_figure(figure, folder / name)
    lines = [*report_lines(runs), *_plot_links(figures)]
    page = folder / "report.md"
    with atomic_write(page) as partial, output_errors(page):
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [page, *(folder / name for name in figures)]


def report_lines(runs: Sequence[Run]) -> list[str]:
    """The tables of all measurements, what was left out, and the machines, as lines of Markdown."""
    measurements = _last_measurements(runs)
    lines = [
        "# Measurements",
        "",
        "Brackets hold 95 % intervals; docs/reference/benchmarks.md has the method.",
        "",
    ]
    for command, section in SECTIONS.items():
        own = [m for m in measurements if m.command == command]
        if not own:
            continue
        lines += [f"## {section.title}", ""]
        for heading in dict.fromkeys(section.heading(m) for m in own):
            rows = [m for m in own if section.heading(m) == heading]
            lines += [f"### {heading}", "", *markdown(table(rows)), ""]
        skipped = dict.fromkeys(x for run in runs for x in run.skipped if x.command == command)
        lines += _skipped_lines(skipped)
    return [*lines, *_environments(runs)]


def _last_measurements(runs: Sequence[Run]) -> list[Measurement]:
    return list({m.key: m for run in runs for m in run.measurements}.values())


def table(rows: Sequence[Measurement]) -> pd.DataFrame:
    """A row per measurement, without columns that are the same in all rows."""
    frame = pd.DataFrame([_row(m) for m in rows])
    conditions = {"model", "contender", *(name for m in rows for name in m.conditions)}
    constant = [
        name for name in frame if name in conditions and frame[name].nunique(dropna=False) == 1
    ]
    return frame.drop(columns=constant if len(rows) > 1 else []).fillna("")


def _row(m: Measurement) -> dict[str, str]:
    names = {"model": m.model, "contender": m.contender}
    conditions = {k: v for k, v in m.conditions.items() if k not in _IN_TITLES}
    figures = {_column(name, figure): _cell(figure) for name, figure in m.figures.items()}
    return {**names, **conditions, **figures}


def _column(name: str, figure: Figure) -> str:
    return f"{name}, {figure.unit}" if figure.unit else name


def _cell(figure: Figure) -> str:
    number = str(Figure(figure.value, ""))
    if figure.low is None or figure.low == figure.high:
        return number.strip()
    return str(Figure(figure.value, "", figure.low, figure.high)).strip()


def markdown(frame: pd.DataFrame) -> list[str]:
    """A table as lines of Markdown."""
    rows = [list(map(str, frame.columns)), ["---"] * len(frame.columns)]
    rows += frame.astype(str).to_numpy().tolist()
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def _skipped_lines(skipped: Iterable[SkippedContender]) -> list[str]:
    lines = [f"- {x.model}, {x.contender}: {x.why}" for x in skipped]
    return ["Left out:", "", *lines, ""] if lines else []


def _environments(runs: Sequence[Run]) -> list[str]:
    """The date and command of each run, and each machine once."""
    environments = [run.environment for run in runs if run.measurements]
    lines = ["## Where and when", ""]
    for e in environments:
        load = " ".join(f"{number:.2f}" for number in e.load_average)
        lines.append(
            f"- {e.date}: `{' '.join(e.command_line[1:])}`, load average before {load}, "
            f"commit {e.commit or 'unknown'}"
        )
    return [*lines, "", *dict.fromkeys(_machine(e) for e in environments), ""]


def _machine(e: Environment) -> str:
    limit = "no cgroup limit" if e.cgroup_cores is None else f"cgroup limit {e.cgroup_cores}"
    packages = ", ".join(f"{name} {version}" for name, version in e.packages.items())
    return (
        f"- {e.cpu}, {len(e.cores)} cores, {limit}, governor {e.governor or 'unknown'}, "
        f"{e.memory_gib:.0f} GiB; {' '.join(e.cpu_features)}; {e.system}; "
        f"Python {e.python}, {packages}"
    )


def _plot_links(names: Iterable[str]) -> list[str]:
    lines = [line for name in names for line in (f"![{Path(name).stem}]({name})", "")]
    return ["## Plots", "", *lines] if lines else []
