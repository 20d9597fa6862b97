"""Optimises a landmark network: measures every candidate, and keeps those that pay.

A candidate is kept if it is as accurate as fp32, within a budget, and measurably faster or smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from fkd_infer.choices import Platform
from fkd_infer.system.hardware import available_threads
from fkd_train.choices import OptimizeGoal
from fkd_train.errors import VerificationError
from fkd_train.export.landmarks import fp32_model
from fkd_train.export.sources.source import ExportData, LandmarkSource
from fkd_train.optimize.candidates import Candidate, candidates
from fkd_train.optimize.context import OptimizationContext
from fkd_train.optimize.measurements import MeasuredCandidate, measure_all, measure_speeds
from fkd_train.optimize.verdict import REFERENCE, Speed, copy_files, file_name, judge
from fkd_train.runtimes.check import RuntimeResult

MAX_SCORE_FLIPS = 0.005
"""Largest share of crops, of faces and beside them, on whose presence a candidate's and the
network's scores may disagree."""


@dataclass(frozen=True)
class CandidateResult:
    """A candidate's measurements and verdict.

    `nme` and its change against fp32 are in percent of the interocular distance, `largest_px`, the
    largest distance of a point from the network's own, in crop pixels. `p50_ms` is of calls with
    one crop, `ratio` the speed relative to fp32 with a 95 % interval; None if not timed.
    """

    name: str
    file: str
    precision: str
    bytes: int
    nme: float
    nme_change: float
    largest_px: float
    score_flips: float | None
    p50_ms: float | None
    ratio: float | None
    ratio_interval: tuple[float, float] | None
    kept: bool
    verdict: str


@dataclass(frozen=True)
class OptimizationResult:
    """All candidates, fp32 first, and the folder with the files of those that were kept.

    `runtimes` has what other runtimes make of the kept files, by their names, if it was checked.
    """

    folder: Path
    faces: str
    max_nme_increase: float
    platform: Platform
    threads: int
    candidates: tuple[CandidateResult, ...]
    runtimes: dict[str, tuple[RuntimeResult, ...]] = field(default_factory=dict)

    @property
    def files(self) -> list[Path]:
        """The files that were written."""
        return [self.folder / candidate.file for candidate in self.candidates if candidate.kept]


def optimize_landmarks(
    source: LandmarkSource,
    out: Path,
    goal: OptimizeGoal = "auto",
    max_nme_increase: float = 0.1,
    platform: Platform = "any",
    progress: Callable[[str], None] = lambda _: None,
) -> OptimizationResult:
    """Writes the fp32 file of a network with data, and the candidates that pay, into a folder.

    Candidates are made with the training faces and measured on the evaluation faces, in the
    runtime's crops. Those whose NME rises by more than `max_nme_increase` points are not kept;
    if `goal` names them, VerificationError is raised and nothing is written. Also raises what
    `write_landmarks` raises. `progress` receives lines for people.
    """
    name, data = source.card.name, source.data
    assert data is not None
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        fp32_graph, _ = fp32_model(source, out / file_name(name, "fp32"))
        context = _context(source, data, fp32_graph, folder, max_nme_increase, platform)
        made: list[Candidate] = []
        for candidate in candidates(context, goal):
            progress(f"made {candidate.name}: {candidate.precision}")
            made.append(candidate)
        progress(f"measuring {len(made)} files on {len(data.faces)} faces, then timing them")
        measured = measure_all(made, source, data, folder)
        fp32 = measured[0]
        problems = [accuracy_problem(each, fp32, max_nme_increase) for each in measured]
        if goal != "auto":
            _raise_problem(measured, problems, out)
        timed = [
            each
            for each, problem in zip(measured, problems, strict=True)
            if problem is None and each.candidate.here
        ]
        speeds = measure_speeds(timed, fp32)
        results = [
            _result(each, fp32, problem, speeds.get(each.path), name)
            for each, problem in zip(measured, problems, strict=True)
        ]
        pairs = zip(measured, results, strict=True)
        copy_files(out, [(result.file, each.path) for each, result in pairs if result.kept])
    faces = f"{len(data.faces)} faces, {data.split_name}"
    threads = available_threads()
    return OptimizationResult(out, faces, max_nme_increase, platform, threads, tuple(results))


def _context(
    source: LandmarkSource,
    data: ExportData,
    fp32: onnx.ModelProto,
    folder: Path,
    budget: float,
    platform: Platform,
) -> OptimizationContext:
    training = data.training_faces(data.colour)
    return OptimizationContext(fp32, source.sampler, training, budget, platform, folder)


def accuracy_problem(
    measured: MeasuredCandidate, fp32: MeasuredCandidate, max_nme_increase: float
) -> str | None:
    """Describes what a candidate loses over the budget; None within the budget."""
    change = measured.nme - fp32.nme
    if not change <= max_nme_increase:
        return f"NME {change:+.3f} points, the budget is {max_nme_increase:+g}"
    flips = measured.score_flips
    if flips is not None and not flips <= MAX_SCORE_FLIPS:
        share, budget = f"{100 * flips:.1f} %", f"{100 * MAX_SCORE_FLIPS:g} %"
        return f"its score sees {share} of the crops differently, the budget is {budget}"
    return None


def _raise_problem(
    measured: Sequence[MeasuredCandidate], problems: Sequence[str | None], out: Path
) -> None:
    for each, problem in zip(measured, problems, strict=True):
        if problem:
            raise VerificationError.of_budget(out, each.candidate.name, problem)


def _result(
    measured: MeasuredCandidate,
    fp32: MeasuredCandidate,
    problem: str | None,
    speed: Speed | None,
    name: str,
) -> CandidateResult:
    size = measured.path.stat().st_size
    size_ratio = size / fp32.path.stat().st_size
    verdict = REFERENCE if measured is fp32 else judge(problem, speed, size_ratio)
    return CandidateResult(
        name=measured.candidate.name,
        file=file_name(name, measured.candidate.name),
        precision=measured.candidate.precision,
        bytes=size,
        nme=measured.nme,
        nme_change=measured.nme - fp32.nme,
        largest_px=measured.verification.parity.largest_px,
        score_flips=measured.score_flips,
        p50_ms=speed.p50_ms if speed else None,
        ratio=speed.ratio if speed else None,
        ratio_interval=speed.interval if speed else None,
        kept=verdict.kept,
        verdict=verdict.text,
    )
